"""SegmentMeIfYouCan's own metrics: pixels by quantile bins, and components at the threshold these set."""

from oddscape.metrics.smiyc.component import ComponentMetrics, ComponentResult, bootstrap_components
from oddscape.metrics.smiyc.pixel import SmiycPixelMetrics, SmiycPixelResult

__all__ = [
    "ComponentMetrics",
    "ComponentResult",
    "SmiycPixelMetrics",
    "SmiycPixelResult",
    "bootstrap_components",
]

"""Figures: accumulators that take maps from any tool, and say how far their figures may be off."""

from oddscape.metrics.by_size import SIZE_CLASSES, SizeFigures, component_sizes, figures_by_size
from oddscape.metrics.calibration import CalibrationMetrics, CalibrationResult
from oddscape.metrics.curves import Curve, precision_recall_curve, roc_curve
from oddscape.metrics.fpr_rules import FPR_RULES, fpr
from oddscape.metrics.mistakes import MistakeMetrics, MistakesResult
from oddscape.metrics.open_set import FoldResult, OpenSetMetrics, OpenSetResult
from oddscape.metrics.operating_points import (
    OperatingPoints,
    auroc,
    average_precision,
    best_f1,
    count_operating_points,
)
from oddscape.metrics.pixel import EachPicture, PerPicture, PixelMetrics, PixelResult
from oddscape.metrics.pixel_figures import Bounds, PixelFigures
from oddscape.metrics.score_histogram import ScoreHistogram
from oddscape.metrics.semantic import ConfusionMatrix, SegmentationResult
from oddscape.metrics.smiyc import ComponentMetrics, ComponentResult, SmiycPixelMetrics, SmiycPixelResult
from oddscape.metrics.streaming import StreamingCounts, StreamingResult

__all__ = [
    "FPR_RULES",
    "SIZE_CLASSES",
    "Bounds",
    "CalibrationMetrics",
    "CalibrationResult",
    "ComponentMetrics",
    "ComponentResult",
    "ConfusionMatrix",
    "Curve",
    "EachPicture",
    "FoldResult",
    "MistakeMetrics",
    "MistakesResult",
    "OpenSetMetrics",
    "OpenSetResult",
    "OperatingPoints",
    "PerPicture",
    "PixelFigures",
    "PixelMetrics",
    "PixelResult",
    "ScoreHistogram",
    "SegmentationResult",
    "SizeFigures",
    "SmiycPixelMetrics",
    "SmiycPixelResult",
    "StreamingCounts",
    "StreamingResult",
    "auroc",
    "average_precision",
    "best_f1",
    "component_sizes",
    "count_operating_points",
    "figures_by_size",
    "fpr",
    "precision_recall_curve",
    "roc_curve",
]

"""Counting any number of pixels in constant memory, and certifying how far their figures may be off."""

from oddscape.metrics.streaming.counts import DEFAULT_MEMORY, StreamingCounts, StreamingResult
from oddscape.metrics.streaming.half_precision import HALF_VALUES, half_histogram, points_of_half

__all__ = [
    "DEFAULT_MEMORY",
    "HALF_VALUES",
    "StreamingCounts",
    "StreamingResult",
    "half_histogram",
    "points_of_half",
]

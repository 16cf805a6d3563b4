"""Figures: accumulators that take maps from any tool and give exact results."""

from oddscape.metrics.open_set import FoldResult, OpenSetMetrics, OpenSetResult
from oddscape.metrics.operating_points import (
    FPR_RULES,
    Curve,
    OperatingPoints,
    auroc,
    average_precision,
    count_operating_points,
    fpr,
    precision_recall_curve,
    roc_curve,
)
from oddscape.metrics.pixel import EachPicture, PerPicture, PixelMetrics, PixelResult, ScoreHistogram
from oddscape.metrics.semantic import ConfusionMatrix, SegmentationResult

__all__ = [
    "FPR_RULES",
    "ConfusionMatrix",
    "Curve",
    "EachPicture",
    "FoldResult",
    "OpenSetMetrics",
    "OpenSetResult",
    "OperatingPoints",
    "PerPicture",
    "PixelMetrics",
    "PixelResult",
    "ScoreHistogram",
    "SegmentationResult",
    "auroc",
    "average_precision",
    "count_operating_points",
    "fpr",
    "precision_recall_curve",
    "roc_curve",
]

"""Open-mIoU: the anomaly is one class more, called where the score exceeds a threshold from other folds."""

from oddscape.metrics.open_set.folds import FoldResult, OpenSetMetrics, OpenSetResult, bootstrap_open_set

__all__ = ["FoldResult", "OpenSetMetrics", "OpenSetResult", "bootstrap_open_set"]

"""ROC and precision-recall curves, thinned so that their areas stay exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddscape.metrics.operating_points import OperatingPoints, just_above, sums_over_pixels


@dataclass(frozen=True, eq=False)
class Curve:
    """Points of a curve in order of falling threshold.

    Args:
        x: float64 [n], the false-positive rate of a ROC curve, the recall of a precision-recall curve.
        y: float64 [n], the recall of a ROC curve, the precision of a precision-recall curve.
        thresholds: float64 [n], falling; what one means for a thinned curve, its function says.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    thresholds: NDArray[np.float64]


_EMPTY = Curve(np.empty(0), np.empty(0), np.empty(0))


def roc_curve(points: OperatingPoints, limit: int = 500) -> Curve:
    """Recall over false-positive rate from (0, 0) to (1, 1); the trapezoids below it always sum to AUROC.

    Each operating point gives two corners of the curve: before and after the pixels with its very score.
    Where there are more than ``limit`` corners, operating points are kept evenly over both axes. All between
    two of them, (x₀, y₀) and (x₁, y₁), give way to one point on the diagonal from (x₀, y₁) to (x₁, y₀). Along
    that diagonal the area below changes linearly, so that one point has the area of what it stands for.

    Args:
        points: counts of the pixels; the curve is empty where ``points.undefined``.
        limit: most points of the curve, at least 10.

    Returns:
        A curve whose points are those of the pixels with score ≥ threshold. Only a point that stands for
        several belongs to no threshold of its own: it carries the one just above that of the point after it.
    """
    if points.undefined:
        return _EMPTY
    kept = _spread(points.true_positives, points.false_positives, limit // 2 - 1)
    x, y = points.false_positives[kept], points.true_positives[kept]
    thresholds = points.thresholds[kept]
    corner_x, corner_y = _corners(points, kept)
    return Curve(
        x=np.concatenate(([0.0], _interleaved(corner_x, x) / points.negatives, [1.0])),
        y=np.concatenate(([0.0], _interleaved(corner_y, y) / points.positives, [1.0])),
        thresholds=np.concatenate(([np.inf], _interleaved(just_above(thresholds), thresholds), [-np.inf])),
    )


def precision_recall_curve(points: OperatingPoints, limit: int = 500) -> Curve:
    """Precision over recall at the scores of anomalous pixels; its steps Σ (R_i − R_{i−1}) Pr_i sum to AP.

    Where there are more than ``limit`` operating points, some are kept evenly over both axes. The steps from
    one of them to the next become one step of their mean precision, weighted by the recall that each gains.

    Args:
        points: counts of the pixels; the curve is empty where ``points.undefined``.
        limit: most points of the curve, at least 4.

    Returns:
        A curve whose points are those of the pixels with score ≥ threshold, except that the precision of a
        step that stands for several is their mean.
    """
    if points.undefined:
        return _EMPTY
    envelope = np.maximum.accumulate(points.precision[::-1])[::-1]
    kept = _spread(points.true_positives, -envelope, limit)
    true, false = points.true_positives, points.false_positives
    gained, sums = sums_over_pixels(points, kept + 1, lambda part: true[part] / (true[part] + false[part]))
    return Curve(points.recall[kept], sums / gained, points.thresholds[kept].astype(np.float64))


def _corners(
    points: OperatingPoints, kept: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Counts (FP, TP) of the one point between each kept point and the one before it, from (0, 0) on."""
    false, above = points.false_positives, points.false_positives_above
    gained, sums = sums_over_pixels(points, kept + 1, lambda part: (false[part] + above[part]) / 2)
    # Summed over the anomalous pixels gained, x is the area left of the curve; the corner has its mean.
    x, y = sums / gained, points.true_positives[kept].astype(np.float64)
    width = np.diff(false[kept], prepend=0)
    share = np.divide(x - (false[kept] - width), width, out=np.ones(len(kept)), where=width > 0)
    y -= share * gained
    # Between neighbours stands the curve's own corner.
    single = np.diff(kept, prepend=-1) == 1
    x[single], y[single] = above[kept[single]], (points.true_positives[kept] - gained)[single]
    return x, y


def _interleaved(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    return np.stack((first, second), axis=1, dtype=np.float64).ravel()


def _spread(x: NDArray[Any], y: NDArray[Any], limit: int) -> NDArray[np.intp]:
    """Indices of at most ``limit`` points, half even in x, half in y, which both rise; the last is kept."""
    if len(x) <= limit:
        return np.arange(len(x))
    even = [np.searchsorted(values, np.linspace(values[0], values[-1], limit // 2)) for values in (x, y)]
    return np.unique(np.minimum(np.concatenate(even), len(x) - 1))

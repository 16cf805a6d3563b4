"""False-positive rate at 95 % recall: four definitions in use, each by its name."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from oddscape.errors import OddscapeError
from oddscape.metrics.operating_points import OperatingPoints, just_above

FprAt: TypeAlias = tuple[float, float]
"""A false-positive rate, and the threshold t at which the pixels with s ≥ t have it."""


def first_above(points: OperatingPoints, recall: float = 0.95) -> FprAt:
    """First point with R > ``recall`` on scikit-learn's ROC curve with its default ``drop_intermediate``.

    That default first removes every point whose two neighbouring steps in (FP, TP) are equal, so the
    point taken may lie below the first threshold with R > ``recall``. DenseHybrid and RbA use this rule.
    """
    start = _first_above(points, recall)
    return _at(points, start + int(np.argmax(_kept(points, start))))


def first_at_least(points: OperatingPoints, recall: float = 0.95) -> FprAt:
    """First point with R ≥ ``recall``. SegmentMeIfYouCan, Fishyscapes and UNO use this rule."""
    return _at(points, _first_at_least(points, recall))


def nearest(points: OperatingPoints, recall: float = 0.95) -> FprAt:
    """Point whose R is nearest to ``recall``. StreetHazards' own code, DiCNet and PEBAL use this rule.

    Of the thresholds with that recall the lowest counts, with the most false positives, as in a walk from
    full recall upwards; but full recall itself counts where it is first reached. Of two recalls equally
    near the higher counts.
    """
    index = _first_at_least(points, recall)
    if index and abs(_recall(points, index) - recall) > abs(_recall(points, index - 1) - recall):
        index -= 1
    if index == len(points.thresholds) - 1:
        return _at(points, index)
    # All scores above the next anomalous pixel's, and no others, lie at or above this number.
    threshold = float(just_above(points.thresholds[index + 1 : index + 2])[0])
    return int(points.false_positives_above[index + 1]) / points.negatives, threshold


def interpolated(points: OperatingPoints, recall: float = 0.95) -> FprAt:
    """F at R = ``recall`` by linear interpolation. Standardized Max Logits and Mask2Anomaly use this rule.

    Where the curve meets ``recall`` exactly its last point there counts, as ``numpy.interp`` has it. No
    threshold has an interpolated rate: the one given is that of the first point with R ≥ ``recall``.
    """
    index = _first_above(points, recall)
    before = _recall(points, index - 1) if index else 0.0
    low, high = int(points.false_positives_above[index]), int(points.false_positives[index])
    share = (recall - before) / (_recall(points, index) - before)
    _, threshold = first_at_least(points, recall)
    return (low + share * (high - low)) / points.negatives, threshold


FPR_RULES: dict[str, Callable[[OperatingPoints, float], FprAt]] = {
    "first_above": first_above,
    "first_at_least": first_at_least,
    "nearest": nearest,
    "interpolated": interpolated,
}
"""The definitions of "FPR at 95 % recall" in use. Each takes defined points and a recall in [0, 1)."""


def require_fpr_rule(name: str) -> None:
    """Raise an OddscapeError that lists the rules unless ``name`` is one of them."""
    if name not in FPR_RULES:
        raise OddscapeError(f"unknown FPR rule {name!r}: expected one of {', '.join(FPR_RULES)}")


def fpr(points: OperatingPoints, rule: str = "first_above", recall: float = 0.95) -> FprAt:
    """False-positive rate at a recall, and its threshold; both NaN where ``points.undefined``.

    Args:
        points: counts of the pixels.
        rule: a name in ``FPR_RULES``.
        recall: in [0, 1).

    Raises:
        OddscapeError: there is no such rule.
    """
    require_fpr_rule(rule)
    return (float("nan"), float("nan")) if points.undefined else FPR_RULES[rule](points, recall)


def _recall(points: OperatingPoints, index: int) -> float:
    return float(points.true_positives[index] / points.positives)


def _first_above(points: OperatingPoints, recall: float) -> int:
    return bisect_right(points.true_positives, recall, key=lambda count: count / points.positives)


def _first_at_least(points: OperatingPoints, recall: float) -> int:
    return bisect_left(points.true_positives, recall, key=lambda count: count / points.positives)


def _at(points: OperatingPoints, index: int) -> FprAt:
    return int(points.false_positives[index]) / points.negatives, float(points.thresholds[index])


def _kept(points: OperatingPoints, start: int) -> NDArray[np.bool_]:
    """Which points from ``start`` on scikit-learn's ``drop_intermediate`` keeps.

    A point is dropped where the next distinct score of *any* pixel adds as many false and true positives
    as its own did. Its own adds a true positive, so the next must be an anomalous pixel's score too, with
    no known pixel between. The first and the last distinct score are always kept.
    """
    gained = np.diff(points.true_positives, prepend=0)[start:]
    tied = (points.false_positives - points.false_positives_above)[start:]
    between = points.false_positives_above[start + 1 :] != points.false_positives[start:-1]
    kept = np.ones(len(gained), bool)
    kept[:-1] = (gained[1:] != gained[:-1]) | (tied[1:] != tied[:-1]) | between
    kept[0] |= start == 0 and points.false_positives_above[0] == 0
    return kept

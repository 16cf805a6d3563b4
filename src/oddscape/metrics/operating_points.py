"""What AP, AUROC, FPR at a recall and the curves are made of: counts at the scores of anomalous pixels.

A threshold that no anomalous pixel's score equals only adds false positives to the one above it. So the
counts at the distinct scores of anomalous pixels determine every figure here exactly, and known pixels,
which outnumber anomalous ones a hundred times, need only be sorted and looked up: no index array, no
full-length curve.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from oddscape.errors import OddscapeError
from oddscape.metrics.arrays import (
    FloatArray,
    Maps,
    as_maps,
    as_score_maps,
    require_same_shape,
    require_truth,
    scores_of,
)


@dataclass(frozen=True, eq=False)
class OperatingPoints:
    """Counts at the D distinct scores of anomalous pixels, from the highest score to the lowest.

    Args:
        thresholds: float [D], strictly falling.
        true_positives: int64 [D], anomalous pixels with score ≥ threshold.
        false_positives: int64 [D], known pixels with score ≥ threshold.
        false_positives_above: int64 [D], known pixels with score > threshold.
        positives: all anomalous pixels, P.
        negatives: all known pixels, N.
    """

    thresholds: FloatArray
    true_positives: NDArray[np.int64]
    false_positives: NDArray[np.int64]
    false_positives_above: NDArray[np.int64]
    positives: int
    negatives: int

    @property
    def recall(self) -> NDArray[np.float64]:
        """TP / P, float64 [D]."""
        return self.true_positives / self.positives

    @property
    def precision(self) -> NDArray[np.float64]:
        """TP / (TP + FP), float64 [D]."""
        return self.true_positives / (self.true_positives + self.false_positives)

    @property
    def undefined(self) -> str | None:
        """Why no figure can be made of these counts; None where one can."""
        if self.positives and self.negatives:
            return None
        if not self.positives and not self.negatives:
            return "no pixel counts"
        missing = "known" if self.positives else "anomalous"
        return f"no {missing} pixel among the {self.positives + self.negatives} that count"


def count_operating_points(score: Maps, truth: Maps) -> OperatingPoints:
    """Count the operating points of score maps that are held in memory as a whole.

    Takes little memory beyond its arguments: less than two bytes a pixel at 1 % anomalies.

    Args:
        score: any float type, [H, W] or [N, H, W], higher = more anomalous.
        truth: the same shape; 0 known, 1 anomaly, 255 ignored.

    Raises:
        OddscapeError: shapes differ, truth holds another value, or a counted score is NaN.
    """
    score, truth = as_score_maps(score), as_maps(truth, "truth")
    require_same_shape(score=score, truth=truth)
    require_truth(truth)
    flat_score, flat_truth = score.reshape(-1), truth.reshape(-1)
    positives = scores_of(1, flat_score, flat_truth)
    parts = _chunks(positives.size, score.size)
    pieces = zip(np.array_split(flat_score, parts), np.array_split(flat_truth, parts), strict=True)
    return count_split(positives, (scores_of(0, *piece) for piece in pieces))


def count_split(positives: FloatArray, negatives: Iterable[FloatArray]) -> OperatingPoints:
    """Count the operating points of scores that are already split by kind.

    Args:
        positives: scores of anomalous pixels, float [P], in any order, no NaN.
        negatives: chunks of scores of known pixels, float [n] each, in any order, no NaN.
    """
    rising, first = _distinct(np.sort(positives))
    at_least, above = np.zeros(len(rising), np.int64), np.zeros(len(rising), np.int64)
    total = 0
    for chunk in negatives:
        total += chunk.size
        if chunk.size and rising.size:
            _count_above(np.sort(chunk), rising, at_least, above)
    return OperatingPoints(
        thresholds=rising[::-1],
        true_positives=(positives.size - first)[::-1],
        false_positives=at_least[::-1],
        false_positives_above=above[::-1],
        positives=positives.size,
        negatives=total,
    )


def grouped(pieces: list[FloatArray], positives: int) -> Iterator[FloatArray]:
    """Join the known pixels' scores of many pictures into a few chunks for :func:`count_split`."""
    parts = _chunks(positives, sum(piece.size for piece in pieces))
    step = max(1, -(-len(pieces) // parts))
    for start in range(0, len(pieces), step):
        yield np.concatenate(pieces[start : start + step])


def _chunks(positives: int, negatives: int) -> int:
    """How many chunks to sort one after another: more save memory, but look up every threshold more often."""
    worthwhile = min(negatives >> 20, negatives // max(1, 8 * positives))
    return max(1, min(8, worthwhile))


def _distinct(ordered: FloatArray) -> tuple[FloatArray, NDArray[np.int64]]:
    """Distinct values of a sorted array and where each first occurs."""
    fresh = np.ones(ordered.size, bool)
    np.not_equal(ordered[1:], ordered[:-1], out=fresh[1:])
    first = np.flatnonzero(fresh)
    return ordered[first], first


def _count_above(
    ordered: FloatArray, rising: FloatArray, at_least: NDArray[np.int64], above: NDArray[np.int64]
) -> None:
    """Add to the counts how many of the sorted scores are ≥ and > each threshold."""
    below = np.searchsorted(ordered, rising)
    at_least += ordered.size - below
    # Only where the score that was found equals the threshold is there a tie to step over.
    tied = ordered[np.minimum(below, ordered.size - 1)] == rising
    below[tied] = np.searchsorted(ordered, rising[tied], side="right")
    above += ordered.size - below


def average_precision(points: OperatingPoints) -> float:
    """Average precision: Σ (R_i − R_{i−1}) Pr_i over falling thresholds, the step sum.

    Returns:
        A fraction in [0, 1]; NaN where ``points.undefined``.
    """
    if points.undefined:
        return float("nan")
    gained = np.diff(points.true_positives, prepend=0)
    return float(np.sum(gained * points.precision) / points.positives)


def auroc(points: OperatingPoints) -> float:
    """Area under the ROC curve by trapezoids: the share of pairs in order, ties counted half.

    Returns:
        A fraction in [0, 1]; NaN where ``points.undefined``.
    """
    if points.undefined:
        return float("nan")
    gained = np.diff(points.true_positives, prepend=0)
    misplaced = points.false_positives + points.false_positives_above  # twice the pairs out of order
    return float(1 - np.sum(gained * (misplaced / (2 * points.negatives))) / points.positives)


FprAt: TypeAlias = tuple[float, float]
"""A false-positive rate, and the threshold t at which the pixels with s ≥ t have it."""


def first_above(points: OperatingPoints, recall: float = 0.95) -> FprAt:
    """First point with R > ``recall`` on scikit-learn's ROC curve with its default ``drop_intermediate``.

    That default first removes every point whose two neighbouring steps in (FP, TP) are equal, so the
    point taken may lie below the first threshold with R > ``recall``. DenseHybrid and RbA use this rule.
    """
    start = int(np.argmax(points.recall > recall))
    return _at(points, start + int(np.argmax(_kept(points, start))))


def first_at_least(points: OperatingPoints, recall: float = 0.95) -> FprAt:
    """First point with R ≥ ``recall``. SegmentMeIfYouCan, Fishyscapes and UNO use this rule."""
    return _at(points, int(np.argmax(points.recall >= recall)))


def nearest(points: OperatingPoints, recall: float = 0.95) -> FprAt:
    """Point whose R is nearest to ``recall``. StreetHazards' own code, DiCNet and PEBAL use this rule.

    Of the thresholds with that recall the lowest counts, with the most false positives, as in a walk from
    full recall upwards; but full recall itself counts where it is first reached. Of two recalls equally
    near the higher counts.
    """
    distance = np.abs(points.recall - recall)
    index = len(distance) - 1 - int(np.argmin(distance[::-1]))
    if index == len(distance) - 1:
        return _at(points, index)
    # All scores above the next anomalous pixel's, and no others, lie at or above this number.
    threshold = np.nextafter(points.thresholds[index + 1], np.inf)
    return int(points.false_positives_above[index + 1]) / points.negatives, float(threshold)


def interpolated(points: OperatingPoints, recall: float = 0.95) -> FprAt:
    """F at R = ``recall`` by linear interpolation. Standardized Max Logits and Mask2Anomaly use this rule.

    Where the curve meets ``recall`` exactly its last point there counts, as ``numpy.interp`` has it. No
    threshold has an interpolated rate: the one given is that of the first point with R ≥ ``recall``.
    """
    reached = points.recall
    index = int(np.argmax(reached > recall))
    before = float(reached[index - 1]) if index else 0.0
    low, high = int(points.false_positives_above[index]), int(points.false_positives[index])
    share = (recall - before) / (float(reached[index]) - before)
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


@dataclass(frozen=True, eq=False)
class Curve:
    """Points of a curve in order of falling threshold.

    Args:
        x: float64 [n], the false-positive rate of a ROC curve, the recall of a precision-recall curve.
        y: float64 [n], the recall of a ROC curve, the precision of a precision-recall curve.
        thresholds: float64 [n]; the point is that of the pixels with score ≥ threshold.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    thresholds: NDArray[np.float64]


_EMPTY = Curve(np.empty(0), np.empty(0), np.empty(0))


def roc_curve(points: OperatingPoints, limit: int = 500) -> Curve:
    """Recall over false-positive rate from (0, 0) to (1, 1).

    Each operating point gives two corners of the curve: before and after the pixels with its very score.
    The curve is exact, with AUROC as its area, unless it must be thinned to ``limit`` points. It is empty
    where ``points.undefined``.
    """
    if points.undefined:
        return _EMPTY
    kept = _thinned(points, limit // 2 - 1)
    gained = np.diff(points.true_positives, prepend=0)
    false_positives = np.stack((points.false_positives_above[kept], points.false_positives[kept]), axis=1)
    true_positives = np.stack(
        (points.true_positives[kept] - gained[kept], points.true_positives[kept]), axis=1
    )
    thresholds = points.thresholds[kept]
    thresholds = np.stack((np.nextafter(thresholds, np.inf), thresholds), axis=1)
    return Curve(
        x=np.concatenate(([0.0], false_positives.ravel() / points.negatives, [1.0])),
        y=np.concatenate(([0.0], true_positives.ravel() / points.positives, [1.0])),
        thresholds=np.concatenate(([np.inf], thresholds.ravel(), [-np.inf])),
    )


def precision_recall_curve(points: OperatingPoints, limit: int = 500) -> Curve:
    """Precision over recall at the scores of anomalous pixels, thinned to at most ``limit`` points.

    It is empty where ``points.undefined``.
    """
    if points.undefined:
        return _EMPTY
    kept = _thinned(points, limit)
    return Curve(points.recall[kept], points.precision[kept], points.thresholds[kept].astype(np.float64))


def _thinned(points: OperatingPoints, limit: int) -> NDArray[np.int64]:
    """Indices of at most ``limit`` points, half spread evenly over the recall, half over the FPR."""
    if len(points.thresholds) <= limit:
        return np.arange(len(points.thresholds))
    spread = [
        np.searchsorted(counts, np.linspace(counts[0], counts[-1], limit // 2))
        for counts in (points.true_positives, points.false_positives)
    ]
    return np.unique(np.concatenate(spread))

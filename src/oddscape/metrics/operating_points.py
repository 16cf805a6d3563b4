"""What AP, AUROC, FPR at a recall and the curves are made of: counts at the scores of anomalous pixels.

A threshold that no anomalous pixel's score equals only adds false positives to the one above it. So the
counts at the distinct scores of anomalous pixels determine every figure here exactly, and known pixels,
which outnumber anomalous ones a hundred times, need only be sorted block by block and looked up: no index
array, no full-length curve.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from oddscape.metrics.arrays import FloatArray, Maps, as_scored_maps, scores_of
from oddscape.metrics.sorting import BLOCK, blocks, for_each, sort_block


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
        return why_undefined(self.positives, self.negatives)

    def among(self, scores: FloatArray) -> OperatingPoints:
        """Count the operating points of some of the anomalous pixels against all known pixels.

        Args:
            scores: float [n], scores of anomalous pixels that are counted here, in any order.
        """
        rising, first = _distinct(np.sort(scores))
        index = len(self.thresholds) - 1 - np.searchsorted(self.thresholds[::-1], rising[::-1])
        return OperatingPoints(
            thresholds=rising[::-1],
            true_positives=(scores.size - first)[::-1],
            false_positives=self.false_positives[index],
            false_positives_above=self.false_positives_above[index],
            positives=scores.size,
            negatives=self.negatives,
        )


def why_undefined(positives: int, negatives: int) -> str | None:
    """Why no figure can be made of so many anomalous and known pixels; None where one can."""
    if positives and negatives:
        return None
    if not positives and not negatives:
        return "no pixel counts"
    missing = "known" if positives else "anomalous"
    return f"no {missing} pixel among the {positives + negatives} that count"


def count_operating_points(score: Maps, truth: Maps) -> OperatingPoints:
    """Count the operating points of score maps that are held in memory as a whole.

    Beyond its arguments it takes 28 bytes a distinct score of an anomalous pixel, 4 more an anomalous pixel,
    and some 20 MB a thread, of which there are at most four.

    Args:
        score: any float type, [H, W] or [N, H, W], higher = more anomalous.
        truth: the same shape; 0 known, 1 anomaly, 255 ignored.

    Raises:
        OddscapeError: shapes differ, truth holds another value, or a counted score is NaN.
    """
    score, truth = as_scored_maps(score, truth)
    pieces = list(zip(blocks(score.reshape(-1)), blocks(truth.reshape(-1)), strict=True))
    positives = np.concatenate([np.empty(0, np.float32), *(scores_of(1, *piece) for piece in pieces)])
    return count_split(positives, (scores_of(0, *piece) for piece in pieces))


def count_split(
    positives: FloatArray, negatives: Iterable[FloatArray], presorted: bool = False
) -> OperatingPoints:
    """Count the operating points of scores that are already split by kind.

    Args:
        positives: scores of anomalous pixels, float [P], in any order, no NaN.
        negatives: chunks of scores of known pixels, float [n] each, no NaN. They are taken one by one as
            they are needed.
        presorted: each chunk of known pixels is in rising order already, as ``sort_blocks`` leaves it.
    """
    rising, first = _distinct(np.sort(positives))
    falls, ties = np.zeros(len(rising) + 1, np.int64), np.zeros(len(rising), np.int64)
    lock = Lock()

    def count(chunk: FloatArray) -> None:
        _count_between(chunk if presorted else sort_block(chunk), rising, falls, ties, lock)

    for_each(count, negatives if presorted else (block for chunk in negatives for block in blocks(chunk)))
    not_below = np.cumsum(falls[::-1], out=falls[::-1])
    at_least = not_below[:-1]
    return OperatingPoints(
        thresholds=rising[::-1],
        true_positives=np.subtract(positives.size, first, out=first)[::-1],
        false_positives=at_least,
        false_positives_above=np.subtract(at_least, ties[::-1], out=ties[::-1]),
        positives=positives.size,
        negatives=int(not_below[-1]),
    )


def just_above(scores: FloatArray) -> FloatArray:
    """Give the next greater number of the same type: the lowest threshold that leaves each score out."""
    with np.errstate(over="ignore"):  # above the greatest finite number comes infinity
        following: FloatArray = np.nextafter(scores, scores.dtype.type(np.inf))
    return following


def _distinct(ordered: FloatArray) -> tuple[FloatArray, NDArray[np.int64]]:
    """Distinct values of a sorted array and where each first occurs."""
    fresh = np.ones(ordered.size, bool)
    np.not_equal(ordered[1:], ordered[:-1], out=fresh[1:])
    first = np.flatnonzero(fresh)
    return ordered[first], first


def _count_between(
    ordered: FloatArray, rising: FloatArray, falls: NDArray[np.int64], ties: NDArray[np.int64], lock: Lock
) -> None:
    """Add to falls[i] how many scores have just i thresholds ≤ them, to ties[i] how many equal threshold i.

    Both arrays are sorted; the shorter one is looked up in the longer one.
    """
    if not ordered.size:
        return
    if rising.size > ordered.size:
        reached = np.searchsorted(rising, ordered, side="right")
        tied = reached[rising[reached - 1] == ordered] - 1
        with lock:
            np.add.at(falls, reached, 1)
            np.add.at(ties, tied, 1)
    else:
        below = np.searchsorted(ordered, rising)
        tied = np.flatnonzero(ordered[np.minimum(below, ordered.size - 1)] == rising)
        equal = np.searchsorted(ordered, rising[tied], side="right") - below[tied]
        between = np.diff(below, prepend=0, append=ordered.size)
        with lock:
            falls += between
            ties[tied] += equal


def average_precision(points: OperatingPoints) -> float:
    """Average precision: Σ (R_i − R_{i−1}) Pr_i over falling thresholds, the step sum.

    Returns:
        A fraction in [0, 1]; NaN where ``points.undefined``.
    """
    true, false = points.true_positives, points.false_positives
    return _mean_over_pixels(points, lambda part: true[part] / (true[part] + false[part]))


def auroc(points: OperatingPoints) -> float:
    """Area under the ROC curve by trapezoids: the share of pairs in order, ties counted half.

    Returns:
        A fraction in [0, 1]; NaN where ``points.undefined``.
    """
    at_least, above, pairs = points.false_positives, points.false_positives_above, 2 * points.negatives
    return 1 - _mean_over_pixels(points, lambda part: (at_least[part] + above[part]) / pairs)


def best_f1(points: OperatingPoints) -> tuple[float, float]:
    """Best F1 = 2TP / (2TP + FP + FN) over all thresholds, and the highest threshold that reaches it.

    Returns:
        A fraction in [0, 1], and the score t at which the pixels with s ≥ t have it; both NaN where
        ``points.undefined``.
    """
    if points.undefined:
        return float("nan"), float("nan")
    called = points.true_positives + points.false_positives
    f1 = 2 * points.true_positives / (points.positives + called)
    best = int(np.argmax(f1))
    return float(f1[best]), float(points.thresholds[best])


def sums_over_pixels(
    points: OperatingPoints, ends: Iterable[int], value: Callable[[slice], NDArray[np.float64]]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Count anomalous pixels, and sum a value at the score of each, over consecutive groups of thresholds.

    Args:
        points: counts of the pixels.
        ends: the index of a threshold before which each group ends, where the next begins.
        value: gives the values of a slice of thresholds, so that memory need never hold those of all.

    Returns:
        int64 and float64 [groups].
    """
    gained, sums, start = [], [], 0
    for end in ends:
        part, reached = slice(start, end), int(points.true_positives[start - 1]) if start else 0
        pixels = np.diff(points.true_positives[part], prepend=reached)
        gained.append(pixels.sum())
        sums.append(np.sum(pixels * value(part)))
        start = end
    return np.array(gained, np.int64), np.array(sums, np.float64)


def _mean_over_pixels(points: OperatingPoints, value: Callable[[slice], NDArray[np.float64]]) -> float:
    if points.undefined:
        return float("nan")
    size = len(points.thresholds)
    _, sums = sums_over_pixels(points, [*range(BLOCK, size, BLOCK), size], value)
    return math.fsum(sums) / points.positives

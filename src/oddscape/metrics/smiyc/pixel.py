"""SegmentMeIfYouCan's pixel metric: operating points at quantiles of each picture's scores.

Its figures differ from the exact ones of :mod:`oddscape.metrics.pixel` by about 0.1 points. It also sets the
threshold δ* of the component metric. Chan et al., "SegmentMeIfYouCan", NeurIPS Datasets and Benchmarks 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oddscape.errors import OddscapeError
from oddscape.metrics.arrays import FloatArray, Maps, as_scored_maps, scores_of
from oddscape.metrics.operating_points import why_undefined
from oddscape.metrics.smiyc.selection import PartlySorted, fully_sorted, partly_sorted

QUANTILES = 384
"""At most so many quantiles of each kind of pixel are bin edges."""


@dataclass(frozen=True, eq=False)
class QuantileBins:
    """The counted pixels of one picture in B bins between quantiles of its scores; B = 0 where none counts.

    Args:
        edges: float64 [B], lower edges, rising.
        anomalous: int64 [B], anomalous pixels in each bin.
        known: int64 [B], known pixels in each bin.
    """

    edges: NDArray[np.float64]
    anomalous: NDArray[np.int64]
    known: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SmiycPixelResult:
    """Figures of the pixels of all pictures, at the lower edges of their bins; fractions in [0, 1].

    Args:
        average_precision: the step sum Σ (R_i − R_{i−1}) Pr_i.
        auroc: area under the ROC curve by trapezoids.
        fpr95: false-positive rate at the first R ≥ 0.95.
        best_f1: highest 2TP / (2TP + FP + FN).
        threshold: δ*, the highest threshold with that F1; the component metric predicts where s > δ*.
        positives: anomalous pixels counted.
        negatives: known pixels counted.
        undefined: why the figures are NaN; None where they are numbers.
    """

    average_precision: float
    auroc: float
    fpr95: float
    best_f1: float
    threshold: float
    positives: int
    negatives: int
    undefined: str | None


class SmiycPixelMetrics:
    """Accumulates score maps and gives the figures of SegmentMeIfYouCan's pixel metric.

    Keeps at most 770 bins a picture, 18 kB.

    Attributes:
        pictures: the bins of each picture, in the order of their update.
    """

    def __init__(self) -> None:
        self.pictures: list[QuantileBins] = []

    def update(self, score: Maps, truth: Maps) -> None:
        """Add one picture or a batch of pictures.

        Args:
            score: any float type, numpy or torch, [H, W] or [N, H, W]; higher = more anomalous.
            truth: the same shape; 0 known, 1 anomaly, 255 ignored. Scores of ignored pixels never matter.

        Raises:
            OddscapeError: shapes differ, truth holds another value, or a counted score is NaN or infinite.
                Then nothing has been added.
        """
        score, truth = as_scored_maps(score, truth)
        pictures = [(scores_of(1, *maps), scores_of(0, *maps)) for maps in zip(score, truth, strict=True)]
        self.pictures += [count_quantile_bins(*picture) for picture in pictures]

    def merge(self, other: SmiycPixelMetrics) -> None:
        """Add the pictures of another accumulator after one's own."""
        self.pictures += other.pictures

    def compute(self) -> SmiycPixelResult:
        """Give the figures of everything added so far; undefined ones are NaN and say why."""
        return pool_quantile_bins(self.pictures)


def count_quantile_bins(anomalous: FloatArray, known: FloatArray) -> QuantileBins:
    """Count one picture's pixels in bins between quantiles of the scores of both kinds.

    The edges are q = 0 … 1 in at most 384 equal steps of each kind, as ``numpy.quantile`` interpolates them,
    and one beyond each end. A bin holds its lower edge.

    Args:
        anomalous: scores of anomalous pixels, float32 or float64 [P], in any order, no NaN.
        known: scores of known pixels, the same type [N].

    Raises:
        OddscapeError: a score is infinite.
    """
    if not anomalous.size and not known.size:
        return QuantileBins(np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64))
    _require_finite(anomalous, known)
    fewer, more = (anomalous, known) if anomalous.size < known.size else (known, anomalous)
    few = fully_sorted(fewer)
    few_quantiles = _quantiles(few, fewer.size)
    many = partly_sorted(more, _ranks(more.size), few_quantiles)
    quantiles = np.unique(np.concatenate((few_quantiles, _quantiles(many, more.size))))
    edges = _with_margins(quantiles)
    few_counts, many_counts = _counts(few, fewer.size, edges), _counts(many, more.size, edges)
    counts = (few_counts, many_counts) if fewer is anomalous else (many_counts, few_counts)
    return QuantileBins(edges[:-1], *counts)


def pool_quantile_bins(pictures: Sequence[QuantileBins]) -> SmiycPixelResult:
    """Give the figures of the bins of many pictures together; undefined ones are NaN and say why."""
    edges = np.concatenate([np.empty(0), *(picture.edges for picture in pictures)])
    falling = np.argsort(-edges, kind="stable")
    none = np.empty(0, np.int64)
    true = np.cumsum(np.concatenate([none, *(picture.anomalous for picture in pictures)])[falling])
    false = np.cumsum(np.concatenate([none, *(picture.known for picture in pictures)])[falling])
    thresholds = edges[falling]
    last = np.append(thresholds[1:] != thresholds[:-1], np.ones(min(1, len(thresholds)), bool))
    return _figures(
        # Nothing is predicted above the highest edge, and every pixel at the lowest one.
        np.concatenate(([np.inf], thresholds[last])),
        np.concatenate(([0], true[last])),
        np.concatenate(([0], false[last])),
    )


def _figures(
    thresholds: NDArray[np.float64], true: NDArray[np.int64], false: NDArray[np.int64]
) -> SmiycPixelResult:
    positives, negatives = int(true[-1]), int(false[-1])
    undefined = why_undefined(positives, negatives)
    if undefined:
        nan = float("nan")
        return SmiycPixelResult(nan, nan, nan, nan, nan, positives, negatives, undefined)
    recall, false_rate = true / positives, false / negatives
    predicted = true + false
    precision = np.divide(true, predicted, out=np.ones(len(true)), where=predicted > 0)
    f1 = 2 * true / (predicted + positives)
    best = int(np.argmax(f1))
    return SmiycPixelResult(
        average_precision=float(np.sum(np.diff(recall) * precision[1:])),
        auroc=float(np.trapezoid(recall, false_rate)),
        fpr95=float(false_rate[np.argmax(recall >= 0.95)]),
        best_f1=float(f1[best]),
        threshold=float(thresholds[best]),
        positives=positives,
        negatives=negatives,
        undefined=None,
    )


def _require_finite(*kinds: FloatArray) -> None:
    if not all(np.isfinite(scores.min()) and np.isfinite(scores.max()) for scores in kinds if scores.size):
        infinite = sum(np.count_nonzero(np.isinf(scores)) for scores in kinds)
        raise OddscapeError(
            f"score is infinite at {infinite} pixels that count: expected finite scores,"
            " for SegmentMeIfYouCan's pixel metric interpolates between them"
        )


def _positions(count: int) -> NDArray[np.float64]:
    """Where the quantiles of so many sorted scores lie, as positions from 0 to count − 1."""
    return (count - 1) * np.linspace(0, 1, min(QUANTILES, count))


def _ranks(count: int) -> NDArray[np.intp]:
    """The ranks on both sides of each quantile."""
    lower = np.floor(_positions(count)).astype(np.intp)
    return np.concatenate((lower, np.minimum(lower + 1, count - 1)))


def _quantiles(order: PartlySorted, count: int) -> NDArray[np.float64]:
    """``numpy.quantile`` at equal steps, to the last bit: gaps in the scores' type, the rest in float64."""
    lower, upper = np.split(order.at(_ranks(count)), 2)
    share = _positions(count) % 1
    gap = upper - lower
    return np.where(share < 0.5, lower + gap * share, upper - gap * (1 - share))


def _with_margins(quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add an edge beyond each end, by a hundredth of the range or 0.01."""
    low, high = quantiles[0], quantiles[-1]
    # The spacing of floats matters where one huge score is everywhere, and 0.01 more of it is no more.
    margin = max(0.01 * (high - low), 0.01, np.spacing(max(-low, high)))
    return np.unique(np.concatenate(([low - margin], quantiles, [high + margin])))


def _counts(order: PartlySorted, count: int, edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many scores lie in each bin; all of them lie between the outermost edges."""
    return np.diff(order.below(edges[1:-1]), prepend=0, append=count)

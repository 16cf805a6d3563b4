"""Average precision, AUROC and FPR95 of score maps, pooled over pictures and per picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

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
from oddscape.metrics.operating_points import (
    Curve,
    OperatingPoints,
    auroc,
    average_precision,
    count_split,
    fpr,
    grouped,
    precision_recall_curve,
    require_fpr_rule,
    roc_curve,
)


@dataclass(frozen=True, eq=False)
class EachPicture:
    """The figures of every picture, in the order of their update; NaN where one kind of pixel is missing.

    Args:
        average_precision: float64 [pictures], as all other figures.
        auroc: area under the ROC curve.
        fpr95: false-positive rate at 95 % recall.
        threshold: the score t at which the pixels with s ≥ t have that rate.
        positives: int64 [pictures], anomalous pixels.
        negatives: int64 [pictures], known pixels.
    """

    average_precision: NDArray[np.float64]
    auroc: NDArray[np.float64]
    fpr95: NDArray[np.float64]
    threshold: NDArray[np.float64]
    positives: NDArray[np.int64]
    negatives: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PerPicture:
    """Means over the pictures that hold both anomalous and known pixels; fractions in [0, 1].

    Args:
        average_precision: mean AP.
        auroc: mean AUROC.
        fpr95: mean FPR95.
        pictures: number of pictures that the means are over.
        left_out: number of pictures without both kinds of pixel.
        undefined: why the means are NaN; None where they are numbers.
        each: the figures of every picture.
    """

    average_precision: float
    auroc: float
    fpr95: float
    pictures: int
    left_out: int
    undefined: str | None
    each: EachPicture


@dataclass(frozen=True, eq=False)
class PixelResult:
    """Figures pooled over all pixels of all pictures, and picture by picture; fractions in [0, 1].

    Args:
        average_precision: AP, the step sum Σ (R_i − R_{i−1}) Pr_i.
        auroc: area under the ROC curve, ties as one point.
        fpr95: false-positive rate at 95 % recall by ``fpr_rule``.
        threshold: the score t at which the pixels with s ≥ t have that rate.
        positives: anomalous pixels counted.
        negatives: known pixels counted.
        fpr_rule: a name in ``FPR_RULES``.
        undefined: why the pooled figures are NaN; None where they are numbers.
        roc_curve: at most 500 points; none where undefined.
        precision_recall_curve: at most 500 points; none where undefined.
        per_picture: the figures of each picture and their means.
    """

    average_precision: float
    auroc: float
    fpr95: float
    threshold: float
    positives: int
    negatives: int
    fpr_rule: str
    undefined: str | None
    roc_curve: Curve
    precision_recall_curve: Curve
    per_picture: PerPicture

    @property
    def prevalence(self) -> float:
        """Share of anomalous pixels, the AP of a score that knows nothing; NaN where no pixel counts."""
        counted = self.positives + self.negatives
        return self.positives / counted if counted else float("nan")


@dataclass(frozen=True, eq=False)
class ScoreHistogram:
    """How the scores of both kinds of pixel are distributed, in B equal bins over their common range.

    Args:
        edges: float64 [B + 1]; a bin holds its lower edge, the last bin its upper edge too.
        anomalous: int64 [B], anomalous pixels in each bin.
        known: int64 [B], known pixels in each bin.
    """

    edges: NDArray[np.float64]
    anomalous: NDArray[np.int64]
    known: NDArray[np.int64]


class PixelMetrics:
    """Accumulates score maps and gives exact AP, AUROC and FPR95: the value of all pixels at once.

    Keeps each counted score, 4 bytes a pixel (8 where it came as float64). :meth:`compute` takes less than
    two bytes a pixel more at 1 % anomalies.

    Args:
        fpr_rule: which definition of FPR95 holds, a name in ``FPR_RULES``.

    Raises:
        OddscapeError: there is no such rule.
    """

    def __init__(self, fpr_rule: str = "first_above") -> None:
        require_fpr_rule(fpr_rule)
        self.fpr_rule = fpr_rule
        self._anomalous: list[FloatArray] = []
        self._known: list[FloatArray] = []
        self._figures: list[_Figures] = []

    def update(self, score: Maps, truth: Maps) -> None:
        """Add one picture or a batch of pictures.

        Args:
            score: any float type, numpy or torch, [H, W] or [N, H, W]; higher = more anomalous.
            truth: the same shape; 0 known, 1 anomaly, 255 ignored. Scores of ignored pixels never matter.

        Raises:
            OddscapeError: shapes differ, truth holds another value, or a counted score is NaN. Then nothing
                has been added.
        """
        score, truth = as_score_maps(score), as_maps(truth, "truth")
        require_same_shape(score=score, truth=truth)
        require_truth(truth)
        pictures = [(scores_of(1, *maps), scores_of(0, *maps)) for maps in zip(score, truth, strict=True)]
        for anomalous, known in pictures:
            self._figures.append(_figures(count_split(anomalous, [known]), self.fpr_rule))
            self._anomalous.append(anomalous)
            self._known.append(known)

    def merge(self, other: PixelMetrics) -> None:
        """Add the pictures of another accumulator after one's own.

        Raises:
            OddscapeError: the two have different FPR rules.
        """
        if other.fpr_rule != self.fpr_rule:
            raise OddscapeError(f"cannot merge FPR rule {other.fpr_rule!r} into {self.fpr_rule!r}")
        self._anomalous += other._anomalous
        self._known += other._known
        self._figures += other._figures

    def compute(self) -> PixelResult:
        """Give the figures of everything added so far; undefined ones are NaN and say why."""
        anomalous = np.concatenate([*self._anomalous, np.empty(0, np.float32)])
        points = count_split(anomalous, grouped(self._known, anomalous.size))
        return PixelResult(
            **_figures(points, self.fpr_rule)._asdict(),
            fpr_rule=self.fpr_rule,
            undefined=points.undefined,
            roc_curve=roc_curve(points),
            precision_recall_curve=precision_recall_curve(points),
            per_picture=_per_picture(self._figures),
        )

    def histogram(self, bins: int = 100) -> ScoreHistogram:
        """Count the scores of both kinds in equal bins over the range of the finite ones."""
        edges = np.linspace(*_finite_range([*self._anomalous, *self._known]), bins + 1)
        return ScoreHistogram(edges, _binned(self._anomalous, edges), _binned(self._known, edges))


class _Figures(NamedTuple):
    average_precision: float
    auroc: float
    fpr95: float
    threshold: float
    positives: int
    negatives: int


def _figures(points: OperatingPoints, fpr_rule: str) -> _Figures:
    return _Figures(
        average_precision(points),
        auroc(points),
        *fpr(points, fpr_rule),
        points.positives,
        points.negatives,
    )


def _per_picture(figures: list[_Figures]) -> PerPicture:
    columns = np.array(figures, np.float64).reshape(-1, len(_Figures._fields)).T
    complete = (columns[4] > 0) & (columns[5] > 0)
    pictures = int(np.count_nonzero(complete))
    undefined = None if pictures else f"none of {len(figures)} pictures holds both kinds of pixel"
    means = columns[:, complete].mean(axis=1) if pictures else np.full(len(columns), np.nan)
    return PerPicture(
        average_precision=float(means[0]),
        auroc=float(means[1]),
        fpr95=float(means[2]),
        pictures=pictures,
        left_out=len(figures) - pictures,
        undefined=undefined,
        each=EachPicture(*columns[:4], *columns[4:].astype(np.int64)),
    )


def _finite_range(pieces: list[FloatArray]) -> tuple[float, float]:
    """The least and the greatest finite value; half a unit to both sides where there is but one or none."""
    low, high = np.inf, -np.inf
    for piece in pieces:
        finite = np.isfinite(piece)
        low = min(low, float(piece.min(where=finite, initial=np.inf)))
        high = max(high, float(piece.max(where=finite, initial=-np.inf)))
    middle = low if low == high else 0.0
    return (low, high) if low < high else (middle - 0.5, middle + 0.5)


def _binned(pieces: list[FloatArray], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Histogram of many arrays; infinite values fall into the outermost bins."""
    low, high, bins = float(edges[0]), float(edges[-1]), len(edges) - 1
    counts = np.zeros(bins, np.int64)
    for piece in pieces:
        counts += np.histogram(np.clip(piece, low, high), bins, (low, high))[0]
    return counts

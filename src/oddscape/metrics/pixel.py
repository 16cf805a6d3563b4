"""Average precision, AUROC, FPR95 and best F1 of score maps, pooled over pictures and per picture."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from oddscape.errors import OddscapeError
from oddscape.metrics.arrays import FloatArray, Maps, as_scored_maps
from oddscape.metrics.curves import Curve, precision_recall_curve, roc_curve
from oddscape.metrics.engines import ENGINES
from oddscape.metrics.fpr_rules import require_fpr_rule
from oddscape.metrics.operating_points import OperatingPoints
from oddscape.metrics.pixel_figures import Bounds, PixelFigures, pixel_figures
from oddscape.metrics.score_histogram import ScoreHistogram
from oddscape.metrics.score_sketch import ScoreSketch
from oddscape.metrics.streaming import DEFAULT_MEMORY


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
        best_f1: largest 2TP / (2TP + FP + FN) over all thresholds.
        best_f1_threshold: the highest score t at which the pixels with s ≥ t reach it.
        positives: anomalous pixels counted.
        negatives: known pixels counted.
        fpr_rule: a name in ``FPR_RULES``.
        undefined: why the pooled figures are NaN; None where they are numbers.
        bounds: certified intervals of the pooled figures, of width 0 where they are exact.
        roc_curve: at most 500 points; none where undefined.
        precision_recall_curve: at most 500 points; none where undefined.
        per_picture: the figures of each picture and their means.
        points: counts at the scores of anomalous pixels, which all pooled figures are made of.
    """

    average_precision: float
    auroc: float
    fpr95: float
    threshold: float
    best_f1: float
    best_f1_threshold: float
    positives: int
    negatives: int
    fpr_rule: str
    undefined: str | None
    bounds: Bounds
    roc_curve: Curve
    precision_recall_curve: Curve
    per_picture: PerPicture
    points: OperatingPoints = field(repr=False)

    @property
    def prevalence(self) -> float:
        """Share of anomalous pixels, the AP of a score that knows nothing; NaN where no pixel counts."""
        counted = self.positives + self.negatives
        return self.positives / counted if counted else float("nan")


class PixelMetrics:
    """Accumulates score maps and gives AP, AUROC, FPR95 and best F1: the value of all pixels at once.

    Args:
        fpr_rule: which definition of FPR95 holds, a name in ``FPR_RULES``.
        engine: ``"exact"`` keeps each counted score, 4 bytes a pixel (8 where it came as float64);
            ``"streaming"`` takes ``memory`` however many pixels there are, and certifies how far its pooled
            figures may be off (not at all for float16 scores). Figures of single pictures are always exact.
        memory: bytes that the streaming engine may take.

    Raises:
        OddscapeError: there is no such rule or engine, or too little memory.
    """

    def __init__(
        self, fpr_rule: str = "first_above", engine: str = "exact", memory: int = DEFAULT_MEMORY
    ) -> None:
        require_fpr_rule(fpr_rule)
        if engine not in ENGINES:
            raise OddscapeError(f"unknown engine {engine!r}: expected one of {', '.join(ENGINES)}")
        self.fpr_rule, self.engine, self.memory = fpr_rule, engine, memory
        self._engine = ENGINES[engine](memory)
        self._figures: list[PixelFigures] = []
        self.sketches: list[ScoreSketch] = []

    def update(self, score: Maps, truth: Maps) -> None:
        """Add one picture or a batch of pictures.

        Args:
            score: any float type, numpy or torch, [H, W] or [N, H, W]; higher = more anomalous.
            truth: the same shape; 0 known, 1 anomaly, 255 ignored. Scores of ignored pixels never matter.

        Raises:
            OddscapeError: shapes differ, truth holds another value, or a counted score is NaN. Then nothing
                has been added.
        """
        score, truth = as_scored_maps(score, truth)
        for picture in [self._engine.count(*maps) for maps in zip(score, truth, strict=True)]:
            self._figures.append(pixel_figures(picture.points, self.fpr_rule))
            self.sketches.append(picture.sketch)
            self._engine.add(picture)

    def merge(self, other: PixelMetrics) -> None:
        """Add the pictures of another accumulator after one's own.

        Raises:
            OddscapeError: the two have different FPR rules, engines or memory.
        """
        for name in ("fpr_rule", "engine", "memory"):
            mine, others = getattr(self, name), getattr(other, name)
            if mine != others:
                raise OddscapeError(f"cannot merge {name} {others!r} into {mine!r}")
        self._engine.merge(other._engine)
        self._figures += other._figures
        self.sketches += other.sketches

    def compute(self) -> PixelResult:
        """Give the figures of everything added so far; undefined ones are NaN and say why."""
        pooled = self._engine.compute(self.fpr_rule)
        points = pooled.points
        return PixelResult(
            **pooled.figures._asdict(),
            fpr_rule=self.fpr_rule,
            undefined=points.undefined,
            bounds=pooled.bounds,
            roc_curve=roc_curve(points),
            precision_recall_curve=precision_recall_curve(points),
            per_picture=_per_picture(self._figures),
            points=points,
        )

    @property
    def latest(self) -> PixelFigures:
        """The figures of the picture that was added last."""
        return self._figures[-1]

    def histogram(self, bins: int = 100) -> ScoreHistogram:
        """Count the scores of both kinds in equal bins over the range of the finite ones."""
        return self._engine.histogram(bins)

    def anomalous_scores(self) -> FloatArray | None:
        """Scores of all anomalous pixels, float [P], picture by picture; None with the streaming engine.

        Within a picture they come as ``score[truth == 1]`` gives them.
        """
        return self._engine.anomalous_scores()


def _per_picture(figures: list[PixelFigures]) -> PerPicture:
    columns = {
        name: np.array([getattr(each, name) for each in figures], np.float64) for name in PixelFigures._fields
    }
    complete = (columns["positives"] > 0) & (columns["negatives"] > 0)
    pictures = int(np.count_nonzero(complete))
    undefined = None if pictures else f"none of {len(figures)} pictures holds both kinds of pixel"
    names = ("average_precision", "auroc", "fpr95")
    means = {name: float(columns[name][complete].mean()) if pictures else float("nan") for name in names}
    return PerPicture(
        **means,
        pictures=pictures,
        left_out=len(figures) - pictures,
        undefined=undefined,
        each=EachPicture(
            **{name: columns[name] for name in (*names, "threshold")},
            positives=columns["positives"].astype(np.int64),
            negatives=columns["negatives"].astype(np.int64),
        ),
    )

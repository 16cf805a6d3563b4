"""The accumulators of one score, and its figures with their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from oddscape.interval import Interval, interval
from oddscape.metrics import (
    CalibrationResult,
    ComponentMetrics,
    ComponentResult,
    Curve,
    MistakeMetrics,
    MistakesResult,
    OpenSetMetrics,
    OpenSetResult,
    PixelMetrics,
    PixelResult,
    SmiycPixelMetrics,
    SmiycPixelResult,
    figures_by_size,
)
from oddscape.metrics.bootstrap import bootstrap_means, bootstrap_scores, bootstrap_sums
from oddscape.metrics.calibration import expected_calibration_error
from oddscape.metrics.open_set import bootstrap_open_set
from oddscape.metrics.rates import rates_by_threshold
from oddscape.metrics.score_sketch import share_at_least
from oddscape.metrics.smiyc import bootstrap_components
from oddscape.protocols import Protocol
from oddscape.results import (
    CalibrationFigures,
    ComponentFigures,
    Curves,
    Figures,
    FoldFigures,
    MistakeFigures,
    OpenSetFigures,
    ScoreResult,
    SizeFigures,
    SmiycFigures,
)
from oddscape.scenes import Scene
from oddscape.spool import Spool

Floats = NDArray[np.float64]

_HISTOGRAM_BINS = 60
_MOST_DISTINCT = 1000
_PIXEL_FIGURES = ("average_precision", "auroc", "fpr95", "best_f1")


@dataclass(frozen=True)
class ScoreSource:
    """Where a score comes from.

    Args:
        formula: its formula, or what the files are that it was read from.
        saw_outliers: whether outlier data was used to make it; None: unknown.
    """

    formula: str
    saw_outliers: bool | None


class ScoreTally:
    """All accumulators of one score.

    Args:
        name: the score's name.
        source: where it comes from.
        protocol: the rules.
        engine: of the pixel figures, ``"exact"`` or ``"streaming"``.
        num_classes: number of known classes; None where the data set or the score has no classes.
    """

    def __init__(
        self, name: str, source: ScoreSource, protocol: Protocol, engine: str, num_classes: int | None
    ) -> None:
        self.name, self.source, self.sizes = name, source, protocol.components
        self.pixels = PixelMetrics(protocol.fpr_rule, engine)
        self.open_set = OpenSetMetrics(num_classes) if num_classes and protocol.open_set else None
        self.mistakes = MistakeMetrics(protocol.fpr_rule) if num_classes else None
        # Components are cut out at a threshold that only all pictures together give.
        self.smiyc = None if self.sizes is None else (SmiycPixelMetrics(), Spool())
        self._distinct: NDArray[np.float64] = np.empty(0)

    def add(
        self,
        truth: Scene,
        anomaly: NDArray[np.uint8],
        score: NDArray[np.floating],
        classes: NDArray[np.uint8] | None,
        confidence: NDArray[np.float32] | None,
    ) -> None:
        """Add one scene; all maps [H, W] at the size of its truth."""
        self.pixels.update(score, anomaly)
        self._count_distinct(score[anomaly <= 1])
        if self.smiyc is not None:
            self.smiyc[0].update(score, anomaly)
            self.smiyc[1].append(score, anomaly)
        if classes is None or truth.labels is None:
            return
        if self.open_set is not None:
            self.open_set.update(score, classes, truth.labels, anomaly, truth.fold, confidence)
        if self.mistakes is not None:
            thresholds = [self.pixels.latest.threshold]
            self.mistakes.update(score, classes, truth.labels, anomaly, thresholds)

    def merge(self, other: ScoreTally) -> None:
        """Add the scenes of another accumulator of the same score after one's own."""
        self.pixels.merge(other.pixels)
        if self.open_set is not None and other.open_set is not None:
            self.open_set.merge(other.open_set)
        if self.mistakes is not None and other.mistakes is not None:
            self.mistakes.merge(other.mistakes)
        if self.smiyc is not None and other.smiyc is not None:
            self.smiyc[0].merge(other.smiyc[0])
            self.smiyc[1].extend(other.smiyc[1])
        self._distinct = np.union1d(self._distinct, other._distinct)

    def result(self, anomaly_sizes: NDArray[np.int64], weights: Floats) -> ScoreResult:
        """Give all figures of everything added so far, with their bootstrap intervals.

        Args:
            anomaly_sizes: of every anomalous pixel, from ``component_sizes``.
            weights: how often each replicate draws each picture, from ``resample``.
        """
        pixels = self.pixels.compute()
        smiyc = None if self.smiyc is None else self.smiyc[0].compute()
        components = None if smiyc is None else self._components(smiyc)
        open_set = None if self.open_set is None else self.open_set.compute()
        mistakes = None if self.mistakes is None else self.mistakes.compute()
        replicates = {
            **_pixel_replicates(self.pixels, pixels, weights),
            **_smiyc_replicates(self.pixels, smiyc, weights),
            **_named("components", {} if components is None else bootstrap_components(components, weights)),
            **_named("open_set", {} if open_set is None else _open_set_replicates(open_set, weights)),
            **_named("mistakes", {} if mistakes is None else _mistake_replicates(mistakes, weights)),
        }
        mean = pixels.per_picture
        return ScoreResult(
            score=self.name,
            formula=self.source.formula,
            saw_outliers=self.source.saw_outliers,
            pooled=Figures(**_pooled(pixels), undefined=pixels.undefined or ""),
            per_picture=Figures(
                mean.average_precision, mean.auroc, mean.fpr95, undefined=mean.undefined or ""
            ),
            threshold=pixels.threshold,
            best_f1_threshold=pixels.best_f1_threshold,
            picture_average_precision=mean.each.average_precision.tolist(),
            picture_fpr95=mean.each.fpr95.tolist(),
            picture_false_alarms=[share_at_least(each, pixels.threshold) for each in self.pixels.sketches],
            curves=_curves(self.pixels, pixels),
            open_set=None if open_set is None else _open_set_figures(open_set),
            smiyc=None if smiyc is None else _smiyc_figures(smiyc),
            components=None if components is None else _component_figures(components),
            sizes=self._by_size(pixels, anomaly_sizes),
            mistakes=None if mistakes is None else _mistake_figures(mistakes),
            distinct_scores=min(len(self._distinct), _MOST_DISTINCT),
            intervals=intervals_of(replicates),
            certified=_certified(pixels) if self.pixels.engine == "streaming" else {},
            replicates=rounded(replicates),
        )

    def _count_distinct(self, score: NDArray[np.floating]) -> None:
        if len(self._distinct) < _MOST_DISTINCT:
            # A few thousand pixels of a map tell a constant or a coarse score from any other.
            some = score[:: max(1, score.size // (8 * _MOST_DISTINCT))]
            self._distinct = np.union1d(self._distinct, some)

    def _components(self, smiyc: SmiycPixelResult) -> ComponentResult | None:
        assert self.smiyc is not None
        assert self.sizes is not None
        if math.isnan(smiyc.threshold):
            return None
        metrics = ComponentMetrics(smiyc.threshold, self.sizes)
        for score, anomaly in self.smiyc[1]:
            metrics.update(score, anomaly)
        return metrics.compute()

    def _by_size(self, pixels: PixelResult, anomaly_sizes: NDArray[np.int64]) -> list[SizeFigures]:
        scores = self.pixels.anomalous_scores()
        if scores is None or pixels.undefined:
            return []
        found = figures_by_size(pixels.points, scores, anomaly_sizes, pixels.threshold)
        return [SizeFigures(**asdict(figures)) for figures in found]


def intervals_of(replicates: Mapping[str, Floats]) -> dict[str, Interval]:
    """The 95 % interval of each figure, from its replicates."""
    return {name: interval(values) for name, values in replicates.items() if values.size}


def rounded(replicates: Mapping[str, Floats]) -> dict[str, list[float]]:
    """Replicates as results hold them: five digits are far finer than what they scatter by."""
    return {name: np.round(values, 5).tolist() for name, values in replicates.items()}


def calibration_figures(result: CalibrationResult) -> CalibrationFigures:
    """Calibration as results hold it."""
    share = result.bin_pixels / max(1, result.bin_pixels.sum())
    bins = np.stack((result.bin_confidence, result.bin_accuracy, share), axis=1)[result.bin_pixels > 0]
    return CalibrationFigures(
        error=result.expected_error,
        accuracy=result.accuracy,
        confidence=result.confidence,
        bins=bins.tolist(),
        undefined=result.undefined or "",
    )


def _pooled(pixels: PixelResult) -> dict[str, float]:
    return {name: getattr(pixels, name) for name in _PIXEL_FIGURES}


def _named(part: str, replicates: dict[str, Floats]) -> dict[str, Floats]:
    return {f"{part}.{name}": values for name, values in replicates.items()}


def _pixel_replicates(metrics: PixelMetrics, pixels: PixelResult, weights: Floats) -> dict[str, Floats]:
    pooled = bootstrap_scores(metrics.sketches, weights, metrics.fpr_rule, exact=_pooled(pixels))
    each = pixels.per_picture.each
    means = {
        name: bootstrap_means(getattr(each, name), weights)
        for name in ("average_precision", "auroc", "fpr95")
    }
    return {**_named("pooled", pooled), **_named("per_picture", means)}


def _smiyc_replicates(
    metrics: PixelMetrics, smiyc: SmiycPixelResult | None, weights: Floats
) -> dict[str, Floats]:
    if smiyc is None:
        return {}
    figures = {name: getattr(smiyc, name) for name in _PIXEL_FIGURES}
    return _named("smiyc", bootstrap_scores(metrics.sketches, weights, "first_at_least", exact=figures))


def _open_set_replicates(open_set: OpenSetResult, weights: Floats) -> dict[str, Floats]:
    found = bootstrap_open_set(open_set, weights)
    replicates = {name: found[name] for name in ("open_miou", "anomaly_iou", "gap")}
    if open_set.calibration is not None and len(open_set.calibration.each) == weights.shape[1]:
        each = open_set.calibration.each
        replicates["calibration.error"] = bootstrap_sums(each, weights, expected_calibration_error)
    return replicates


def _mistake_replicates(mistakes: MistakesResult, weights: Floats) -> dict[str, Floats]:
    each = {"cfpr": mistakes.each_cfpr, "efpr": mistakes.each_efpr}
    return {name: bootstrap_means(values, weights) for name, values in each.items()}


def _certified(pixels: PixelResult) -> dict[str, Interval]:
    return {f"pooled.{name}": getattr(pixels.bounds, name) for name in _PIXEL_FIGURES}


def _curves(metrics: PixelMetrics, result: PixelResult) -> Curves:
    histogram = metrics.histogram(_HISTOGRAM_BINS)
    return Curves(
        roc=_pairs(result.roc_curve),
        precision_recall=_pairs(result.precision_recall_curve),
        score_edges=histogram.edges.tolist(),
        known=_shares(histogram.known),
        anomaly=_shares(histogram.anomalous),
        rates=rates_by_threshold(result.points, (result.threshold, result.best_f1_threshold)).tolist(),
    )


def _pairs(curve: Curve) -> list[list[float]]:
    return [[x, y] for x, y in zip(curve.x.tolist(), curve.y.tolist(), strict=True)]


def _shares(counts: NDArray[np.int64]) -> list[float]:
    total = max(1, int(counts.sum()))
    return [count / total for count in counts.tolist()]


def _open_set_figures(result: OpenSetResult) -> OpenSetFigures:
    folds = [
        FoldFigures(name, fold.pictures, fold.threshold, fold.open_miou, fold.anomaly_iou)
        for name, fold in result.folds.items()
    ]
    return OpenSetFigures(
        result.open_miou,
        result.anomaly_iou,
        result.gap,
        folds,
        undefined=result.undefined or "",
        matrix=result.each_matrix.sum(axis=0).tolist(),
        calibration=None if result.calibration is None else calibration_figures(result.calibration),
    )


def _smiyc_figures(result: SmiycPixelResult) -> SmiycFigures:
    figures = {name: getattr(result, name) for name in _PIXEL_FIGURES}
    return SmiycFigures(**figures, threshold=result.threshold, undefined=result.undefined or "")


def _component_figures(result: ComponentResult) -> ComponentFigures:
    counts = (result.levels, result.true_positives, result.false_negatives, result.false_positives)
    return ComponentFigures(
        siou=result.mean_siou,
        ppv=result.mean_ppv,
        f1=result.mean_f1,
        counts=np.stack(counts, axis=1).tolist(),
        undefined=result.undefined or "",
    )


def _mistake_figures(result: MistakesResult) -> MistakeFigures:
    pictures = min(result.cfpr_pictures, result.efpr_pictures)
    return MistakeFigures(result.cfpr, result.efpr, pictures, result.undefined or "")

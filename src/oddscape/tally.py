"""The accumulators of an evaluation, and the figures that come out of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from oddscape.data import Dataset
from oddscape.errors import OddscapeError
from oddscape.metrics import (
    ConfusionMatrix,
    Curve,
    OpenSetMetrics,
    OpenSetResult,
    PixelMetrics,
    PixelResult,
    SegmentationResult,
)
from oddscape.protocols import Protocol
from oddscape.results import Curves, Figures, FoldFigures, OpenSetFigures, ScoreResult
from oddscape.scenes import Scene
from oddscape.scores import Score

_HISTOGRAM_BINS = 60


class Tally:
    """All accumulators of one evaluation: pixels and open set for each score, the closed set once.

    Args:
        num_classes: number of classes that the network knows.
        dataset: what it is evaluated on.
        protocol: the rules.
        scores: the scores by name.
        outlier_trained: whether the network was taught with outlier data.

    Raises:
        OddscapeError: the network knows other classes than the data set.
    """

    def __init__(
        self,
        num_classes: int,
        dataset: Dataset,
        protocol: Protocol,
        scores: Mapping[str, Score],
        *,
        outlier_trained: bool,
    ) -> None:
        space = dataset.label_space
        if space is not None and space.num_classes != num_classes:
            raise OddscapeError(
                f"the network knows {num_classes} classes, {space.name!r} has {space.num_classes}: "
                f"{', '.join(space.classes)}"
            )
        self.space = space
        self.scores = scores
        self.outlier_trained = outlier_trained
        self.names: list[str] = []
        self.pixels = {name: PixelMetrics(fpr_rule=protocol.fpr_rule) for name in scores}
        self.open_sets = (
            {name: OpenSetMetrics(space.num_classes) for name in scores}
            if space and protocol.open_set
            else {}
        )
        self.closed = None if space is None else ConfusionMatrix(space.num_classes)

    def add(self, truth: Scene, classes: NDArray[np.uint8], maps: Mapping[str, NDArray[np.float32]]) -> None:
        """Add one scene: its truth, the class map [H, W] and the score maps [H, W] by name."""
        if truth.anomaly is None:
            raise OddscapeError(f"scene {truth.name!r} has no anomaly truth: it cannot be evaluated")
        self.names.append(truth.name)
        for name, score in maps.items():
            self.pixels[name].update(score, truth.anomaly)
        if truth.labels is None:
            return
        for name, metrics in self.open_sets.items():
            metrics.update(maps[name], classes, truth.labels, truth.anomaly, truth.fold)
        if self.closed is not None:
            self.closed.update(classes, truth.labels)

    def pixel_results(self) -> dict[str, PixelResult]:
        """AP, AUROC and FPR95 of each score."""
        return {name: metrics.compute() for name, metrics in self.pixels.items()}

    def closed_result(self) -> SegmentationResult | None:
        """Closed-set segmentation; None where the data set has no class labels."""
        return None if self.closed is None else self.closed.compute()

    def score_result(self, name: str, result: PixelResult) -> ScoreResult:
        """Everything about one score."""
        mean = result.per_picture
        return ScoreResult(
            score=name,
            formula=self.scores[name].formula,
            saw_outliers=self.scores[name].saw_outliers or self.outlier_trained,
            pooled=Figures(result.average_precision, result.auroc, result.fpr95, result.undefined or ""),
            per_picture=Figures(mean.average_precision, mean.auroc, mean.fpr95, mean.undefined or ""),
            threshold=result.threshold,
            picture_average_precision=mean.each.average_precision.tolist(),
            curves=_curves(self.pixels[name], result),
            open_set=_open_set_figures(self.open_sets[name].compute()) if name in self.open_sets else None,
        )


def _curves(metrics: PixelMetrics, result: PixelResult) -> Curves:
    histogram = metrics.histogram(_HISTOGRAM_BINS)
    return Curves(
        roc=_pairs(result.roc_curve),
        precision_recall=_pairs(result.precision_recall_curve),
        score_edges=histogram.edges.tolist(),
        known=_shares(histogram.known),
        anomaly=_shares(histogram.anomalous),
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
    return OpenSetFigures(result.open_miou, result.anomaly_iou, result.gap, folds, result.undefined or "")

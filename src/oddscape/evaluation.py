"""A network, a protocol and scores → results."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from oddscape import data as data_sets
from oddscape.data import Dataset, resize_image, resize_mask
from oddscape.detector import run_network
from oddscape.environment import environment
from oddscape.errors import OddscapeError
from oddscape.illustrations import Illustration
from oddscape.labels import label_space_of
from oddscape.metrics import ConfusionMatrix, Curve, OpenSetMetrics, PixelMetrics
from oddscape.metrics.open_set import OpenSetResult
from oddscape.metrics.pixel import PixelResult
from oddscape.models import output_fields
from oddscape.protocols import Protocol
from oddscape.results import Curves, Figures, FoldFigures, OpenSetFigures, Results, ScoreResult
from oddscape.scenes import Scene
from oddscape.scores import Score, pick_scores
from oddscape.sizes import Size, format_size

_HISTOGRAM_BINS = 60

# A network with one of these outputs was taught with outlier data, and so were its other outputs.
_TRAINED_WITH_OUTLIERS = frozenset({"outlier_logits", "void_logits"})

Progress = Callable[[Dataset], Iterable[Scene]]
"""Wraps the scenes of a data set to show how far the evaluation is."""


def evaluate(
    net: nn.Module,
    protocol: Protocol,
    data: str | Path,
    scores: Sequence[str] = ("all",),
    *,
    size: Size | None = None,
    evaluation_size: Size | None = None,
    reader: Mapping[str, str] | None = None,
    model: str = "",
    weights: str = "",
    progress: Progress = iter,
) -> Results:
    """Run a network and several scores over a data set under a named protocol.

    Args:
        net: maps pictures [N, 3, H, W] in [0, 1] to a ``DenseOutput``; it is put into evaluation mode.
        protocol: one of ``odd.PROTOCOLS``.
        data: folder of the protocol's data set.
        scores: names in ``odd.SCORES``; ``"all"`` stands for those that the network can carry.
        size: (H, W) at which the network sees the pictures; None: their own.
        evaluation_size: overrides the protocol's; the results say so.
        reader: overrides options of the protocol's reader; the results say so.
        model: name of the network for tables; its class's name where empty.
        weights: where its weights came from, for the record.
        progress: wraps the data set to show how far the evaluation is.

    Raises:
        OddscapeError: a score that the network cannot carry, classes that do not fit, or bad data; the first
            two before the first picture is read.
    """
    started = time.perf_counter()
    fields = output_fields(net)
    chosen = pick_scores(list(scores), fields)
    protocol, overrides = override(protocol, evaluation_size, reader or {})
    dataset = data_sets.open(protocol.data, data, **protocol.reader)
    tally = _Tally(net, dataset, protocol, chosen, outlier_trained=bool(fields & _TRAINED_WITH_OUTLIERS))
    net.eval()
    for scene in progress(dataset):
        truth = evaluation_truth(scene, protocol)
        height, width = (truth.anomaly if truth.anomaly is not None else scene.image).shape[:2]
        result = run_network(net, scene.image, chosen, size=size, output_size=(height, width))
        maps = {name: score[0].cpu().numpy() for name, score in result.scores.items()}
        tally.add(truth, result.classes[0].cpu().numpy(), maps)
    return Results(
        protocol=protocol,
        overrides=overrides,
        model=model or type(net).__name__,
        weights=weights,
        inference_size=size,
        **tally.figures(),
        seconds=time.perf_counter() - started,
        environment=environment(),
    )


def override(
    protocol: Protocol, evaluation_size: Size | None, reader: Mapping[str, str]
) -> tuple[Protocol, list[str]]:
    """Change a protocol as asked for, and say in words what was changed."""
    said = []
    if evaluation_size not in (None, protocol.evaluation_size):
        before = (
            "the labels' size" if protocol.evaluation_size is None else format_size(protocol.evaluation_size)
        )
        said.append(f"evaluation size {format_size(evaluation_size)} instead of {before}")
        protocol = replace(protocol, evaluation_size=evaluation_size)
    for option, value in reader.items():
        said.append(f"{option} = {value} instead of {protocol.reader.get(option, 'the default')}")
    return replace(protocol, reader={**protocol.reader, **reader}), said


def evaluation_truth(scene: Scene, protocol: Protocol) -> Scene:
    """The scene with its truth brought to the protocol's evaluation size, nearest; the picture stays."""
    if protocol.evaluation_size is None:
        return scene
    labels, anomaly = (
        None if mask is None else resize_mask(mask, protocol.evaluation_size)
        for mask in (scene.labels, scene.anomaly)
    )
    return replace(scene, labels=labels, anomaly=anomaly)


class _Tally:
    """All accumulators of one evaluation."""

    def __init__(
        self,
        net: nn.Module,
        dataset: Dataset,
        protocol: Protocol,
        scores: Mapping[str, Score],
        *,
        outlier_trained: bool,
    ) -> None:
        space = dataset.label_space
        if space is not None and space.num_classes != net.num_classes:
            raise OddscapeError(
                f"the network knows {net.num_classes} classes, {space.name!r} has {space.num_classes}: "
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

    def figures(self) -> dict[str, object]:
        """What ``Results`` holds beside the run's own settings."""
        computed = {name: metrics.compute() for name, metrics in self.pixels.items()}
        some = next(iter(computed.values()))
        average_precision = some.per_picture.each.average_precision
        closed = None if self.closed is None else self.closed.compute()
        return {
            "pictures": self.names,
            "left_out": [n for n, ap in zip(self.names, average_precision, strict=True) if math.isnan(ap)],
            "known_pixels": some.negatives,
            "anomalous_pixels": some.positives,
            "scores": [self._score_result(name, result) for name, result in computed.items()],
            "closed_miou": math.nan if closed is None else closed.miou,
            "class_iou": {}
            if closed is None or self.space is None
            else dict(zip(self.space.classes, closed.class_iou.tolist(), strict=True)),
        }

    def _score_result(self, name: str, result: PixelResult) -> ScoreResult:
        score = self.scores[name]
        mean = result.per_picture
        return ScoreResult(
            score=name,
            formula=score.formula,
            saw_outliers=score.saw_outliers or self.outlier_trained,
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
    return np.stack([curve.x, curve.y], 1).tolist()


def _shares(counts: NDArray[np.int64]) -> list[float]:
    return (counts / max(1, counts.sum())).tolist()


def _open_set_figures(result: OpenSetResult) -> OpenSetFigures:
    folds = [
        FoldFigures(name, fold.pictures, fold.threshold, fold.open_miou, fold.anomaly_iou)
        for name, fold in result.folds.items()
    ]
    return OpenSetFigures(result.open_miou, result.anomaly_iou, result.gap, folds, result.undefined or "")


def illustrate(
    net: nn.Module, results: Results, data: str | Path, score: str | None = None, count: int = 3
) -> list[Illustration]:
    """Make pictures of the best and the worst scenes of an evaluation, by AP of the picture.

    Args:
        net: the network that was evaluated; it sees the chosen pictures once more.
        results: what ``evaluate`` returned.
        data: folder of the data set.
        score: which score is shown; None: the one with the highest headline AP.
        count: number of best and of worst scenes; a scene is shown once.
    """
    if score is None:
        score = max(results.scores, key=lambda r: r.headline(results.protocol).average_precision).score
    shown = results.of(score)
    dataset = data_sets.open(results.protocol.data, data, **results.protocol.reader)
    ranked = [int(i) for i in np.argsort(shown.picture_average_precision) if not _undefined(shown, int(i))][
        ::-1
    ]
    best, worst = ranked[:count], ranked[count:][-count:][::-1]
    return [
        _illustration(net, results, dataset, index, shown, rank)
        for rank, indices in (("best", best), ("worst", worst))
        for index in indices
    ]


def _undefined(shown: ScoreResult, index: int) -> bool:
    return math.isnan(shown.picture_average_precision[index])


def _illustration(
    net: nn.Module, results: Results, dataset: Dataset, index: int, shown: ScoreResult, rank: str
) -> Illustration:
    scene = evaluation_truth(dataset[index], results.protocol)
    assert scene.anomaly is not None, "evaluate refuses scenes without anomaly truth"
    height, width = scene.anomaly.shape
    scores = pick_scores([shown.score], output_fields(net))
    result = run_network(net, scene.image, scores, size=results.inference_size, output_size=(height, width))
    return Illustration(
        name=scene.name,
        model=results.model,
        score_name=shown.score,
        average_precision=shown.picture_average_precision[index],
        rank=rank,
        threshold=_threshold(shown, scene.fold),
        label_space=dataset.label_space or label_space_of(int(net.num_classes)),  # type: ignore[arg-type]
        image=resize_image(scene.image, (height, width)),
        classes=result.classes[0].cpu().numpy(),
        score=result.scores[shown.score][0].cpu().numpy(),
        labels=scene.labels,
        anomaly=scene.anomaly,
    )


def _threshold(shown: ScoreResult, fold: str) -> float:
    """The threshold that the open-set figures used for a fold, else the pooled one."""
    folds = shown.open_set.folds if shown.open_set else []
    thresholds = {f.fold: f.threshold for f in folds if not math.isnan(f.threshold)}
    return thresholds.get(fold, shown.threshold)

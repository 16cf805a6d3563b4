"""A network, a protocol and scores → results."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from oddscape import data as data_sets
from oddscape.data import Dataset, resize_mask
from oddscape.environment import environment
from oddscape.inference import run_network
from oddscape.labels import LabelSpace
from oddscape.metrics import PixelResult, SegmentationResult
from oddscape.models import probe
from oddscape.protocols import Protocol
from oddscape.results import Results
from oddscape.scenes import Scene
from oddscape.scores import pick_scores
from oddscape.sizes import Size, format_size
from oddscape.tally import Tally

# Training an outlier head changes the other outputs too, so every score of such a network saw outliers.
_OUTLIER_HEAD = "outlier_logits"

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
    out = probe(net)
    chosen = pick_scores(list(scores), out.fields)
    protocol, overrides = override(protocol, evaluation_size, reader or {})
    dataset = data_sets.open(protocol.data, data, **protocol.reader)
    tally = Tally(out.num_classes, dataset, protocol, chosen, outlier_trained=_OUTLIER_HEAD in out.fields)
    net.eval()
    for scene in progress(dataset):
        truth = evaluation_truth(scene, protocol)
        height, width = (truth.anomaly if truth.anomaly is not None else scene.image).shape[:2]
        result = run_network(net, scene.image, chosen, size=size, output_size=(height, width))
        maps = {name: score[0].cpu().numpy() for name, score in result.scores.items()}
        tally.add(truth, result.classes[0].cpu().numpy(), maps)
    pixels, closed, space = tally.pixel_results(), tally.closed_result(), dataset.label_space
    some = next(iter(pixels.values()))
    return Results(
        protocol=protocol,
        overrides=overrides,
        model=model or type(net).__name__,
        weights=weights,
        inference_size=size,
        pictures=tally.names,
        left_out=_left_out(tally.names, some),
        known_pixels=some.negatives,
        anomalous_pixels=some.positives,
        scores=[tally.score_result(name, result) for name, result in pixels.items()],
        closed_miou=math.nan if closed is None else closed.miou,
        class_iou={} if closed is None or space is None else _by_class(space, closed),
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


def _left_out(names: list[str], result: PixelResult) -> list[str]:
    average_precision = result.per_picture.each.average_precision
    return [name for name, ap in zip(names, average_precision, strict=True) if math.isnan(ap)]


def _by_class(space: LabelSpace, closed: SegmentationResult) -> dict[str, float]:
    return dict(zip(space.classes, closed.class_iou.tolist(), strict=True))

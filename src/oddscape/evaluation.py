"""A network, or the score files of any program, under a protocol → results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from oddscape import data as data_sets
from oddscape.data import Dataset, resize_mask
from oddscape.environment import environment
from oddscape.errors import OddscapeError
from oddscape.inference import run_network
from oddscape.models import probe
from oddscape.processes import Processes
from oddscape.protocols import Protocol
from oddscape.results import Results
from oddscape.scenes import Scene
from oddscape.score_files import ScoreFolder
from oddscape.score_tally import ScoreSource
from oddscape.scores import SCORES, Score, pick_scores
from oddscape.sizes import InferenceSize, Size, format_size
from oddscape.tally import SceneMaps, Tally
from oddscape.wrappers import unwrapped
from oddscape.wrappers.ensemble import Ensemble
from oddscape.wrappers.left_out import left_out

# Training an outlier head changes the other outputs too, so every score of such a network saw outliers.
_OUTLIER_HEAD = "outlier_logits"
# What the score of score files is called: who made them stands where the network's name does.
_FROM_FILES = "files"

Progress = Callable[[Dataset], Iterable[Scene]]
"""Wraps the scenes of a data set to show how far the evaluation is."""


def evaluate(
    net: nn.Module,
    protocol: Protocol,
    data: str | Path,
    scores: Sequence[str] = ("all",),
    *,
    fitted: Mapping[str, Score] | None = None,
    size: InferenceSize | None = None,
    evaluation_size: Size | None = None,
    reader: Mapping[str, str] | None = None,
    model: str = "",
    weights: str = "",
    saw_outliers: bool = False,
    engine: str = "exact",
    progress: Progress = iter,
) -> Results:
    """Run a network and several scores over a data set under a named protocol.

    Of several processes, as ``torchrun`` starts them or PyTorch knows them already, all must call it: each
    looks at its part of the pictures, and all are given the same results, those that one alone would give.

    Args:
        net: maps pictures [N, 3, H, W] in [0, 1] to a ``DenseOutput``; it is put into evaluation mode. What
            wrappers around it, such as ``odd.SlidingWindows`` or ``odd.ensemble``, do is recorded in the
            results.
        protocol: one of ``odd.PROTOCOLS``, or one of ``odd.read_protocol``.
        data: folder of the protocol's data set.
        scores: names in ``odd.SCORES`` and of ``fitted``; ``"all"`` stands for those that the network can
            carry and all that are fitted.
        fitted: scores that have learnt from known data, by name (``odd.fit_scores``, ``odd.load_scores``).
        size: (H, W) at which the network sees the pictures, or the shorter side of each; None: their own.
        evaluation_size: overrides the protocol's; the results say so.
        reader: overrides options of the protocol's reader; the results say so.
        model: name of the network for tables; its class's name where empty, below the wrappers.
        weights: where its weights came from, for the record.
        saw_outliers: whether it was trained with outlier data; of one with an outlier head that is known.
        engine: ``"exact"`` keeps every score, 4 bytes a pixel; ``"streaming"`` takes 64 MB a score however
            many pixels there are and certifies how far its figures are off.
        progress: wraps the data set to show how far the evaluation is.

    Raises:
        OddscapeError: a score that the network cannot carry, classes that do not fit, or bad data; the first
            two before the first picture is read.
    """
    out = probe(net)
    chosen = pick_scores(list(scores), out.fields, fitted, left_out(net))
    for score in (fitted or {}).values():
        score.before_steps(out)  # refuses a network of another kind than it was fitted to
    trained = saw_outliers or _has_outlier_head(net)
    sources = {
        name: ScoreSource(score.formula, score.saw_outliers or trained) for name, score in chosen.items()
    }
    net.eval()

    def look(scene: Scene, output_size: Size) -> SceneMaps:
        # The closed-set posterior is what its calibration needs: 1 − MSP.
        wanted = chosen | ({"msp": SCORES["msp"]} if scene.labels is not None else {})
        result = run_network(net, scene.image, wanted, size=size, output_size=output_size)
        maps = {name: score[0].cpu().numpy() for name, score in result.scores.items()}
        confidence = 1 - maps["msp"] if scene.labels is not None else None
        return SceneMaps({name: maps[name] for name in chosen}, result.classes[0].cpu().numpy(), confidence)

    job = _Job(protocol, Path(data), evaluation_size, reader or {}, engine, progress)
    results = job.run(look, sources, num_classes=out.num_classes)
    below, ways = unwrapped(net)
    return replace(
        results,
        model=model or type(below).__name__,
        weights=weights,
        inference_size=size,
        inference=ways,
    )


def _has_outlier_head(net: nn.Module) -> bool:
    """Whether a network, or any member of an ensemble in it, has an outlier head."""
    # Of an outlier head that some members lack, an ensemble's own output says nothing.
    ensembles = [module for module in net.modules() if isinstance(module, Ensemble)]
    return any(_OUTLIER_HEAD in probe(n).fields for n in (net, *(m for e in ensembles for m in e.nets)))


def evaluate_scores(
    scores: str | Path,
    protocol: Protocol,
    data: str | Path,
    *,
    evaluation_size: Size | None = None,
    reader: Mapping[str, str] | None = None,
    method: str = "",
    saw_outliers: bool | None = None,
    engine: str = "exact",
    progress: Progress = iter,
) -> Results:
    """Evaluate the score files of any program under a named protocol.

    Several processes share the work as in :func:`evaluate`.

    Args:
        scores: folder of score files, named as the data set names its pictures.
        protocol: one of ``odd.PROTOCOLS``, or one of ``odd.read_protocol``.
        data: folder of the protocol's data set.
        evaluation_size: overrides the protocol's; the results say so. Scores of another size are brought to
            it bilinearly, which the results say, too.
        reader: overrides options of the protocol's reader; the results say so.
        method: what made the scores, for tables; the folder's name where empty.
        saw_outliers: whether it was trained with outlier data; None: unknown.
        engine: as for :func:`evaluate`.
        progress: wraps the data set to show how far the evaluation is.

    Raises:
        OddscapeError: a picture without a score file, before the first is read; a bad score file; one whose
            rows and columns are exchanged; bad data.
    """
    folder = ScoreFolder(scores)

    def look(scene: Scene, output_size: Size) -> SceneMaps:
        stored = folder.read(scene.name)
        height, width = stored.shape
        if output_size == (width, height) != (height, width):
            raise OddscapeError(
                f"{scene.name}: rows and columns of the scores are exchanged: they are "
                f"{format_size((height, width))}, the labels {format_size(output_size)}"
            )
        note = f"scores of {format_size((height, width))} brought to the labels' size, bilinear"
        fits = (height, width) == output_size
        return SceneMaps({_FROM_FILES: resized_score(stored, output_size)}, note="" if fits else note)

    name = method or Path(scores).resolve().name
    job = _Job(protocol, Path(data), evaluation_size, reader or {}, engine, progress)
    folder.require(entry.name for entry in job.dataset.entries)
    results = job.run(look, {_FROM_FILES: ScoreSource(f"{folder.format} files", saw_outliers)})
    return replace(results, model=name, weights="", source="score files")


Look = Callable[[Scene, Size], SceneMaps]
"""Gives what is evaluated of a scene at a size (H, W)."""


@dataclass(frozen=True)
class _Job:
    """What both kinds of evaluation share: data and rules."""

    asked: Protocol
    directory: Path
    evaluation_size: Size | None
    reader: Mapping[str, str]
    engine: str
    progress: Progress

    # Kept once opened: some readers look into every mask to tell which pictures belong.
    @cached_property
    def dataset(self) -> Dataset:
        """The data set as the protocol, with what this run overrides, opens it."""
        protocol, _ = override(self.asked, self.evaluation_size, self.reader)
        return data_sets.open(protocol.data, self.directory, **protocol.reader)

    def run(self, look: Look, sources: Mapping[str, ScoreSource], num_classes: int | None = None) -> Results:
        """Look at every scene, add it up, and give the figures; who made them is the caller's to say.

        Of several processes each looks at its part of the scenes, and all are given the figures of the whole.
        """
        started = time.perf_counter()
        protocol, overrides = override(self.asked, self.evaluation_size, self.reader)
        processes, dataset = Processes.joined(), self.dataset
        mine = replace(dataset, entries=dataset.entries[processes.part(len(dataset))])
        tally = Tally(sources, dataset.label_space, protocol, self.engine, num_classes)
        for scene in self.progress(mine) if processes.is_main else mine:
            truth = evaluation_truth(scene, protocol)
            if truth.anomaly is None:
                raise OddscapeError(f"scene {scene.name!r} has no anomaly truth: it cannot be evaluated")
            height, width = truth.anomaly.shape
            maps = look(scene, (height, width))
            try:
                tally.add(scene, truth, maps)
            except OddscapeError as error:
                raise OddscapeError(f"{scene.name}: {error}") from error
        tally.gather(processes)
        results = tally.results(overrides) if processes.is_main else None
        told = processes.told_by_main(results)
        return replace(told, seconds=time.perf_counter() - started, environment=environment())


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


def resized_score(score: NDArray[np.floating], size: Size) -> NDArray[np.floating]:
    """Bring a score map [H, W] to a size, bilinear; its type stays where the size does."""
    if score.shape == size:
        return score
    maps = torch.from_numpy(score.astype(np.float32))[None, None]
    resized: NDArray[np.float32] = F.interpolate(maps, size, mode="bilinear", align_corners=False)[
        0, 0
    ].numpy()
    return resized

"""One pass of a network over known data, which fits every score that learns from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from oddscape.data import Dataset
from oddscape.data.tensors import to_tensor
from oddscape.data.transforms import resize
from oddscape.errors import OddscapeError
from oddscape.models import probe
from oddscape.outputs import DenseOutput
from oddscape.processes import Processes
from oddscape.scenes import Scene
from oddscape.scores import Score
from oddscape.scores.fitted import Statistics, pick_methods
from oddscape.sizes import InferenceSize, format_size, seen_size

Labels = Literal["own", "truth"]
"""Whose classes the statistics go by: the network's own, or the data set's labels."""


# Not inference_mode, whose tensors no gradient can pass.
@torch.no_grad()
def fit_scores(
    net: nn.Module,
    scenes: Dataset | Sequence[Scene],
    names: Sequence[str] = ("all",),
    *,
    labels: Labels = "own",
    size: InferenceSize | None = None,
    max_pictures: int | None = None,
    progress: Callable[[Any], Iterable[Scene]] = iter,
) -> dict[str, Score]:
    """Fit scores to known data in one pass over its pictures.

    Memory does not grow with their number. The network's own classes are what is published where its classes
    are not those of the data, as with a Cityscapes network on CamVid; nothing is ignored then.

    Of several processes, as ``torchrun`` starts them or PyTorch knows them already, all must call it: each
    looks at its part of the pictures, and all are given the same scores. A sample of features (``knn``) is
    the one that a single process draws, bit for bit; sums, which are float64, are its own up to rounding.

    Args:
        net: maps pictures [N, 3, H, W] in [0, 1] to a ``DenseOutput``; it is put into evaluation mode.
        scenes: a data set of known things, or scenes.
        names: in ``FITTED``, with parameters where wanted, as in ``knn@neighbours=10``; ``"all"`` stands for
            those that the network can carry.
        labels: ``"own"``, the network's classes; ``"truth"``, those of the data, of which ids are the
            network's classes; pixels of 255 are left out.
        size: (H, W) at which the network sees the pictures, or the shorter side of each; None: their own.
        max_pictures: take so many, evenly spread; None: all.
        progress: wraps the scenes to show how far the work is.

    Returns:
        The fitted scores by name, for ``odd.Detector``, ``odd.evaluate`` and ``save_scores``; their formulas
        say what they are fitted to.

    Raises:
        OddscapeError: a score that the network cannot carry, a scene without labels where they are asked
            for, labels of classes that the network does not have, or nothing to fit to.
    """
    like = probe(net)
    methods = pick_methods(names, like.fields)
    statistics = {name: method.function(like) for name, method in methods.items()}
    net.eval()
    chosen = evenly_spread(scenes, max_pictures)
    processes = Processes.joined()
    mine = _part(chosen, processes.part(len(chosen)))
    for scene in progress(mine) if processes.is_main else mine:
        _add(statistics, scene, *_seen(net, scene, size, labels))
    _merge(statistics, processes)
    fitted = {name: sums.fit() for name, sums in statistics.items()} if processes.is_main else None
    known = _described(chosen, size, labels)
    scores = {name: methods[name].score(fit) for name, fit in processes.told_by_main(fitted).items()}
    return {name: replace(s, formula=f"{s.formula}; fitted to {known}") for name, s in scores.items()}


def _part(scenes: Dataset | Sequence[Scene], part: slice) -> Dataset | Sequence[Scene]:
    return replace(scenes, entries=scenes.entries[part]) if isinstance(scenes, Dataset) else scenes[part]


def _add(statistics: Mapping[str, Statistics], scene: Scene, out: DenseOutput, truth: Tensor | None) -> None:
    """Add what the network says about a scene; errors name the scene."""
    for sums in statistics.values():
        try:
            sums.update(out, truth)
        except OddscapeError as error:
            raise OddscapeError(f"{scene.name}: {error}") from None


def _merge(statistics: Mapping[str, Statistics], processes: Processes) -> None:
    """Add in the main process what all others have added up."""
    for theirs in processes.others(statistics):
        for name, sums in statistics.items():
            sums.merge(theirs[name])


def evenly_spread(scenes: Dataset | Sequence[Scene], count: int | None) -> Dataset | Sequence[Scene]:
    """So many of the scenes, evenly spread; all where there are no more, or ``count`` is None.

    Raises:
        OddscapeError: a number below 1.
    """
    if count is None or count >= len(scenes):
        return scenes
    if count < 1:
        raise OddscapeError(f"{count} pictures to fit to: expected 1 or more")
    chosen = np.linspace(0, len(scenes) - 1, count).round().astype(int).tolist()
    if isinstance(scenes, Dataset):
        return replace(scenes, entries=tuple(scenes.entries[i] for i in chosen))
    return [scenes[i] for i in chosen]


def _described(scenes: Dataset | Sequence[Scene], size: InferenceSize | None, labels: Labels) -> str:
    """What scores are fitted to, for people: ``"20 pictures of camvid at 512×256"``."""
    data = f" of {scenes.name}" if isinstance(scenes, Dataset) else ""
    seen = "" if size is None else f" at {format_size(size)}"
    return f"{len(scenes)} pictures{data}{seen}" + (" by their labels" if labels == "truth" else "")


def _seen(
    net: nn.Module, scene: Scene, size: InferenceSize | None, labels: Labels
) -> tuple[DenseOutput, Tensor | None]:
    """What the network says about a scene, and its labels [1, H, W] at the size that the network sees."""
    scene = resize(scene, seen_size(scene.size, size))
    device = next(net.parameters()).device
    out: DenseOutput = net(to_tensor(scene.image).to(device))
    if labels == "own":
        return out, None
    if scene.labels is None:
        raise OddscapeError(f"{scene.name}: has no labels to fit by: fit by the network's own")
    return out, torch.from_numpy(scene.labels)[None]

"""A detector on disk: a network, its score and its threshold in one safetensors file.

Tensors are the network's weights, beginning with ``network.``, and what a fitted score learnt, beginning
with ``score.``. The metadata's ``detector`` is JSON: ``version`` of this format; ``network``, how it was made
(:mod:`oddscape.wrappers.descriptions`); ``score``, as it is written; ``threshold``, ``size`` and
``label_space``, as in :class:`DetectorParts`; ``rules``, those for regions, where there are any.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn

from oddscape.errors import OddscapeError
from oddscape.labels import LabelSpace
from oddscape.models import checkpoint_metadata
from oddscape.models.checkpoints import fitting_weights, read_weights, require_ending, save_weights
from oddscape.regions import AS_THEY_ARE, RegionRules
from oddscape.scores import SCORES, Score, read_score
from oddscape.scores.fitted.files import FITTED_SCORES, is_fitted, joined_scores, split_scores
from oddscape.sizes import InferenceSize
from oddscape.wrappers import unwrapped
from oddscape.wrappers.descriptions import described, made_again, needs_own_network

DETECTOR = "detector"
"""Where the metadata of a file say that it holds a detector, and which."""

_VERSION = 1
_NETWORK, _SCORE = "network.", "score."


@dataclass(frozen=True, eq=False)
class DetectorParts:
    """What a detector is made of.

    Args:
        net: the network, with what is around it.
        score: the score.
        threshold: pixels with a score above it are anomalous; None: no decision.
        size: (H, W) at which the network sees pictures, or the shorter side of each; None: their own.
        label_space: names and colours of the known classes. How label files encode them is no matter of a
            detector, and is not kept in a file.
        rules: minimum size of anomalous regions and hysteresis.
    """

    net: nn.Module
    score: Score
    threshold: float | None
    size: InferenceSize | None
    label_space: LabelSpace
    rules: RegionRules = AS_THEY_ARE


def write_parts(
    parts: DetectorParts,
    path: str | Path,
    metadata: Mapping[str, str] | None = None,
    *,
    half: bool = False,
) -> None:
    """Write a detector's parts to one file, whole or not at all.

    Args:
        parts: of the detector.
        path: the file, .safetensors.
        metadata: further facts for people, such as the weights' origin.
        half: whether the network's weights are rounded to float16; what a score learnt never is.

    Raises:
        OddscapeError: a file of another ending, a score that is not to be had by name, an ensemble of
            networks that were not made by name, or weights that float16 cannot hold.
    """
    require_ending(path)
    learnt, others = _split(parts.score)
    said = {"version": _VERSION, "network": described(parts.net), **_decision(parts)}
    weights = parts.net.state_dict()
    tensors = _beginning(_NETWORK, _halved(weights) if half else weights) | _beginning(_SCORE, learnt)
    # Copies, for a file takes no two tensors that share memory.
    tensors = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    save_weights(
        tensors, path, {**(metadata or {}), **others, DETECTOR: json.dumps(said, ensure_ascii=False)}
    )


def fingerprint(parts: DetectorParts) -> str:
    """A digest of what a detector's predictions depend on, in hexadecimal: the same for the same parts."""
    plain = parts.score.without_steps()
    learnt, others = split_scores({plain.name: plain}) if is_fitted(plain) else ({}, "")
    modules = [type(module).__qualname__ for module in parts.net.modules()]
    said = json.dumps([modules, unwrapped(parts.net)[1], others, _decision(parts)])
    digest = blake2b(said.encode(), digest_size=16)
    for name, tensor in (*parts.net.state_dict().items(), *learnt.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _decision(parts: DetectorParts) -> dict[str, Any]:
    """How a detector goes from a network's output to its result, as JSON has it."""
    rules = {} if parts.rules == AS_THEY_ARE else {"rules": asdict(parts.rules)}
    return {
        "score": parts.score.name,
        "threshold": parts.threshold,
        "size": [int(side) for side in parts.size] if isinstance(parts.size, tuple) else parts.size,
        "label_space": {name: getattr(parts.label_space, name) for name in ("name", "classes", "colours")},
    } | rules


def read_parts(path: str | Path, net: nn.Module | None = None) -> DetectorParts:
    """Read a detector's parts; its network is made again, with its weights as float32, on the CPU.

    Args:
        path: a file of :func:`write_parts`.
        net: a network of one's own, into which the weights go instead; wrappers are put around it again.

    Raises:
        OddscapeError: no such file, one that is damaged or holds something else, a network that cannot be
            made by name, or weights that do not fit ``net``.
    """
    path = Path(path)
    if not path.is_file():
        raise OddscapeError(f"no detector at {path}")
    metadata = checkpoint_metadata(path)
    tensors = read_weights(path)
    if DETECTOR not in metadata:
        raise OddscapeError(f"{path} holds {_instead(metadata)}, and no detector")
    try:
        return _joined(json.loads(metadata[DETECTOR]), metadata, tensors, path, net)
    except (KeyError, TypeError, ValueError) as error:
        raise OddscapeError(f"{path} does not say rightly what detector it is ({error})") from None


def _halved(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights as float16, whole numbers as they are."""
    halved = {name: x.half() if x.is_floating_point() else x for name, x in weights.items()}
    for name, weight in weights.items():
        if not torch.equal(halved[name].isfinite(), weight.isfinite()):
            raise OddscapeError(f"{name} reaches {weight.abs().max():.3g}, float16 no more than 65504")
    return halved


def _instead(metadata: Mapping[str, str]) -> str:
    """What a file is that is no detector's, and what it is good for."""
    if FITTED_SCORES in metadata:
        return "fitted scores (see --fitted, odd.load_scores)"
    of = f" of {metadata['model']}" if "model" in metadata else ""
    return f"weights{of} (see --weights, odd.load_checkpoint)"


def _joined(
    said: Mapping[str, Any],
    metadata: Mapping[str, str],
    tensors: Mapping[str, Tensor],
    path: Path,
    own: nn.Module | None,
) -> DetectorParts:
    if said["version"] > _VERSION:
        raise OddscapeError(
            f"{path} is a detector of version {said['version']}; this Oddscape reads {_VERSION}: update it"
        )
    net = _network(said["network"], own, path)
    weights = fitting_weights(net, _below(_NETWORK, tensors), path)
    net.load_state_dict(weights)
    score = _read(said["score"], _below(_SCORE, tensors), metadata, path)
    space = said["label_space"]
    labels = LabelSpace(space["name"], tuple(space["classes"]), tuple(map(tuple, space["colours"])))
    threshold = None if said["threshold"] is None else float(said["threshold"])
    rules = RegionRules(**said.get("rules", {}))
    return DetectorParts(net, score, threshold, _size(said["size"]), labels, rules)


def _size(said: list[int] | int | None) -> InferenceSize | None:
    if said is None or isinstance(said, int):
        return said
    height, width = said
    return height, width


def _network(description: Mapping[str, Any], own: nn.Module | None, path: Path) -> nn.Module:
    if hasattr(own, "in_words"):
        raise OddscapeError(f"{path} brings its own wrappers: give the network without any")
    if own is None and needs_own_network(description):
        name = description.get("model")
        which = f"is that of {name}, and a file of weights runs no code" if name else "was not made by name"
        also = f" or --model {name}" if name else ""
        raise OddscapeError(f"{path}: its network {which}: give it, as in Detector.load(path, net=…){also}")
    return made_again(description, own)


def _split(score: Score) -> tuple[dict[str, Tensor], dict[str, str]]:
    """What a file holds of a score beside its name: tensors, and metadata where it is fitted.

    Raises:
        OddscapeError: its name does not stand for it.
    """
    plain = score.without_steps()
    tensors, others = split_scores({plain.name: plain}) if is_fitted(plain) else ({}, "")
    metadata = {FITTED_SCORES: others} if others else {}
    try:
        faithful = _computations(score) == _computations(_read(score.name, tensors, metadata, Path()))
    except OddscapeError:
        faithful = False
    if not faithful:
        raise OddscapeError(
            f"score {score.name!r} cannot be saved: expected one of odd.SCORES or of odd.fit_scores, with "
            f"parameters and post-processing as its name says"
        )
    return tensors, metadata


def _read(name: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], path: Path) -> Score:
    fitted = joined_scores(tensors, metadata.get(FITTED_SCORES, "{}"), path)
    return read_score(name, SCORES | fitted)


def _computations(score: Score) -> list[Any]:
    """What a score computes in each step, as partial functions cannot be compared."""
    functions: list[Callable[..., Any]] = [score.function, *(step.function for step in score.steps)]
    return [(f.func, f.args, f.keywords) if isinstance(f, partial) else _kind(f) for f in functions]


def _kind(function: Callable[..., Any]) -> Any:
    """A function itself; the class of what is called in place of one."""
    return function if isinstance(function, FunctionType) else type(function)


def _beginning(start: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {start + name: tensor for name, tensor in tensors.items()}


def _below(start: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(start): x for name, x in tensors.items() if name.startswith(start)}

"""Whether a detector can be exported, as far as that is known before minutes are spent on it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from oddscape.detector import Detector
from oddscape.errors import OddscapeError
from oddscape.export.conversion import require_packages
from oddscape.inference.maps import require_class_map
from oddscape.scores import Score
from oddscape.scores.fitted.knn import NeighbourDistance
from oddscape.wrappers.mc_dropout import MCDropout
from oddscape.wrappers.multi_scale import MultiScaleFlip
from oddscape.wrappers.odin import ODIN
from oddscape.wrappers.windows import SlidingWindows

FORMATS = (".onnx", ".pt2")
"""Endings of files that a detector can be written to: ONNX, and what ``torch.export.load`` reads."""

_ANEW = "choose its threshold anew"


def require_exportable(detector: Detector, path: Path) -> None:
    """Make sure that a detector can be written to a file, as far as that is known beforehand.

    Raises:
        OddscapeError: an unknown ending, a folder in the file's place, a missing package, a detector
            elsewhere than on the CPU or in another type than float32, more classes than a class map holds, or
            a network or a score that does what no exported graph can.
    """
    if path.suffix not in FORMATS:
        raise OddscapeError(f"{path}: expected a file that ends in {' or '.join(FORMATS)}")
    if path.is_dir():
        raise OddscapeError(f"{path} is a folder: expected the name of a file to write")
    if path.suffix == ".onnx":
        require_packages()
    _require_plain(next(detector.net.parameters()))
    refusals = [*map(_refusal, detector.net.modules()), _score_refusal(detector.score)]
    for refusal in filter(None, refusals):
        raise OddscapeError(refusal)
    require_class_map(detector.label_space.num_classes)


def _require_plain(weight: nn.Parameter) -> None:
    if weight.device.type != "cpu":
        raise OddscapeError(
            f"the detector is on {weight.device}; it is exported on the CPU: detector.net.cpu()"
        )
    if weight.dtype != torch.float32:
        raise OddscapeError(
            f"the network is in {str(weight.dtype).removeprefix('torch.')}; it is exported in float32: "
            f"detector.net.float()"
        )


def _refusal(module: nn.Module) -> str | None:
    """What a network does that no exported graph can, and what to do instead; None where it can."""
    match module:
        case ODIN() if module.epsilon:
            return (
                f"{module.in_words}, takes gradients, which no exported graph can: export the network with "
                f"epsilon 0, its temperature alone, and {_ANEW}"
            )
        case MCDropout():
            return (
                f"{module.in_words}, draws by chance, which no exported graph repeats: export the network "
                f"without it, or an ensemble, and {_ANEW}"
            )
        case SlidingWindows():
            return (
                f"{module.in_words}: how many is up to the picture, not to a graph: export the network "
                f"without windows, and {_ANEW}"
            )
        case MultiScaleFlip() if module.scales != (1.0,):
            return (
                f"{module.in_words}: no exported graph rounds a scaled picture's size as the network does: "
                f"export it with mirror images alone, or with neither, and {_ANEW}"
            )
    return None


def _score_refusal(score: Score) -> str | None:
    if isinstance(score.function, NeighbourDistance):
        return (
            f"{score.name} compares features with their neighbours piece by piece: how many pieces is up to "
            f"the picture, not to a graph: export another score that is fitted to features, such as "
            f"mahalanobis or gmm, and {_ANEW}"
        )
    return None

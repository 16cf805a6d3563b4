"""Networks by name, and their weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from oddscape.errors import OddscapeError
from oddscape.models.checkpoints import checkpoint_metadata, load_checkpoint, save_checkpoint
from oddscape.models.deeplab import DeepLabWRN38
from oddscape.models.dicnet import DiCNet
from oddscape.models.erfnet import ERFNet
from oddscape.models.ladder_densenet import LadderDenseNet
from oddscape.models.pspnet import PSPNet, dicnet
from oddscape.models.small_ladder import STUDENT_WIDTHS, LadderFeatures, SmallLadder
from oddscape.outputs import DenseOutput

__all__ = [
    "MODELS",
    "DiCNet",
    "checkpoint_metadata",
    "create_model",
    "load_checkpoint",
    "probe",
    "save_checkpoint",
]


def dicnet_small_ladder(num_classes: int) -> DiCNet:
    """DiCNet with a small ladder as teacher and one of fewer blocks, without heads, as student."""
    return DiCNet(SmallLadder(num_classes), LadderFeatures(STUDENT_WIDTHS, normalised=False))


MODELS: dict[str, Callable[..., nn.Module]] = {
    "ldn121": LadderDenseNet,
    "densehybrid_ldn121": partial(LadderDenseNet, outlier_head=True),
    "wrn38": DeepLabWRN38,
    "densehybrid_wrn38": partial(DeepLabWRN38, outlier_head=True),
    "pspnet": PSPNet,
    "dicnet": dicnet,
    "erfnet": ERFNet,
    "small_ladder": SmallLadder,
    "densehybrid_small_ladder": partial(SmallLadder, outlier_head=True),
    "dicnet_small_ladder": dicnet_small_ladder,
}
"""Every network by name. A new one is a file and a line here; the shared tests then cover it."""


def create_model(name: str, num_classes: int, **options: Any) -> nn.Module:
    """Make a network with random weights.

    Args:
        name: one of ``odd.MODELS``.
        num_classes: number of known classes, K.
        **options: what the network's constructor takes beside, such as ``void=True``.

    Returns:
        A module that maps pictures float [N, 3, H, W] in [0, 1] to a ``DenseOutput``.

    Raises:
        OddscapeError: an unknown name, or an option that the network does not take.
    """
    if name not in MODELS:
        raise OddscapeError(f"unknown model {name!r}; known: {', '.join(MODELS)}")
    try:
        return MODELS[name](num_classes, **options)
    except TypeError as error:
        raise OddscapeError(f"model {name!r} does not take these options: {error}") from None


@torch.inference_mode()
def probe(net: nn.Module) -> DenseOutput:
    """What a network says about one grey picture of 64×64: which maps it gives, of what shapes."""
    was_training = net.training
    like = next(net.parameters())
    out: DenseOutput = net.eval()(torch.full((1, 3, 64, 64), 0.5, device=like.device, dtype=like.dtype))
    net.train(was_training)
    return out

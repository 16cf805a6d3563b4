"""Networks by name, and their weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from oddscape.errors import OddscapeError
from oddscape.models.checkpoints import checkpoint_metadata, load_checkpoint, save_checkpoint
from oddscape.models.deeplab import DeepLabWRN38
from oddscape.models.dicnet import DiCNet
from oddscape.models.erfnet import ERFNet
from oddscape.models.ladder_densenet import LadderDenseNet
from oddscape.models.lite_ladder import LiteLadder
from oddscape.models.named import named
from oddscape.models.origins import ORIGINS, made_with_head, network_of
from oddscape.models.probing import probe
from oddscape.models.pspnet import PSPNet, dicnet
from oddscape.models.small_ladder import STUDENT_WIDTHS, LadderFeatures, SmallLadder

__all__ = [
    "MODELS",
    "ORIGINS",
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
    "void_small_ladder": partial(SmallLadder, void=True),
    "dicnet_small_ladder": dicnet_small_ladder,
    "lite_ladder": LiteLadder,
    "densehybrid_lite_ladder": partial(LiteLadder, outlier_head=True),
}
"""Every network by name. A new one is a file and a line here; the shared tests then cover it."""


def create_model(name: str, num_classes: int | None = None, **options: Any) -> nn.Module:
    """Make a network.

    Args:
        name: one of ``odd.MODELS``; or, of another library, ``"timm:ENCODER"`` (below a ladder decoder),
            ``"torchvision:NAME"``, ``"smp:ARCHITECTURE/ENCODER"`` or ``"transformers:FOLDER_OR_HUB_ID"``; or
            ``"FILE.py:FUNCTION"``, a function of one's own that makes a network.
        num_classes: number of known classes, K. None: a network of transformers, or of one's own file, that
            knows it.
        **options: what the network's constructor takes beside, such as ``void=True``; and
            ``outlier_head=True``, which attaches DenseHybrid's outlier head to a network without one: to its
            features, or to the layer that ``outlier_head_on`` names.

    Returns:
        A module that maps pictures float [N, 3, H, W] in [0, 1] to a ``DenseOutput``. Its weights are random,
        but for those of transformers.

    Raises:
        OddscapeError: an unknown name, an option that the network does not take, no number of classes where
            one is needed or one below 1, or a package that is missing or does not load.
    """
    if num_classes is not None and not (isinstance(num_classes, int) and num_classes > 0):
        raise OddscapeError(f"num_classes {num_classes!r}: expected a number of known classes, 1 or more")
    if ":" in name:
        return named(network_of(name, num_classes, **options), name, num_classes, options)
    if name not in MODELS:
        raise OddscapeError(
            f"unknown model {name!r}; known: {', '.join(MODELS)}; and of other origins, as ORIGIN:NAME: "
            f"{', '.join(ORIGINS)}, FILE.py:FUNCTION"
        )
    if num_classes is None:
        raise OddscapeError(f"model {name!r} needs num_classes, the number of known classes")
    net = made_with_head(name, MODELS[name], num_classes, **options)
    return named(net, name, num_classes, options)

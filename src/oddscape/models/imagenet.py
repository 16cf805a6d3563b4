"""Starting a network's trunk from weights for ImageNet, in the files that everybody shares."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from oddscape.errors import OddscapeError
from oddscape.models.checkpoints import read_weights
from oddscape.models.deeplab import DeepLabWRN38
from oddscape.models.dicnet import DiCNet
from oddscape.models.ladder_densenet import ImageNetNames, LadderDenseNet, imagenet_names
from oddscape.models.layouts import shapes_of
from oddscape.models.pspnet import PSPNet, PSPStudent

_SHOWN = 4


@dataclass(frozen=True)
class _Trunk:
    """How a network's trunk is named in its file of ImageNet weights.

    Args:
        file: the weights' name in ``oddscape weights list``.
        names: fits the names of a file onto a network's.
    """

    file: str
    names: Callable[[nn.Module, Iterable[str]], ImageNetNames]


def load_imagenet(net: nn.Module, path: str | Path) -> ImageNetNames:
    """Load ImageNet weights into a network's trunk; heads and decoders keep what they have.

    Fits torchvision's ``densenet121`` onto ``ldn121``, its ``resnet34`` onto the student of ``dicnet``, the
    ``resnet50`` with three 3×3 convolutions for a stem onto ``pspnet``, and ``wider_resnet38`` onto
    ``wrn38``; ``densehybrid_ldn121`` and ``densehybrid_wrn38`` likewise.

    Args:
        net: the network; for DiCNet, its student or its teacher.
        path: the file, as :func:`~oddscape.models.checkpoints.read_weights` reads it.

    Returns:
        Which names of the file were loaded under which names of the network, and which were not used, such as
        the classifier's. None is missing.

    Raises:
        OddscapeError: an unreadable file; weights that lack some of the trunk or have other shapes; a network
            without ImageNet weights.
    """
    trunk = _trunk_of(net)
    weights, own = read_weights(path), net.state_dict()
    fit = trunk.names(net, weights)
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
    known = ", ".join(kind.__name__ for kind in _TRUNKS)
    raise OddscapeError(f"no ImageNet weights are known for {type(net).__name__}; there are for {known}")


def _names_below(prefix: str, trunk: str) -> Callable[[nn.Module, Iterable[str]], ImageNetNames]:
    """Fit names by putting ``prefix`` before them; the trunk's names begin with ``trunk``."""

    def names(net: nn.Module, given: Iterable[str]) -> ImageNetNames:
        own = dict.fromkeys(name for name in net.state_dict() if name.startswith(trunk))
        given = tuple(given)
        renamed = {name: prefix + name for name in given if prefix + name in own}
        there = {*renamed.values(), *(name for name in own if name.endswith("num_batches_tracked"))}
        return ImageNetNames(
            renamed,
            missing=tuple(name for name in own if name not in there),
            unexpected=tuple(name for name in given if name not in renamed),
        )

    return names


def _ladder_names(net: nn.Module, given: Iterable[str]) -> ImageNetNames:
    assert isinstance(net, LadderDenseNet)
    return imagenet_names(net, given)


_TRUNKS: dict[type[nn.Module], _Trunk] = {
    LadderDenseNet: _Trunk("imagenet-densenet121", _ladder_names),
    PSPStudent: _Trunk("imagenet-resnet34", _names_below("encoder.", "encoder.")),
    PSPNet: _Trunk("imagenet-resnet50-deep-stem", _names_below("encoder.", "encoder.")),
    DeepLabWRN38: _Trunk("imagenet-wrn38", _names_below("", "mod")),
}

"""Batch norms folded into the convolutions before them, for inference."""

from __future__ import annotations

from collections import Counter
from collections.abc import MutableMapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakIdKeyDictionary

from oddscape.errors import OddscapeError

# Of exactly these types, for what is derived from them may do more.
_CONVOLUTIONS = {nn.Conv1d, nn.Conv2d, nn.Conv3d}
_TRANSPOSED = {nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d}
_NORMS = {nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm}

_aten = torch.ops.aten
_CONVOLVE = _aten.convolution.default
_NORMALISE = (
    _aten.native_batch_norm.default,
    _aten.cudnn_batch_norm.default,
    _aten.miopen_batch_norm.default,
)


class FusedNetwork(nn.Module):
    """A copy of a network for inference, with batch norms folded; made by :func:`fuse_batch_norms`.

    It stays in evaluation mode, and its weights, whose names begin with ``net.``, take no gradients.

    Args:
        net: the network, its batch norms folded already.
        folded: dotted names of those that are gone; an ``nn.Identity`` stands in place of each.
    """

    def __init__(self, net: nn.Module, folded: tuple[str, ...]) -> None:
        super().__init__()
        self.net, self.folded = net.requires_grad_(False), folded
        self.eval()

    @property
    def kept(self) -> tuple[str, ...]:
        """Dotted names of the batch norms that remain."""
        return tuple(name for name, layer in self.net.named_modules() if type(layer) in _NORMS)

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode.

        Raises:
            OddscapeError: training mode is asked for.
        """
        if mode:
            name = type(self.net).__name__
            raise OddscapeError(f"a {name} with fused batch norms is for inference alone: train it unfused")
        return super().train(False)

    def forward(self, image: Tensor) -> Any:
        """What the network gives for pictures [N, 3, H, W] in [0, 1]."""
        return self.net(image)


@torch.no_grad()
def fuse_batch_norms(net: nn.Module) -> FusedNetwork:
    """Copy a network for inference, and fold each batch norm into the convolution that it reads.

    In evaluation mode a batch norm is a·x + b in each channel, which the convolution's weights and bias can
    take in. They do where the norm alone reads what the convolution gives, as is seen while the network runs
    on one grey picture of 64×64. Layers that run more than once, that share weights, whose weights are
    computed or that carry hooks stay as they are, and so do those of derived types, which may do more. Where
    networks normalise first and convolve then, norms read sums and concatenations, and stay, too: see
    ``folded`` and ``kept`` of what is returned.

    Fuse first, outside autocast; then change the memory format, compile or export.

    Args:
        net: maps pictures [N, 3, H, W] in [0, 1] to anything; it is not changed.

    Returns:
        A network that gives the same up to rounding, for pictures of any size.
    """
    copy = deepcopy(net).eval()
    names = {layer: name for name, layer in copy.named_modules()}
    folded = []
    for convolution, norm in _foldable(copy):
        _fold(convolution, norm)
        copy.set_submodule(names[norm], nn.Identity())
        folded.append(names[norm])
    return FusedNetwork(copy, tuple(folded))


def _fold(convolution: Any, norm: Any) -> None:
    """Let a convolution do what a norm after it does."""
    transposed = type(convolution) in _TRANSPOSED
    weight = _turned(convolution.weight, convolution.groups) if transposed else convolution.weight
    weight, convolution.bias = fuse_conv_bn_weights(
        *(weight, convolution.bias),
        *(norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias),
    )
    convolution.weight = nn.Parameter(_turned(weight, convolution.groups) if transposed else weight)


def _turned(weight: Tensor, groups: int) -> Tensor:
    """Bring a transposed convolution's weight [C, C' / groups, …] to a plain one's layout, and back."""
    return weight.reshape(groups, -1, *weight.shape[1:]).transpose(1, 2).flatten(0, 1)


def _foldable(net: nn.Module) -> list[tuple[nn.Module, nn.Module]]:
    """Pairs of a convolution and the norm that alone reads what it gives."""
    like, run = next(net.parameters()), _Run(net)
    image = torch.full((1, 3, 64, 64), 0.5, device=like.device, dtype=like.dtype)
    with run:
        out = net(image)
    # What still lives when the network is through is returned, or kept by somebody.
    kept = list(run.living.values())
    del out
    return [
        (maps.convolution, maps.norm)
        for maps in run.convolved
        if maps.norm is not None
        and maps.readers == 1
        and maps not in kept
        and run.reads[id(maps.convolution.weight)] == run.reads[id(maps.norm.running_mean)] == 1
    ]


def _by_tensor(net: nn.Module, name: str, types: set[type[nn.Module]]) -> dict[int, nn.Module]:
    """Plain layers of some types by the id of a tensor of theirs, if it has one name in the network."""
    layers = [layer for _, layer in net.named_modules(remove_duplicate=False) if type(layer) in types]
    names = Counter(id(getattr(layer, name)) for layer in layers)
    return {
        tensor: layer
        for layer in layers
        if names[tensor := id(getattr(layer, name))] == 1
        and not (layer._forward_hooks or layer._forward_pre_hooks)
    }


@dataclass(eq=False)
class _Convolved:
    """What a convolution gives: the number of operators that read it, and the norm among them."""

    convolution: nn.Module
    readers: int = 0
    norm: nn.Module | None = None


class _Run(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Watches every operator while a network runs once."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.convolutions = _by_tensor(net, "weight", _CONVOLUTIONS | _TRANSPOSED)
        self.norms = _by_tensor(net, "running_mean", _NORMS)
        self.reads: Counter[int] = Counter()
        self.convolved: list[_Convolved] = []
        self.living: MutableMapping[Tensor, _Convolved] = WeakIdKeyDictionary()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for read in pytree.tree_leaves((args, kwargs)):
            self.reads[id(read)] += 1
            if isinstance(read, Tensor) and read in self.living:
                self.living[read].readers += 1
        out = func(*args, **(kwargs or {}))
        if func is _CONVOLVE and (layer := self.convolutions.get(id(args[1]))) is not None:
            self.convolved.append(_Convolved(layer))
            self.living[out] = self.convolved[-1]
        if func in _NORMALISE and args[0] in self.living and args[3] is not None:
            self.living[args[0]].norm = self.norms.get(id(args[3]))
        return out

"""Ladder-DenseNet-121 (Krešo, Krapac, Šegvić, IEEE T-ITS 2021), with the names of the released weights.

DenseHybrid (Grcić, Bevandić, Šegvić, ECCV 2022) adds a head for the dataset posterior on the same features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from oddscape.models.pyramid import pool_to_grid, spread_from_grid, square_cell_grid
from oddscape.outputs import DenseOutput, NativeMaps

Blocks = tuple[int, int, int, int]
"""Layers of each of a DenseNet's dense blocks."""

DENSENET_121: Blocks = (6, 12, 24, 16)
_GROWTH = 32
_GRID_ROWS = (8, 4, 2, 1)
_LEVEL_CHANNELS = 128
_LADDER = ((512, 256), (256, 256), (256, 128))

_norm = partial(nn.BatchNorm2d, momentum=0.01)


class NormReluConv(nn.Module):
    """Batch norm, ReLU and a convolution that keeps the size."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 1, *, bias: bool = False) -> None:
        super().__init__()
        self.norm = _norm(in_channels)
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] → [N, C', h, w]."""
        y: Tensor = self.conv(F.relu(self.norm(x), inplace=True))
        return y


class DenseLayer(nn.Module):
    """Read all maps so far through a bottleneck and make 32 new ones."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.norm1 = _norm(in_channels)
        self.conv1 = nn.Conv2d(in_channels, 4 * _GROWTH, 1, bias=False)
        self.norm2 = _norm(4 * _GROWTH)
        self.conv2 = nn.Conv2d(4 * _GROWTH, _GROWTH, 3, padding=1, bias=False)

    def forward(self, *maps: Tensor) -> Tensor:
        """Maps [N, C₀, h, w], [N, 32, h, w] … → [N, 32, h, w]."""
        x = self.conv1(F.relu(self.norm1(torch.cat(maps, 1)), inplace=True))
        y: Tensor = self.conv2(F.relu(self.norm2(x), inplace=True))
        return y


class DenseBlock(nn.Module):
    """Layers of which each reads the outputs of all before it."""

    def __init__(self, in_channels: int, layers: int, *, checkpointing: bool) -> None:
        super().__init__()
        self.checkpointing = checkpointing
        for i in range(layers):
            self.add_module(f"denselayer{i + 1}", DenseLayer(in_channels + i * _GROWTH))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] → [N, C + 32 · layers, h, w]."""
        # A compiler plans by itself what to keep and what to compute again.
        recompute = self.checkpointing and torch.is_grad_enabled() and not torch.compiler.is_compiling()
        maps = [x]
        for layer in self.children():
            maps.append(_recomputed_in_backward(layer, maps) if recompute else layer(*maps))
        return torch.cat(maps, 1)


class DenseNetTrunk(nn.Module):
    """A DenseNet without its last norm and its classifier, and with a 2×2 max-pool in the stem."""

    def __init__(self, blocks: Blocks, *, checkpointing: bool) -> None:
        super().__init__()
        channels = 64
        self.channels: list[int] = []
        self.features = nn.ModuleDict(
            {"conv0": nn.Conv2d(3, channels, 7, stride=2, padding=3, bias=False), "norm0": _norm(channels)}
        )
        for number, layers in enumerate(blocks, start=1):
            self.features[f"denseblock{number}"] = DenseBlock(channels, layers, checkpointing=checkpointing)
            channels += layers * _GROWTH
            self.channels.append(channels)
            if number < len(blocks):
                self.features[f"transition{number}"] = NormReluConv(channels, channels // 2)
                channels //= 2

    def forward(self, image: Tensor) -> list[Tensor]:
        """Maps of the four blocks at strides 4, 8, 16 and 32; of DenseNet-121 256, 512, 1024 and 1024."""
        layers = self.features
        x = F.max_pool2d(F.relu(layers["norm0"](layers["conv0"](image)), inplace=True), 2)
        maps = [layers["denseblock1"](x)]
        for number in range(1, len(self.channels)):
            x = layers[f"transition{number}"](maps[-1])
            x = F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
            maps.append(layers[f"denseblock{number + 1}"](x))
        return maps


class SpatialPyramidPooling(nn.Module):
    """Blend a map with its averages over four grids of square cells."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        levels = len(_GRID_ROWS)
        self.spp = nn.ModuleDict(
            {
                "spp_bn": NormReluConv(in_channels, 512),
                **{f"spp{i}": NormReluConv(512, _LEVEL_CHANNELS) for i in range(levels)},
                "spp_fuse": NormReluConv(512 + levels * _LEVEL_CHANNELS, 512),
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] → [N, 512, h, w]."""
        x = self.spp["spp_bn"](x)
        size = (x.shape[-2], x.shape[-1])
        maps = [x]
        for i, rows in enumerate(_GRID_ROWS):
            grid = square_cell_grid(rows, size)
            # An export with dynamic sizes settles whether an axis is one long, and one picture's grid may
            # have one column where another's has more: it gets an axis that is always longer.
            axis = rows * size[1] // size[0] + 2 if torch.compiler.is_exporting() else None
            level = self.spp[f"spp{i}"](pool_to_grid(x, grid, axis))
            maps.append(spread_from_grid(level, grid, size))
        blended: Tensor = self.spp["spp_fuse"](torch.cat(maps, 1))
        return blended


class LadderStep(nn.Module):
    """Bring a coarse map to the resolution of a skip, add it and blend."""

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int) -> None:
        super().__init__()
        self.bottleneck = NormReluConv(skip_channels, in_channels)
        self.blend_conv = NormReluConv(in_channels, out_channels, 3)
        # The released weights carry it and inference does not use it. Frozen, since distributed training
        # refuses parameters that never get a gradient.
        self.logits_aux = NormReluConv(in_channels, 1, bias=True).requires_grad_(False)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """[N, C, h, w] and [N, S, H, W] → [N, C', H, W]."""
        upsampled = F.interpolate(coarse, skip.shape[-2:], mode="bilinear")
        y: Tensor = self.blend_conv(upsampled + self.bottleneck(skip))
        return y


class Ladder(nn.Module):
    """Three steps from stride 32 to stride 4."""

    def __init__(self, skip_channels: list[int]) -> None:
        super().__init__()
        steps = zip(_LADDER, reversed(skip_channels), strict=True)
        self.upsample_layers = nn.ModuleDict(
            {f"upsample_{i}": LadderStep(coarse, skip, out) for i, ((coarse, out), skip) in enumerate(steps)}
        )

    def forward(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        """The coarsest map [N, 512, h, w] and the skips, fine to coarse → [N, 128, H, W]."""
        for step, skip in zip(self.upsample_layers.values(), reversed(skips), strict=True):
            x = step(x, skip)
        return x


class LadderDenseNet(nn.Module):
    """Ladder-DenseNet-121 for K known classes, with DenseHybrid's outlier head where asked for.

    Its output's ``features`` are the decoder's 128 channels that both heads read. A picture's sides may be
    any from 3 pixels on.

    Args:
        num_classes: number of known classes, K.
        outlier_head: whether a second head estimates the dataset posterior.
        checkpointing: compute the insides of dense layers again in the backward pass and do not keep them:
            the same gradients and batch statistics, in a fraction of the memory and more time. Where the
            network is compiled, the compiler decides, and this changes nothing.
        blocks: layers of each dense block; others than DenseNet-121's make a network of another depth.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        outlier_head: bool = False,
        checkpointing: bool = False,
        blocks: Blocks = DENSENET_121,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.backbone = DenseNetTrunk(blocks, checkpointing=checkpointing)
        *skips, coarsest = self.backbone.channels
        self.spp = nn.ModuleDict({"spp": SpatialPyramidPooling(coarsest)})
        self.upsample = Ladder(skips)
        self.logits = NormReluConv(128, num_classes, bias=True)
        self.logits_ood = NormReluConv(128, 2, bias=True) if outlier_head else None
        self.apply(_initialise)

    def forward(self, image: Tensor) -> DenseOutput:
        """Segment pictures float [N, 3, H, W] in [0, 1]; maps are at a quarter of the resolution."""
        *skips, coarse = self.backbone(image)
        features = self.upsample(self.spp["spp"](coarse), skips)
        outlier_logits = None if self.logits_ood is None else self.logits_ood(features)
        maps = NativeMaps(self.logits(features), outlier_logits=outlier_logits, features=features)
        return DenseOutput(maps, (image.shape[-2], image.shape[-1]))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _recomputed_in_backward(layer: nn.Module, maps: list[Tensor]) -> Tensor:
    """Run a layer, keep its inputs alone, and run it again when its gradients are asked for."""

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _statistics_kept(layer)

    run: Callable[..., Tensor] = checkpoint
    return run(layer, *maps, use_reentrant=False, preserve_rng_state=False, context_fn=contexts)


@contextmanager
def _statistics_kept(layer: nn.Module) -> Iterator[None]:
    """Let batch norms update copies of their statistics, which have seen this batch before."""
    norms = [module for module in layer.modules() if isinstance(module, nn.BatchNorm2d)]
    kept = [(norm, name, buffer) for norm in norms for name, buffer in norm.named_buffers(recurse=False)]
    try:
        for norm, name, buffer in kept:
            setattr(norm, name, buffer.clone())
        yield
    finally:
        for norm, name, buffer in kept:
            setattr(norm, name, buffer)

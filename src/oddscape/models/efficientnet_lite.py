"""The encoder of EfficientNet-Lite0.

EfficientNet (Tan and Le: EfficientNet, ICML 2019) without squeeze-and-excitation and with ReLU6 for swish, as
its authors released it for small devices in 2020. Its blocks are the inverted bottlenecks of MobileNetV2
(Sandler et al., CVPR 2018).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

STRIDE = 32
"""Pictures' sides should be multiples of it: layers of stride 2 then see even sides, as in training."""


class Stage(NamedTuple):
    """Blocks of one resolution: how much each widens, channels, number, stride of the first, kernel."""

    expand: int
    channels: int
    blocks: int
    stride: int
    kernel: int


STEM = 32
STAGES = (
    Stage(1, 16, 1, 1, 3),
    Stage(6, 24, 2, 2, 3),
    Stage(6, 40, 2, 2, 5),
    Stage(6, 80, 3, 2, 3),
    Stage(6, 112, 3, 1, 5),
    Stage(6, 192, 4, 2, 5),
    Stage(6, 320, 1, 1, 3),
)

# The last stage of each resolution.
_LEVELS = (1, 2, 4, 6)
CHANNELS = tuple(STAGES[level].channels for level in _LEVELS)
"""Channels of the maps at strides 4, 8, 16 and 32."""


class InvertedBottleneck(nn.Module):
    """Widen by a 1×1 convolution, convolve each channel by itself, narrow; around an identity where it fits.

    Args:
        in_channels: channels of the map that comes in.
        out_channels: channels of the map that goes out.
        expand: how many times wider the middle is than what comes in; 1: the first convolution is left out.
        stride: of the convolution in the middle, 1 or 2.
        kernel: its side.
    """

    def __init__(self, in_channels: int, out_channels: int, expand: int, stride: int, kernel: int) -> None:
        super().__init__()
        width = expand * in_channels
        self.expand = _conv_norm(in_channels, width, 1) if expand > 1 else None
        self.depthwise = _conv_norm(width, width, kernel, stride, groups=width)
        self.project = _conv_norm(width, out_channels, 1)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] → [N, C', h / stride, w / stride], halves rounded down."""
        wide = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        narrow: Tensor = self.project(F.relu6(self.depthwise(wide), inplace=True))
        return x + narrow if self.residual else narrow


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 up to its last stage, without the classifier; 2,958,848 parameters.

    Batch norms have the ε and the momentum of the released weights.

    Args:
        stages: its stages; like the published ones, but for their numbers of blocks.
    """

    def __init__(self, stages: tuple[Stage, ...] = STAGES) -> None:
        super().__init__()
        self.stem = _conv_norm(3, STEM, 3, stride=2)
        before = (STEM, *(stage.channels for stage in stages))
        self.stages = nn.ModuleList(_blocks(*each) for each in zip(before, stages, strict=False))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Normalised pictures [N, 3, H, W] → maps at strides 4, 8, 16 and 32, of ``CHANNELS`` channels."""
        x, maps = F.relu6(self.stem(image), inplace=True), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return [maps[level] for level in _LEVELS]


def _blocks(in_channels: int, stage: Stage) -> nn.Sequential:
    """The blocks of a stage; the first one changes channels and resolution."""
    expand, channels, blocks, stride, kernel = stage
    return nn.Sequential(
        InvertedBottleneck(in_channels, channels, expand, stride, kernel),
        *(InvertedBottleneck(channels, channels, expand, 1, kernel) for _ in range(1, blocks)),
    )


def _conv_norm(
    in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """A convolution, padded as TensorFlow's "same", and its batch norm."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if stride == 2:
        # "Same" pads even sides by one pixel less in front than behind. Convolutions pad both alike.
        behind = kernel // 2
        layers["pad"] = nn.ZeroPad2d((behind - 1, behind) * 2)
    padding = 0 if stride == 2 else kernel // 2
    layers["conv"] = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, groups=groups, bias=False)
    layers["norm"] = nn.BatchNorm2d(out_channels, eps=1e-3, momentum=0.01)
    return nn.Sequential(layers)

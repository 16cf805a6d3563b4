"""Dilated ResNet-34 and ResNet-50 (He et al., CVPR 2016; Yu et al., CVPR 2017).

The last two stages are dilated where a plain ResNet strides, so that their maps keep an eighth of the
picture's resolution. Names of weights are those of the files that everybody shares.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def _conv3x3(in_channels: int, out_channels: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=dilation, dilation=dilation, bias=False)


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    """A 1×1 convolution where the shape changes."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
    )


class BasicBlock(nn.Module):
    """Two 3×3 convolutions around an identity.

    Args:
        in_channels: channels of the input.
        width: channels of both convolutions.
        stride: of the first convolution.
        dilations: of the first and the second convolution.
    """

    expansion = 1

    def __init__(
        self, in_channels: int, width: int, stride: int = 1, dilations: tuple[int, int] = (1, 1)
    ) -> None:
        super().__init__()
        self.conv1 = _conv3x3(in_channels, width, stride, dilations[0])
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv3x3(width, width, dilation=dilations[1])
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] → [N, width, h / stride, w / stride]."""
        identity = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)) + identity)


class Bottleneck(nn.Module):
    """A 3×3 convolution between two 1×1, around an identity; the output has four times the width.

    Args:
        in_channels: channels of the input.
        width: channels of the 3×3 convolution.
        stride: of the 3×3 convolution.
        dilations: the first one is the 3×3 convolution's.
    """

    expansion = 4

    def __init__(
        self, in_channels: int, width: int, stride: int = 1, dilations: tuple[int, int] = (1, 1)
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv3x3(width, width, stride, dilations[0])
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = _shortcut(in_channels, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] → [N, 4 · width, h / stride, w / stride]."""
        identity = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return F.relu(self.bn3(self.conv3(x)) + identity)


def _stage(
    block: type[BasicBlock | Bottleneck],
    in_channels: int,
    width: int,
    blocks: int,
    stride: int = 1,
    dilation: int = 1,
) -> nn.Sequential:
    """Some blocks of one resolution; the convolution that would stride has half the others' dilation."""
    entry = block(in_channels, width, stride, (max(dilation // 2, 1), dilation))
    others = (block(block.expansion * width, width, 1, (dilation, dilation)) for _ in range(blocks - 1))
    return nn.Sequential(entry, *others)


class DilatedResNet50(nn.Module):
    """ResNet-50 at stride 8, with three 3×3 convolutions for a stem.

    Args:
        width: channels of the stem's first convolution; 64 as published.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv3x3(3, width, stride=2), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _conv3x3(width, width), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = _conv3x3(width, 2 * width), nn.BatchNorm2d(2 * width)
        self.layer1 = _stage(Bottleneck, 2 * width, width, 3)
        self.layer2 = _stage(Bottleneck, 4 * width, 2 * width, 4, stride=2)
        self.layer3 = _stage(Bottleneck, 8 * width, 4 * width, 6, dilation=2)
        self.layer4 = _stage(Bottleneck, 16 * width, 8 * width, 3, dilation=4)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised pictures [N, 3, H, W] → maps of layer3 and layer4, [N, 1024 | 2048, ⌈H/8⌉, ⌈W/8⌉]."""
        x = F.relu(self.bn1(self.conv1(image)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = F.relu(self.bn3(self.conv3(x)))
        x = F.max_pool2d(x, 3, 2, padding=1)
        x = self.layer3(self.layer2(self.layer1(x)))
        return x, self.layer4(x)


class DilatedResNet34(nn.Module):
    """ResNet-34 at stride 8, its 7×7 stem padded by 1 as in DiCNet's student.

    A plain ResNet's stem is padded by 3; with 1, sides that are multiples of 8 give maps of an eighth.

    Args:
        width: channels of the stem; 64 as published.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = _stage(BasicBlock, width, width, 3)
        self.layer2 = _stage(BasicBlock, width, 2 * width, 4, stride=2)
        self.layer3 = _stage(BasicBlock, 2 * width, 4 * width, 6, dilation=2)
        self.layer4 = _stage(BasicBlock, 4 * width, 8 * width, 3, dilation=4)

    def forward(self, image: Tensor) -> Tensor:
        """Normalised pictures [N, 3, H, W], sides multiples of 8 → the map of layer4, [N, 512, H/8, W/8]."""
        x = F.relu(self.bn1(self.conv1(image)))
        x = F.max_pool2d(x, 3, 2, padding=1)
        x = self.layer2(self.layer1(x))
        last: Tensor = self.layer4(self.layer3(x))
        return last

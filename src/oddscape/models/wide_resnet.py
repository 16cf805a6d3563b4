"""WideResNet-38 (Wu, Shen, van den Hengel, arXiv 1611.10080) at stride 8, named as its released weights."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class WideResNetWidths:
    """Channels of a WideResNet-38: of its first convolution, then of each convolution of a stage's blocks."""

    mod1: int = 64
    mod2: tuple[int, int] = (128, 128)
    mod3: tuple[int, int] = (256, 256)
    mod4: tuple[int, int] = (512, 512)
    mod5: tuple[int, int] = (512, 1024)
    mod6: tuple[int, int, int] = (512, 1024, 2048)
    mod7: tuple[int, int, int] = (1024, 2048, 4096)


def _norm_relu(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


def _conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    padding = dilation * (kernel // 2)
    return nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, bias=False)


class PreActivationBlock(nn.Module):
    """A residual block that normalises and activates first: ``shortcut + convs(relu(bn1(x)))``.

    The shortcut is the untouched input, or a 1×1 projection of the activated one where the shape changes.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        convs: the residual branch, from ``in_channels`` to ``out_channels``.
        stride: stride of the branch.
    """

    def __init__(self, in_channels: int, out_channels: int, convs: nn.Sequential, stride: int = 1) -> None:
        super().__init__()
        self.bn1 = _norm_relu(in_channels)
        self.convs = convs
        projects = stride != 1 or in_channels != out_channels
        self.proj_conv = _conv(in_channels, out_channels, 1, stride) if projects else None

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] → [N, C', h/stride, w/stride], sides rounded up."""
        active = self.bn1(x)
        shortcut = x if self.proj_conv is None else self.proj_conv(active)
        out: Tensor = shortcut + self.convs(active)
        return out


def _plain_block(
    in_channels: int, channels: tuple[int, int], stride: int, dilation: int
) -> PreActivationBlock:
    first, last = channels
    convs = OrderedDict(
        conv1=_conv(in_channels, first, 3, stride, dilation),
        bn2=_norm_relu(first),
        conv2=_conv(first, last, 3, dilation=dilation),
    )
    return PreActivationBlock(in_channels, last, nn.Sequential(convs), stride)


def first_convolution(widths: WideResNetWidths) -> nn.Sequential:
    """The 3×3 convolution ``mod1``, at the picture's resolution and without a norm."""
    return nn.Sequential(OrderedDict(conv1=_conv(3, widths.mod1, 3)))


def plain_stage(
    blocks: int, in_channels: int, channels: tuple[int, int], *, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    """Blocks ``block1``, ``block2``, … of two 3×3 convolutions each; the first alone has the stride."""
    stage: OrderedDict[str, nn.Module] = OrderedDict()
    stage["block1"] = _plain_block(in_channels, channels, stride, dilation)
    for number in range(2, blocks + 1):
        stage[f"block{number}"] = _plain_block(channels[-1], channels, 1, dilation)
    return nn.Sequential(stage)


def bottleneck_stage(
    in_channels: int, channels: tuple[int, int, int], *, dilation: int, dropout: float
) -> nn.Sequential:
    """One block ``block1`` of 1×1, dilated 3×3 and 1×1 convolutions, channels dropped before the last."""
    first, middle, last = channels
    convs = OrderedDict(
        conv1=_conv(in_channels, first, 1),
        bn2=_norm_relu(first),
        conv2=_conv(first, middle, 3, dilation=dilation),
        bn3=_norm_relu(middle),
        dropout=nn.Dropout2d(dropout),
        conv3=_conv(middle, last, 1),
    )
    return nn.Sequential(OrderedDict(block1=PreActivationBlock(in_channels, last, nn.Sequential(convs))))

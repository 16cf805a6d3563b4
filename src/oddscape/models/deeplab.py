"""DeepLabV3+ (Chen et al., arXiv 1802.02611) on WideResNet-38, with the names of its released weights.

DenseHybrid (Grcić, Bevandić, Šegvić, arXiv 2207.02606) adds an outlier head. This network upsamples with
``align_corners=True`` throughout.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from oddscape.models.wide_resnet import WideResNetWidths, bottleneck_stage, first_convolution, plain_stage
from oddscape.outputs import DenseOutput, NativeMaps

_DILATIONS = (12, 24, 36)


@dataclass(frozen=True)
class DeepLabWidths:
    """Channels of a DeepLabV3+: its trunk, a branch of the ASPP, the fine skip and the decoder."""

    trunk: WideResNetWidths = field(default_factory=WideResNetWidths)
    aspp: int = 256
    fine: int = 48
    decoder: int = 256


def _conv_norm_relu(in_channels: int, out_channels: int, kernel: int, dilation: int = 1) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, padding=padding, dilation=dilation, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class AtrousPyramid(nn.Module):
    """Atrous spatial pyramid pooling: the picture's mean, a 1×1 and three dilated convolutions, side by side.

    Args:
        in_channels: channels of the map.
        branch_channels: channels of each of the five branches.
    """

    def __init__(self, in_channels: int, branch_channels: int) -> None:
        super().__init__()
        self.features = nn.ModuleList(
            [
                _conv_norm_relu(in_channels, branch_channels, 1),
                *(_conv_norm_relu(in_channels, branch_channels, 3, dilation) for dilation in _DILATIONS),
            ]
        )
        self.img_conv = _conv_norm_relu(in_channels, branch_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] → [N, 5·C', h, w], the picture's mean first."""
        branches = [branch(x) for branch in self.features]
        mean = self.img_conv(x.mean((2, 3), keepdim=True)).expand_as(branches[0])
        return torch.cat([mean, *branches], 1)


def _outlier_head(channels: int) -> nn.Sequential:
    norm = nn.BatchNorm2d(channels, momentum=0.01)
    return nn.Sequential(OrderedDict(norm=norm, relu=nn.ReLU(inplace=True), conv=nn.Conv2d(channels, 2, 1)))


class DeepLabWRN38(nn.Module):
    """DeepLabV3+ with WideResNet-38 for K known classes, with DenseHybrid's outlier head where asked for.

    Trains on two pictures a step or more: the ASPP normalises a single value a picture and channel.

    Args:
        num_classes: number of known classes, K.
        outlier_head: whether a second head estimates the dataset posterior.
        widths: channels of its layers; the released weights fit those that are given if none are.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, num_classes: int, *, outlier_head: bool = False, widths: DeepLabWidths = DeepLabWidths()
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.register_buffer("mean", torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1), persistent=False)
        trunk = widths.trunk
        self.mod1 = first_convolution(trunk)
        self.mod2 = plain_stage(3, trunk.mod1, trunk.mod2)
        self.mod3 = plain_stage(3, trunk.mod2[-1], trunk.mod3)
        self.mod4 = plain_stage(6, trunk.mod3[-1], trunk.mod4, stride=2)
        self.mod5 = plain_stage(3, trunk.mod4[-1], trunk.mod5, dilation=2)
        self.mod6 = bottleneck_stage(trunk.mod5[-1], trunk.mod6, dilation=4, dropout=0.3)
        self.mod7 = bottleneck_stage(trunk.mod6[-1], trunk.mod7, dilation=4, dropout=0.5)
        self.aspp = AtrousPyramid(trunk.mod7[-1], widths.aspp)
        self.bot_fine = nn.Conv2d(trunk.mod2[-1], widths.fine, 1, bias=False)
        self.bot_aspp = nn.Conv2d(5 * widths.aspp, widths.decoder, 1, bias=False)
        self.final = nn.Sequential(
            *_conv_norm_relu(widths.fine + widths.decoder, widths.decoder, 3),
            *_conv_norm_relu(widths.decoder, widths.decoder, 3),
            nn.Conv2d(widths.decoder, num_classes, 1, bias=False),
        )
        self.logits_ood = _outlier_head(widths.fine + widths.decoder) if outlier_head else None

    def forward(self, image: Tensor) -> DenseOutput:
        """Segment pictures float [N, 3, H, W] in [0, 1]; maps are at half the resolution, rounded up."""
        fused = self.fused_features(image)
        *hidden, classifier = self.final
        features = fused
        for layer in hidden:
            features = layer(features)
        outlier_logits = None if self.logits_ood is None else self.logits_ood(fused)
        maps = NativeMaps(classifier(features), outlier_logits=outlier_logits, features=features)
        return DenseOutput(maps, (image.shape[-2], image.shape[-1]), align_corners=True)

    def fused_features(self, image: Tensor) -> Tensor:
        """Fine features beside upsampled context, [N, C, H/2, W/2]: what both heads start from."""
        x = self.mod1((image - self.mean) / self.std)
        fine = self.mod2(_halve(x))
        coarse = self.mod7(self.mod6(self.mod5(self.mod4(self.mod3(_halve(fine))))))
        context = self.bot_aspp(self.aspp(coarse))
        upsampled = F.interpolate(context, fine.shape[-2:], mode="bilinear", align_corners=True)
        return torch.cat([self.bot_fine(fine), upsampled], 1)


def _halve(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, stride=2, padding=1)

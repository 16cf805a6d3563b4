"""A small segmentation network for CPUs: residual encoder, pyramid pooling, ladder decoder.

It has the parts of the published Ladder-DenseNet at a hundredth of its cost: half a billion multiply-adds for
a picture of 320×180. Where it ends, it keeps the normalised features that DiCNet distils.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from oddscape.models.ladder import GRIDS, LadderStep, climb, conv_norm, headed_maps
from oddscape.models.pyramid import PyramidPooling
from oddscape.outputs import DenseOutput


@dataclass(frozen=True)
class LadderWidths:
    """Channels of a small ladder: encoder stages at strides 2 … 32, blocks a stage, decoder and features."""

    stages: tuple[int, int, int, int, int] = (24, 32, 64, 96, 128)
    blocks: tuple[int, int, int, int] = (1, 2, 2, 2)
    decoder: int = 48
    features: int = 64


STUDENT_WIDTHS = LadderWidths(blocks=(1, 1, 1, 1))
"""A student as wide as the teacher, with fewer blocks: a narrower one cannot follow it on known content."""


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions around an identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv_norm(channels, channels)
        self.second = conv_norm(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] → [N, C, h, w]."""
        return F.relu(x + self.second(F.relu(self.first(x))))


class Encoder(nn.Module):
    """A stem at stride 2 and four stages at strides 4, 8, 16 and 32."""

    def __init__(self, widths: LadderWidths) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv_norm(3, widths.stages[0], stride=2), nn.ReLU(inplace=True))
        self.stages = nn.ModuleList(
            nn.Sequential(
                conv_norm(before, channels, stride=2),
                nn.ReLU(inplace=True),
                *(ResidualBlock(channels) for _ in range(blocks)),
            )
            for before, channels, blocks in zip(widths.stages, widths.stages[1:], widths.blocks, strict=False)
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Maps of the four stages, fine to coarse."""
        x, maps = self.stem(image), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class LadderFeatures(nn.Module):
    """The network without its heads: pictures to features at a quarter of the resolution.

    Args:
        widths: channels of its layers.
        normalised: whether the last convolution is batch-normalised, as a teacher's is. The published
            student ends in the convolution alone: it need not give each batch the same mean, and its
            teacher, in evaluation mode, does not.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, widths: LadderWidths, *, normalised: bool = True) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1), persistent=False)
        *skips, last = widths.stages[1:]
        self.encoder = Encoder(widths)
        self.pyramid = PyramidPooling(last, widths.decoder // 2, widths.decoder, GRIDS)
        self.ladder = nn.ModuleList(LadderStep(skip, widths.decoder) for skip in reversed(skips))
        self.last = (
            conv_norm(widths.decoder, widths.features)
            if normalised
            else nn.Conv2d(widths.decoder, widths.features, 3, padding=1)
        )

    def forward(self, image: Tensor) -> Tensor:
        """Pictures [N, 3, H, W] in [0, 1] → features [N, C, H/4, W/4], before their ReLU."""
        *skips, coarse = self.encoder((image - self.mean) / self.std)
        features: Tensor = self.last(climb(self.ladder, self.pyramid(coarse), skips))
        return features


class SmallLadder(nn.Module):
    """A small ladder network for K known classes, with an outlier head or a void class where asked for.

    Args:
        num_classes: number of known classes, K.
        outlier_head: whether a second head estimates the dataset posterior.
        void: whether there is a K+1-th class for void, with weights of its own.
        widths: channels of its layers.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        outlier_head: bool = False,
        void: bool = False,
        widths: LadderWidths = LadderWidths(),
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.trunk = LadderFeatures(widths)
        self.classifier = nn.Conv2d(widths.features, num_classes, 1)
        self.outlier_head = nn.Conv2d(widths.features, 2, 1) if outlier_head else None
        # Beside the classifier and not in it, so that closed-set weights fit the network with a void class.
        self.void_classifier = nn.Conv2d(widths.features, 1, 1) if void else None

    def forward(self, image: Tensor) -> DenseOutput:
        """Segment pictures float [N, 3, H, W] in [0, 1]; maps are at a quarter of the resolution."""
        maps = headed_maps(self.trunk(image), self.classifier, self.outlier_head, self.void_classifier)
        return DenseOutput(maps, (image.shape[-2], image.shape[-1]))

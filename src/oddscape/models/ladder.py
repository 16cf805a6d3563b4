"""Parts of ladder decoders: the steps from coarse maps to fine ones, and the heads on top."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from oddscape.outputs import NativeMaps

GRIDS = ((1, 1), (2, 4), (4, 8))
"""(rows, columns) of the levels of the pyramid pooling at a ladder's foot."""


def conv_norm(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    """A 3×3 convolution and its batch norm."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False), nn.BatchNorm2d(out_channels)
    )


class LadderStep(nn.Module):
    """Bring a coarse map to the resolution of a skip, add it and blend."""

    def __init__(self, skip_channels: int, channels: int) -> None:
        super().__init__()
        self.skip = nn.Conv2d(skip_channels, channels, 1)
        self.blend = conv_norm(channels, channels)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """[N, C, h, w] and [N, S, H, W] → [N, C, H, W]."""
        upsampled = F.interpolate(coarse, skip.shape[-2:], mode="bilinear")
        return F.relu(self.blend(upsampled + self.skip(skip)))


def climb(ladder: nn.ModuleList, coarse: Tensor, skips: Sequence[Tensor]) -> Tensor:
    """Take a coarse map [N, C, h, w] up the steps of a ladder, whose skips are given fine to coarse."""
    for step, skip in zip(ladder, reversed(skips), strict=True):
        coarse = step(coarse, skip)
    return coarse


def headed_maps(
    features: Tensor, classifier: nn.Module, outlier_head: nn.Module | None, void_classifier: nn.Module | None
) -> NativeMaps:
    """Features [N, C, h, w] before their ReLU, with the logits that each head there is reads off after it."""
    active = F.relu(features)
    return NativeMaps(
        classifier(active),
        outlier_logits=None if outlier_head is None else outlier_head(active),
        void_logits=None if void_classifier is None else void_classifier(active),
        features=features,
    )

"""ERFNet (Romera, Álvarez, Bergasa, Arroyo, IEEE T-ITS 2018), with the names of its released weights."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from oddscape.models.padding import cut_padding, pad_to_multiple
from oddscape.outputs import DenseOutput, NativeMaps

_NORM_EPS = 1e-3
_STRIDE = 8


class Downsampler(nn.Module):
    """Halve the resolution: a strided convolution and a max-pool side by side, then norm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels - in_channels, 3, stride=2, padding=1)
        # On even sides as without ceil_mode, and with the convolution's arithmetic of sizes, which an export
        # with dynamic sizes needs to see that both agree.
        self.pool = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.bn = nn.BatchNorm2d(out_channels, eps=_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] → [N, C', h/2, w/2]."""
        return F.relu(self.bn(torch.cat([self.conv(x), self.pool(x)], 1)))


class NonBottleneck1D(nn.Module):
    """Two factorised 3×3 convolutions, the second dilated, with a residual connection."""

    def __init__(self, channels: int, dropout: float, dilation: int) -> None:
        super().__init__()
        d = dilation
        self.conv3x1_1 = nn.Conv2d(channels, channels, (3, 1), padding=(1, 0))
        self.conv1x3_1 = nn.Conv2d(channels, channels, (1, 3), padding=(0, 1))
        self.bn1 = nn.BatchNorm2d(channels, eps=_NORM_EPS)
        self.conv3x1_2 = nn.Conv2d(channels, channels, (3, 1), padding=(d, 0), dilation=(d, 1))
        self.conv1x3_2 = nn.Conv2d(channels, channels, (1, 3), padding=(0, d), dilation=(1, d))
        self.bn2 = nn.BatchNorm2d(channels, eps=_NORM_EPS)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] → [N, C, h, w]."""
        y = F.relu(self.bn1(self.conv1x3_1(F.relu(self.conv3x1_1(x)))))
        y = self.bn2(self.conv1x3_2(F.relu(self.conv3x1_2(y))))
        return F.relu(self.dropout(y) + x)


class Upsampler(nn.Module):
    """Double the resolution by a transposed convolution, then norm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(in_channels, out_channels, 3, stride=2, padding=1, output_padding=1)
        self.bn = nn.BatchNorm2d(out_channels, eps=_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] → [N, C', 2h, 2w]."""
        return F.relu(self.bn(self.conv(x)))


class Encoder(nn.Module):
    """Down to 128 channels at an eighth of the resolution."""

    def __init__(self, num_outputs: int) -> None:
        super().__init__()
        self.initial_block = Downsampler(3, 16)
        self.layers = nn.Sequential(
            Downsampler(16, 64),
            *(NonBottleneck1D(64, 0.03, 1) for _ in range(5)),
            Downsampler(64, 128),
            *(NonBottleneck1D(128, 0.3, dilation) for _ in range(2) for dilation in (2, 4, 8, 16)),
        )
        # Serves encoder-only training; the released weights carry it and inference does not use it.
        self.output_conv = nn.Conv2d(128, num_outputs, 1)

    def forward(self, image: Tensor) -> Tensor:
        """[N, 3, H, W] → [N, 128, H/8, W/8]."""
        features: Tensor = self.layers(self.initial_block(image))
        return features


class Decoder(nn.Module):
    """Back up to the picture's resolution."""

    def __init__(self, num_outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(Upsampler(128, 64), NonBottleneck1D(64, 0, 1), NonBottleneck1D(64, 0, 1)),
            *(Upsampler(64, 16), NonBottleneck1D(16, 0, 1), NonBottleneck1D(16, 0, 1)),
        )
        self.output_conv = nn.ConvTranspose2d(16, num_outputs, 2, stride=2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[N, 128, H/8, W/8] → features [N, 16, H/2, W/2] and logits [N, K, H, W]."""
        features = self.layers(x)
        return features, self.output_conv(features)


class ERFNet(nn.Module):
    """ERFNet for K known classes and, where ``void`` is set, one trailing output for "none of these".

    Args:
        num_classes: number of known classes, K.
        void: whether the network has a further, last output for void.
    """

    def __init__(self, num_classes: int = 19, *, void: bool = False) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.encoder = Encoder(num_classes + void)
        self.decoder = Decoder(num_classes + void)

    def forward(self, image: Tensor) -> DenseOutput:
        """Segment pictures float [N, 3, H, W] in [0, 1]; sides that 8 does not divide are padded and cut."""
        height, width = image.shape[-2:]
        padded = pad_to_multiple(image, _STRIDE)
        features, logits = self.decoder(self.encoder(padded))
        logits = cut_padding(logits, (height, width), padded)
        known, void = logits[:, : self.num_classes], logits[:, self.num_classes :]
        maps = NativeMaps(known, void_logits=void if void.shape[1] else None, features=features)
        return DenseOutput(maps, (height, width))

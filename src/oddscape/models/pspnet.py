"""PSPNet (Zhao et al., CVPR 2017), DiCNet's teacher, and DiCNet's student (Zhou et al., arXiv 2112.09908)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from oddscape.models.dicnet import DiCNet
from oddscape.models.pyramid import pool_to_grid
from oddscape.models.resnet import DilatedResNet34, DilatedResNet50
from oddscape.outputs import DenseOutput, NativeMaps

_GRIDS = (1, 2, 3, 6)
_STRIDE = 8


class PictureInput(nn.Module):
    """Bring pictures to sides that are multiples of 8, and to ImageNet's mean and deviation."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """[N, 3, H, W] in [0, 1] → normalised [N, 3, 8⌈H/8⌉, 8⌈W/8⌉]."""
        # To its own size a picture is resized exactly, and without a branch the network exports for any size.
        height, width = (
            (side + _STRIDE - 1) // _STRIDE * _STRIDE for side in (image.shape[-2], image.shape[-1])
        )
        image = F.interpolate(image, (height, width), mode="bilinear")
        return (image - self.mean) / self.std


class GridPool(nn.Module):
    """Average a map over a grid of cells × cells."""

    def __init__(self, cells: int) -> None:
        super().__init__()
        self.cells = cells

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] → [N, C, cells, cells]."""
        return pool_to_grid(x, (self.cells, self.cells))


def _conv_norm_relu(in_channels: int, out_channels: int, kernel: int) -> list[nn.Module]:
    convolution = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(out_channels), nn.ReLU()]


def _pyramid(in_channels: int, level_channels: int) -> nn.ModuleList:
    return nn.ModuleList(
        nn.Sequential(GridPool(cells), *_conv_norm_relu(in_channels, level_channels, 1)) for cells in _GRIDS
    )


def _with_context(x: Tensor, pyramid: nn.ModuleList) -> Tensor:
    """Append each level of a pyramid to the map that it pools."""
    return torch.cat([x, *(F.interpolate(level(x), x.shape[-2:], mode="bilinear") for level in pyramid)], 1)


class TeacherDecoder(nn.Module):
    """Pyramid pooling, the features that DiCNet distils, and the classifier.

    Args:
        num_classes: number of known classes, K.
        middle_channels: of the encoder's last map but one, which deep supervision reads.
        in_channels: of the encoder's last map.
        channels: of each level and of the features.
    """

    def __init__(self, num_classes: int, middle_channels: int, in_channels: int, channels: int) -> None:
        super().__init__()
        self.ppm = _pyramid(in_channels, channels)
        self.conv_last = nn.Sequential(
            *_conv_norm_relu(in_channels + len(_GRIDS) * channels, channels, 3),
            nn.Dropout2d(0.1),
            nn.Conv2d(channels, num_classes, 1),
        )
        self.cbr_deepsup = nn.Sequential(*_conv_norm_relu(middle_channels, channels, 3))
        self.conv_last_deepsup = nn.Conv2d(channels, num_classes, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[N, C, h, w] → features, batch-normalised and before their ReLU, and logits [N, K, h, w]."""
        features = self.conv_last[:2](_with_context(x, self.ppm))
        return features, self.conv_last[2:](features)

    def auxiliary_logits(self, middle: Tensor) -> Tensor:
        """Logits [N, K, h, w] of the deep-supervision branch, which training alone runs."""
        logits: Tensor = self.conv_last_deepsup(self.cbr_deepsup(middle))
        return logits


class PSPNet(nn.Module):
    """Pyramid scene parsing on a dilated ResNet-50, all maps at an eighth of the resolution.

    Training it takes at least two pictures a pass: the pyramid's top has one place a picture, and its batch
    norm needs two.

    Args:
        num_classes: number of known classes, K.
        deep_supervision: whether the deep-supervision branch trains, as part of the loss ``"closed-set"``.
            Without it, its weights are there for files to fit, and frozen, as distributed training asks of
            weights that take no part.
        width: channels of the stem, to which all others are in proportion; 64 as published.
    """

    def __init__(self, num_classes: int, *, deep_supervision: bool = False, width: int = 64) -> None:
        super().__init__()
        self.num_classes, self.deep_supervision = num_classes, deep_supervision
        self.prepare = PictureInput()
        self.encoder = DilatedResNet50(width)
        self.decoder = TeacherDecoder(num_classes, 16 * width, 32 * width, 8 * width)
        self.decoder.cbr_deepsup.requires_grad_(deep_supervision)
        self.decoder.conv_last_deepsup.requires_grad_(deep_supervision)

    def forward(self, image: Tensor) -> DenseOutput:
        """Segment pictures float [N, 3, H, W] in [0, 1].

        In training with deep supervision, ``auxiliary_logits`` hold what its branch says.
        """
        middle, x = self.encoder(self.prepare(image))
        features, logits = self.decoder(x)
        supervised = self.training and self.deep_supervision
        auxiliary = self.decoder.auxiliary_logits(middle) if supervised else None
        maps = NativeMaps(logits, features=features, auxiliary_logits=auxiliary)
        return DenseOutput(maps, (image.shape[-2], image.shape[-1]))


class StudentDecoder(nn.Module):
    """Pyramid pooling and one convolution to features.

    Args:
        in_channels: of the encoder's map.
        channels: of each level and of the features.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.ppm = _pyramid(in_channels, channels)
        self.conv_last = nn.Sequential(
            nn.Conv2d(in_channels + len(_GRIDS) * channels, channels, 3, padding=1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] → features [N, C', h, w]."""
        features: Tensor = self.conv_last(_with_context(x, self.ppm))
        return features


class PSPStudent(nn.Module):
    """DiCNet's student: pyramid pooling on a dilated ResNet-34, without heads.

    Args:
        width: channels of the stem, to which all others are in proportion; the teacher's.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.prepare = PictureInput()
        self.encoder = DilatedResNet34(width)
        self.decoder = StudentDecoder(8 * width, 8 * width)

    def forward(self, image: Tensor) -> Tensor:
        """Pictures [N, 3, H, W] in [0, 1] → features [N, 512, ⌈H/8⌉, ⌈W/8⌉]."""
        features: Tensor = self.decoder(self.encoder(self.prepare(image)))
        return features


def dicnet(num_classes: int, *, width: int = 64) -> DiCNet:
    """DiCNet as published: a PSPNet as teacher and a student with a ResNet-34.

    Args:
        num_classes: number of known classes, K.
        width: channels of both stems, to which all others are in proportion; 64 as published.
    """
    return DiCNet(PSPNet(num_classes, width=width), PSPStudent(width))

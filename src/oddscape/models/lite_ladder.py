"""EfficientNet-Lite0 below pyramid pooling and a ladder decoder: a small network with an ImageNet start.

The decoder is that of ``small_ladder``, after Ladder-DenseNet (Krešo, Krapac, Šegvić, IEEE T-ITS 2021).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from oddscape.models.efficientnet_lite import CHANNELS, STAGES, STRIDE, EfficientNetLite0, Stage
from oddscape.models.ladder import GRIDS, LadderStep, climb, conv_norm, headed_maps
from oddscape.models.padding import pad_to_multiple
from oddscape.models.pyramid import PyramidPooling
from oddscape.outputs import DenseOutput


class LiteLadder(nn.Module):
    """EfficientNet-Lite0, pyramid pooling and a ladder decoder for K known classes.

    Pictures are normalised as the encoder's ImageNet weights want it, and padded to multiples of 32.

    Args:
        num_classes: number of known classes, K.
        outlier_head: whether a second head estimates the dataset posterior.
        void: whether there is a K+1-th class for void, with weights of its own.
        width: channels of decoder and features.
        stages: of the encoder; ImageNet weights fit the published ones.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        num_classes: int,
        *,
        outlier_head: bool = False,
        void: bool = False,
        width: int = 96,
        stages: tuple[Stage, ...] = STAGES,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.register_buffer("mean", torch.tensor(127 / 255), persistent=False)
        self.register_buffer("std", torch.tensor(128 / 255), persistent=False)
        *skips, last = CHANNELS
        self.encoder = EfficientNetLite0(stages)
        self.pyramid = PyramidPooling(last, width // 2, width, GRIDS)
        self.ladder = nn.ModuleList(LadderStep(skip, width) for skip in reversed(skips))
        self.last = conv_norm(width, width)
        self.classifier = nn.Conv2d(width, num_classes, 1)
        self.outlier_head = nn.Conv2d(width, 2, 1) if outlier_head else None
        # Beside the classifier and not in it, so that closed-set weights fit the network with a void class.
        self.void_classifier = nn.Conv2d(width, 1, 1) if void else None

    def forward(self, image: Tensor) -> DenseOutput:
        """Segment pictures float [N, 3, H, W] in [0, 1]; maps are at a quarter of the resolution."""
        size = (image.shape[-2], image.shape[-1])
        padded = pad_to_multiple((image - self.mean) / self.std, STRIDE)
        *skips, coarse = self.encoder(padded)
        features = _cut(self.last(climb(self.ladder, self.pyramid(coarse), skips)), size)
        maps = headed_maps(features, self.classifier, self.outlier_head, self.void_classifier)
        return DenseOutput(maps, size)


def _cut(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Of maps at a quarter of the resolution, what lies at least in part over pictures of ``size``."""
    # ``cut_padding``, which knows no stride, gives sizes that torch.export cannot reason about below a head.
    rows, columns = ((side + 3) // 4 for side in size)
    return F.pad(maps, (0, columns - maps.shape[-1], 0, rows - maps.shape[-2]))

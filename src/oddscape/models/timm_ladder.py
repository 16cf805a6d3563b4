"""Encoders of timm below a ladder decoder with pyramid pooling.

The decoder is that of ``small_ladder``, after Ladder-DenseNet (Krešo, Krapac, Šegvić, IEEE T-ITS 2021), as
wide as the published one.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from oddscape.errors import OddscapeError
from oddscape.models.checkpoints import read_weights
from oddscape.models.ladder import GRIDS, LadderStep, climb
from oddscape.models.packages import load_package
from oddscape.models.padding import cut_padding, pad_to_multiple
from oddscape.models.pyramid import PyramidPooling
from oddscape.outputs import DenseOutput, NativeMaps

_FINEST_STRIDE = 4
# Unless told otherwise, these refuse pictures of another size than they were trained on.
_FIXED_SIZE = ("swin_", "swinv2_")


class TimmLadder(nn.Module):
    """A timm encoder, pyramid pooling over its coarsest maps, and a ladder up to its maps at stride 4.

    Its output's ``features`` are the decoder's last maps, before the ReLU that both heads read. Pictures are
    padded to multiples of the encoder's coarsest stride.

    Args:
        encoder: the encoder's name in timm, with or without a tag of weights, as in ``"resnet18.a1_in1k"``;
            its weights are random (see :func:`load_timm_weights`), and pictures are normalised as its weights
            want it.
        num_classes: number of known classes, K.
        outlier_head: whether a second head estimates the dataset posterior.
        void: whether the network has a further, last output for void.
        width: channels of decoder and features.
        **options: what timm's function for the encoder takes beside, such as ``drop_path_rate=0.1``.

    Raises:
        OddscapeError: timm is missing or does not load; an unknown name or option, or an encoder whose maps
            are all of one resolution.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        encoder: str,
        num_classes: int,
        *,
        outlier_head: bool = False,
        void: bool = False,
        width: int = 128,
        **options: Any,
    ) -> None:
        super().__init__()
        self.name, self.num_classes, self.options = encoder, num_classes, options
        self.encoder = _encoder(encoder, options)
        levels = _levels(self.encoder, encoder)
        self.levels, self.stride = tuple(levels.values()), max(levels)
        # Windowed transformers keep channels last.
        self.channels_last = getattr(self.encoder, "output_fmt", "NCHW") == "NHWC"
        channels = self.encoder.feature_info.channels()  # type: ignore[operator, union-attr]
        *skips, last = (channels[level] for level in self.levels)
        self.pyramid = PyramidPooling(last, width // 2, width, GRIDS)
        self.ladder = nn.ModuleList(LadderStep(skip, width) for skip in reversed(skips))
        self.last = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width, momentum=0.01)
        )
        self.classifier = nn.Conv2d(width, num_classes + void, 1)
        self.outlier_head = nn.Conv2d(width, 2, 1) if outlier_head else None
        for name, values in _normalisation(encoder).items():
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> DenseOutput:
        """Segment pictures float [N, 3, H, W] in [0, 1]; maps are at a quarter of the resolution."""
        size = (image.shape[-2], image.shape[-1])
        padded = pad_to_multiple((image - self.mean) / self.std, self.stride)
        features = cut_padding(self._decode(self._maps(padded)), size, padded)
        active = F.relu(features)
        logits = self.classifier(active)
        known, void = logits[:, : self.num_classes], logits[:, self.num_classes :]
        maps = NativeMaps(
            known,
            outlier_logits=None if self.outlier_head is None else self.outlier_head(active),
            void_logits=void if void.shape[1] else None,
            features=features,
        )
        return DenseOutput(maps, size)

    def _decode(self, maps: list[Tensor]) -> Tensor:
        """Maps [N, C, h, w], fine to coarse → features of the finest one's size."""
        *skips, coarse = maps
        features: Tensor = self.last(climb(self.ladder, self.pyramid(coarse), skips))
        return features

    def _maps(self, image: Tensor) -> list[Tensor]:
        """Maps [N, C, h, w] of the encoder from stride 4 on, fine to coarse."""
        given = self.encoder(image)
        maps = [given[level] for level in self.levels]
        return [x.permute(0, 3, 1, 2) for x in maps] if self.channels_last else maps


def load_timm_weights(net: TimmLadder, path: str | Path | None = None) -> None:
    """Load weights for ImageNet into a network's encoder; the decoder keeps what it has.

    Args:
        net: the network.
        path: a file of timm's weights for this encoder, as
            :func:`~oddscape.models.checkpoints.read_weights` reads it; timm maps its names. None: timm
            fetches them itself, those of the tag in the encoder's name or of timm's default tag.

    Raises:
        OddscapeError: an unreadable file, weights that do not fit, or that cannot be fetched.
    """
    overlay = {} if path is None else {"state_dict": read_weights(path)}
    source = "timm's weights" if path is None else str(path)
    try:
        if path is not None:
            # A classifier and all: an encoder alone takes whatever fits, and says nothing of what does not.
            timm = load_package("timm", "timm")
            timm.create_model(net.name, pretrained=True, pretrained_cfg_overlay=dict(overlay), **net.options)
        encoder = _encoder(net.name, net.options, pretrained=True, overlay=overlay)
    except OddscapeError:
        raise
    except Exception as error:  # the hub's client fails in any way
        reason = " ".join(str(error).split())[:300]
        raise OddscapeError(f"{source} cannot be loaded into timm's {net.name}: {reason}") from None
    net.encoder.load_state_dict(encoder.state_dict())


def _encoder(
    name: str,
    options: Mapping[str, Any],
    *,
    pretrained: bool = False,
    overlay: Mapping[str, Any] | None = None,
) -> nn.Module:
    timm = load_package("timm", "timm")
    if not timm.is_model(name):
        near = get_close_matches(name, timm.list_models(), n=8, cutoff=0.3)
        raise OddscapeError(
            f"timm has no model {name!r}; among those it has: {', '.join(near) or 'resnet18'}"
        )
    fixed = {"dynamic_img_size": True} if name.startswith(_FIXED_SIZE) else {}
    make = partial(timm.create_model, name, pretrained, pretrained_cfg_overlay=overlay)
    try:
        encoder: nn.Module = make(features_only=True, **(fixed | dict(options)))
    except TypeError as error:
        raise OddscapeError(f"timm's {name} does not take these options: {error}") from None
    return encoder


def _levels(encoder: nn.Module, name: str) -> dict[int, int]:
    """By stride, from 4 on and ascending, the last of the encoder's maps at it."""
    strides: list[int] = encoder.feature_info.reduction()  # type: ignore[operator, union-attr]
    last = {stride: level for level, stride in enumerate(strides) if stride >= _FINEST_STRIDE}
    if len(last) < 2:
        raise OddscapeError(
            f"timm's {name} gives maps at strides {', '.join(map(str, strides))}; a ladder needs two or more "
            f"different ones from {_FINEST_STRIDE} on"
        )
    return dict(sorted(last.items()))


def _normalisation(name: str) -> dict[str, tuple[float, ...]]:
    """Mean and standard deviation of each colour channel that the encoder's weights want."""
    wanted = load_package("timm", "timm").get_pretrained_cfg(name)
    return {"mean": wanted.mean, "std": wanted.std}

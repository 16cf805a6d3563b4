"""What statistics are made of: the pixels of a network's output that are not ignored."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from oddscape.errors import OddscapeError
from oddscape.labels import IGNORED
from oddscape.outputs import DenseOutput, upsample
from oddscape.sizes import Size, format_size


def features_of(out: DenseOutput) -> Tensor:
    """The network's features, float32 [N, C, h, w].

    Raises:
        OddscapeError: the network gives none.
    """
    if out.native.features is None:
        raise OddscapeError(
            f"this network gives no features to learn from; it gives {', '.join(sorted(out.fields))}"
        )
    return out.native.features.float()


def grid_of(maps: Tensor) -> Size:
    """The (h, w) of maps [N, C, h, w]."""
    return maps.shape[-2], maps.shape[-1]


def as_rows(maps: Tensor) -> Tensor:
    """Maps [N, C, h, w] as one row for each pixel, [N·h·w, C]."""
    return maps.movedim(1, -1).flatten(0, -2)


def classes_at(out: DenseOutput, labels: Tensor | None, size: Size) -> Tensor:
    """The class of each pixel of a grid, one row of int64 [N·h·w]; 255 where it is ignored.

    Args:
        out: the network's output.
        labels: integers [N, H, W], train ids or 255, at picture size, taken at the nearest pixel; None: the
            network's own classes, the largest of its logits on the grid.
        size: (h, w) of the grid.

    Raises:
        OddscapeError: labels of another size, or of a class that the network does not know.
    """
    if labels is None:
        return logits_at(out, size).argmax(1).flatten()
    _check_labels(out, labels)
    maps = labels.to(out.native.logits.device).unsqueeze(1).float()
    return F.interpolate(maps, size, mode="nearest-exact").long().flatten()


def kept_at(out: DenseOutput, labels: Tensor | None, size: Size) -> Tensor:
    """Which pixels of a grid are not ignored, one row of bool [N·h·w]; arguments as for ``classes_at``."""
    if labels is None:
        pixels = len(out.native.logits) * size[0] * size[1]
        return torch.ones(pixels, dtype=torch.bool, device=out.native.logits.device)
    return classes_at(out, labels, size) != IGNORED


def logits_at(out: DenseOutput, size: Size) -> Tensor:
    """The logits on a grid, float32 [N, K, h, w]: finer ones averaged, coarser ones bilinear."""
    logits = out.native.logits.float()
    if logits.shape[-2] > size[0]:
        return F.adaptive_avg_pool2d(logits, size)
    return upsample(logits, size, align_corners=out.align_corners)


def _check_labels(out: DenseOutput, labels: Tensor) -> None:
    if labels.shape != (len(out.native.logits), *out.size):
        raise OddscapeError(
            f"expected labels [N, H, W] = {[len(out.native.logits), *out.size]} as the pictures are "
            f"({format_size(out.size)}), not {list(labels.shape)}"
        )
    highest = torch.where(labels == IGNORED, -1, labels.long()).max().item()
    if highest >= out.num_classes:
        raise OddscapeError(
            f"labels hold class {highest}, but the network knows {out.num_classes}, 0 … "
            f"{out.num_classes - 1}: fit with the network's own labels"
        )

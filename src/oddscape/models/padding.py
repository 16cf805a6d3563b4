"""Pictures of any size for networks that want sides of certain multiples."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Pad pictures [N, C, H, W] on the right and at the bottom, with what their border shows.

    Returns:
        [N, C, H', W'], the smallest multiples that are no smaller.
    """
    # Written so that an export with dynamic sizes sees that the padded sides are multiples.
    height, width = (
        (side + multiple - 1) // multiple * multiple for side in (image.shape[-2], image.shape[-1])
    )
    padding = (0, width - image.shape[-1], 0, height - image.shape[-2])
    return F.pad(image, padding, mode="replicate")


def cut_padding(maps: Tensor, size: tuple[int, int], padded: Tensor) -> Tensor:
    """Of the maps of padded pictures, what lies at least in part over the pictures.

    Args:
        maps: [N, C, h, w], over all of a padded picture.
        size: (H, W) of the pictures before padding.
        padded: [N, C, H', W'], the padded pictures.

    Returns:
        [N, C, ⌈h · H / H'⌉, ⌈w · W / W'⌉].
    """
    # ONNX divides towards zero: rounding up must not go by way of negative numbers.
    rows = (size[0] * maps.shape[-2] + padded.shape[-2] - 1) // padded.shape[-2]
    columns = (size[1] * maps.shape[-1] + padded.shape[-1] - 1) // padded.shape[-1]
    # Padding by less than nothing. A slice is contiguous or not as its size has it, which an export with
    # dynamic sizes would settle for good.
    return F.pad(maps, (0, columns - maps.shape[-1], 0, rows - maps.shape[-2]))

"""Pictures resized within a program as Pillow resizes them, by plain products of matrices."""

from __future__ import annotations

import torch
from torch import Tensor

from oddscape.sizes import InferenceSize, Size


def seen_by_network(image: Tensor, asked: InferenceSize | None) -> Tensor:
    """Bring pictures to the size at which a network sees them.

    Resizing is bilinear and averages where it shrinks. Each value is a whole number again after each
    direction; rounding apart, it is the one that Pillow gives (never more than 1 away).

    Args:
        image: uint8 [N, H, W, 3].
        asked: as in :func:`oddscape.sizes.seen_size`.

    Returns:
        float32 [N, 3, h, w] in [0, 1].
    """
    planes = image.permute(0, 3, 1, 2).float()
    if asked is not None:
        own = (image.shape[1], image.shape[2])
        height, width = _seen(own, asked)
        # Across before down, as Pillow does it unless a picture is tall: it rounds in between.
        planes = _rounded(planes @ _blend(own[1], width))
        planes = _rounded(_blend(own[0], height).T @ planes)
    return planes / 255


def _seen(own: Size, asked: InferenceSize) -> Size:
    """``seen_size`` in operations that a program can keep for sizes that it does not know yet."""
    if not isinstance(asked, int):
        return asked
    shorter = torch.sym_min(*own)  # type: ignore[no-untyped-call]
    # Not the truncated quotient: ONNX would have it as float32, a pixel off for large pictures.
    height, width = ((2 * side * asked + shorter) // (2 * shorter) for side in own)
    return height, width


def _rounded(planes: Tensor) -> Tensor:
    return (planes + 0.5).floor()


def _blend(length: int, resized: int) -> Tensor:
    """Weights float32 [length, resized] of places before in places after: triangles that add to 1."""
    # In float64: of a place among thousands, float32 keeps too few digits for the weights.
    scale = torch.full((), length, dtype=torch.float64) / resized
    before = torch.arange(length, dtype=torch.float64)[:, None] + 0.5
    after = (torch.arange(resized, dtype=torch.float64) + 0.5) * scale
    weights = (1 - (before - after).abs() / scale.clamp(min=1)).clamp(min=0)
    return (weights / weights.sum(0)).float()

"""Scores as 16-bit greyscale PNG: 65,536 even levels between the lowest and the highest score."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

_TOP = 65535
_LOW, _HIGH = "score-low", "score-high"  # keywords of the text chunks


def to_levels(score: NDArray[np.floating]) -> NDArray[np.uint16]:
    """The nearest of 65,536 even levels from the lowest to the highest score; 0 where all are alike."""
    low, high = float(score.min()), float(score.max())
    if low == high:
        return np.zeros(score.shape, np.uint16)
    share = (score.astype(np.float64) - low) / (high - low)
    return np.rint(share * _TOP).astype(np.uint16)


def encode_png16(score: NDArray[Any]) -> bytes:
    """Lay finite scores out as a 16-bit PNG; the lowest and the highest stand in its text chunks.

    A score comes back to within half a step of (highest − lowest) / 65,535, and float32's rounding.
    """
    text = PngInfo()
    text.add_text(_LOW, repr(float(score.min())))
    text.add_text(_HIGH, repr(float(score.max())))
    content = BytesIO()
    Image.fromarray(to_levels(score)).save(content, format="PNG", pnginfo=text)
    return content.getvalue()


def decode_png16(content: bytes) -> NDArray[np.float32]:
    """Read the scores of a 16-bit PNG, float32 [H, W]; without our text chunks, level / 65,535.

    Raises:
        ValueError: it is no 16-bit greyscale PNG, is cut off, or only one end of the scale is there.
    """
    with Image.open(BytesIO(content), formats=["PNG"]) as picture:
        if picture.mode != "I;16":
            raise ValueError(f"expected a PNG of one channel and 16 bits, not one of mode {picture.mode!r}")
        levels = np.array(picture)
        low, high = _scale(picture)
    share = np.arange(_TOP + 1) / _TOP
    with np.errstate(all="ignore"):  # a strange scale shows in the scores
        table = ((1 - share) * low + share * high).astype(np.float32)
    scores: NDArray[np.float32] = table[levels]
    return scores


def _scale(picture: Image.Image) -> tuple[float, float]:
    """The scores of the lowest and of the highest level."""
    there = [keyword for keyword in (_LOW, _HIGH) if keyword in picture.info]
    if not there:
        return 0.0, 1.0
    if len(there) == 1:
        raise ValueError(f"only {there[0]} of the scale's two text chunks is there")
    return float(picture.info[_LOW]), float(picture.info[_HIGH])

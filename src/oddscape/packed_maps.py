"""Maps and photographs as text: small enough for a page to hold many, plain enough for it to read them.

A map of bytes is stored row by row as the difference to the pixel on its left, deflated, in base64: a page
undoes it with ``DecompressionStream`` and a running sum, without reading pixels back from a drawing.
"""

from __future__ import annotations

import base64
import zlib
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oddscape.sizes import Size

Bytes = NDArray[np.uint8]


def pack_map(values: Bytes) -> str:
    """Pack a map, uint8 [H, W], as text."""
    differences = np.diff(values, axis=1, prepend=np.uint8(0))
    return base64.b64encode(zlib.compress(differences.tobytes(), 6)).decode()


def unpack_map(text: str, size: Size) -> Bytes:
    """Undo :func:`pack_map` for a map of size (H, W)."""
    differences = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    values: Bytes = np.cumsum(differences.reshape(size), axis=1, dtype=np.uint8)
    return values


def pack_photograph(pixels: Bytes, size: Size, quality: int = 80) -> str:
    """Bring a photograph, uint8 [H, W, 3], to a size (H, W) and pack it as WebP in base64."""
    file = BytesIO()
    picture = Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BOX)
    picture.save(file, "WEBP", quality=quality, method=2)
    return base64.b64encode(file.getvalue()).decode()


def shrunk_size(size: tuple[int, ...], width: int) -> Size:
    """The size (H, W) of a picture of size (H, W) brought to at most ``width`` columns."""
    scale = min(1, width / size[1])
    return max(1, round(size[0] * scale)), round(size[1] * scale)


def sampled(values: Bytes, size: Size) -> Bytes:
    """Bring a map [H, W] to a size without mixing its values: each pixel takes the one at its centre."""
    rows, columns = (
        ((np.arange(shown) + 0.5) * full / shown).astype(np.intp)
        for shown, full in zip(size, values.shape, strict=True)
    )
    return values[np.ix_(rows, columns)]

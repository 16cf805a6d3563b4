"""Pictures and masks from disk; a file that cannot be used is named in one line."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from oddscape.errors import OddscapeError

# As warnings.filterwarnings keeps it: action, message, category, module, line.
_NO_WARNINGS_OF_PILLOW: Any = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
_one_at_a_time = Lock()


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """Read a picture.

    Grey and palette pictures become RGB, transparency is dropped, and the rotation that a camera noted
    (EXIF) is carried out: the picture is as a viewer shows it. Pillow refuses bombs, and what it merely warns
    of is ignored, from then on in the whole process (:func:`ignore_pillow_warnings`).

    Args:
        path: a file that Pillow decodes, of 8 bits a channel.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        OddscapeError: the file is missing, does not decode, or has more than 8 bits a channel.
    """
    return rgb_pixels(_decode(Path(path)), str(path))


def rgb_pixels(picture: Image.Image, name: str) -> NDArray[np.uint8]:
    """The pixels of a decoded picture, uint8 [H, W, 3], RGB; transparency is dropped.

    Args:
        picture: of 8 bits a channel.
        name: what an error calls it.

    Raises:
        OddscapeError: it has more than 8 bits a channel.
    """
    if picture.mode.startswith(("I", "F")):
        raise OddscapeError(f"{name}: expected 8 bits a channel, not a picture of mode {picture.mode!r}")
    picture.info.pop("transparency", None)
    return np.array(picture if picture.mode == "RGB" else picture.convert("RGB"))


def read_mask(path: str | Path, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Read a picture of label values; of a palette picture, the indices.

    Args:
        path: a file of one channel and 8 bits.
        size: (H, W) of the picture that the mask belongs to. None: any will do.

    Returns:
        uint8 [H, W], the values as stored.

    Raises:
        OddscapeError: the file is missing, does not decode, has another form or another size.
    """
    mask = _decode(Path(path))
    if mask.mode not in ("L", "P"):
        raise OddscapeError(
            f"{path}: a mask has one channel of 8 bits (mode 'L' or 'P'), not mode {mask.mode!r}"
        )
    if size is not None and mask.size != (size[1], size[0]):
        raise OddscapeError(
            f"{path}: the mask is {mask.width}x{mask.height}, but its picture is {size[1]}x{size[0]}"
        )
    return np.array(mask)


def ignore_pillow_warnings() -> None:
    """Let what Pillow merely warns of (very large pictures, odd metadata) neither stop nor print anything.

    This holds for the whole process from now on, pictures that others open included.
    ``warnings.catch_warnings`` would end it again, but changes what the warnings of all threads do, and
    pictures are read by several at once.
    """
    with _one_at_a_time:
        if _NO_WARNINGS_OF_PILLOW not in warnings.filters[:1]:
            warnings.filterwarnings("ignore", module=r"PIL\.")


def _decode(path: Path) -> Image.Image:
    ignore_pillow_warnings()
    try:
        with Image.open(path) as picture:
            ImageOps.exif_transpose(picture, in_place=True)
            return picture
    except FileNotFoundError:
        raise OddscapeError(f"{path}: no such file") from None
    except Exception as error:  # a decoder may raise anything on a damaged file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise OddscapeError(f"{path}: does not decode as a picture: {reason}") from error

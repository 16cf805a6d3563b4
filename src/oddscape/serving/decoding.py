"""From an uploaded file to pixels, without trusting the file."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from starlette.exceptions import HTTPException

from oddscape.data.files import ignore_pillow_warnings, rgb_pixels
from oddscape.errors import OddscapeError

KINDS = ("JPEG", "PNG", "WEBP", "BMP")
"""Pillow's names of the formats that are taken, whatever a file calls itself."""


def decode_picture(data: bytes, max_pixels: int) -> NDArray[np.uint8]:
    """Decode a picture as ``oddscape.data.read_image`` does, its size looked at first.

    Args:
        data: the file; of several frames the first counts.
        max_pixels: more are refused before anything is decoded.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        HTTPException: 413 too many pixels, 415 no picture of a kind that is taken, 422 a damaged one.
    """
    ignore_pillow_warnings()
    try:
        with Image.open(BytesIO(data), formats=KINDS) as picture:
            _refuse_too_many(picture, max_pixels)
            ImageOps.exif_transpose(picture, in_place=True)
            return rgb_pixels(picture, "the picture")
    except HTTPException:
        raise
    except Image.DecompressionBombError:
        raise _too_many(f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6:.0f}", max_pixels) from None
    except UnidentifiedImageError:
        raise HTTPException(415, f"no picture: expected a file of {', '.join(KINDS)}") from None
    except OddscapeError as error:
        raise HTTPException(422, str(error)) from None
    except Exception as error:  # a decoder may raise anything on a damaged file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise HTTPException(422, f"the picture does not decode: {reason}") from None


def _refuse_too_many(picture: Image.Image, max_pixels: int) -> None:
    width, height = picture.size
    if width * height > max_pixels:
        raise _too_many(f"{width}×{height}, {width * height / 1e6:.1f}", max_pixels)


def _too_many(have: str, most: int) -> HTTPException:
    return HTTPException(413, f"the picture has {have} million pixels; {most / 1e6:g} million are the most")

"""Sizes of pictures: (height, width) in code, width×height for people."""

from __future__ import annotations

import re

from oddscape.errors import OddscapeError

Size = tuple[int, int]
"""(height, width) in pixels."""

InferenceSize = Size | int
"""The size at which a network sees pictures: (height, width), or the shorter side of each, in pixels."""

MOST_ELONGATED = 32
"""How many times its shorter side a picture may be long that is enlarged; a panorama is a tenth of it."""


def seen_size(picture: Size, asked: InferenceSize | None) -> Size:
    """The size (H, W) at which a network sees a picture.

    Args:
        picture: (H, W) of the picture.
        asked: (H, W); the shorter side in pixels, at which the picture keeps its aspect ratio; None: the
            picture's own size.

    Raises:
        OddscapeError: a side below 1, or a picture so narrow that enlarging it would fill the memory.
    """
    if asked is None:
        return picture
    if not isinstance(asked, int):
        return asked
    if asked < 1:
        raise OddscapeError(f"{asked} pixels for a picture's shorter side: expected 1 or more")
    shorter = min(picture)
    if asked > shorter and max(picture) > MOST_ELONGATED * shorter:
        raise OddscapeError(
            f"a picture of {format_size(picture)} is too narrow to be enlarged to {asked} on its shorter side"
        )
    height, width = ((2 * side * asked + shorter) // (2 * shorter) for side in picture)  # halves up
    return height, width


def format_size(size: InferenceSize) -> str:
    """Write (H, W) as people do: ``"1024×512"`` is 1024 wide; ``"432 on the shorter side"``."""
    return f"{size} on the shorter side" if isinstance(size, int) else f"{size[1]}×{size[0]}"


def size_text(size: InferenceSize) -> str:
    """Write a size as :func:`parse_inference_size` reads it: ``"1024x512"`` is 1024 wide; ``"432"``."""
    return str(size) if isinstance(size, int) else f"{size[1]}x{size[0]}"


def parse_size(text: str) -> Size:
    """Read width×height, as in ``"1024x512"``, into (H, W).

    Raises:
        OddscapeError: the text is no such size.
    """
    match = re.fullmatch(r"([1-9]\d*)[x×]([1-9]\d*)", text.strip())
    if not match:
        raise OddscapeError(f"{text!r} is no size: expected width x height, as in 1024x512")
    return int(match[2]), int(match[1])


def parse_inference_size(text: str) -> InferenceSize:
    """Read width×height, as in ``"1024x512"``, into (H, W), or the shorter side alone, as in ``"432"``.

    Raises:
        OddscapeError: the text is neither.
    """
    if re.fullmatch(r"[1-9]\d*", text.strip()):
        return int(text)
    try:
        return parse_size(text)
    except OddscapeError:
        raise OddscapeError(
            f"{text!r} is no size: expected width x height, as in 1024x512, or the shorter side, as in 432"
        ) from None

"""Sizes of pictures: (height, width) in code, width×height for people."""

from __future__ import annotations

import re

from oddscape.errors import OddscapeError

Size = tuple[int, int]
"""(height, width) in pixels."""


def format_size(size: Size) -> str:
    """Write (H, W) as people do: ``"1024×512"`` is 1024 wide."""
    return f"{size[1]}×{size[0]}"


def size_text(size: Size) -> str:
    """Write (H, W) as :func:`parse_size` reads it and a keyboard has it: ``"1024x512"`` is 1024 wide."""
    return f"{size[1]}x{size[0]}"


def parse_size(text: str) -> Size:
    """Read width×height, as in ``"1024x512"``, into (H, W).

    Raises:
        OddscapeError: the text is no such size.
    """
    match = re.fullmatch(r"([1-9]\d*)[x×]([1-9]\d*)", text.strip())
    if not match:
        raise OddscapeError(f"{text!r} is no size: expected width x height, as in 1024x512")
    return int(match[2]), int(match[1])

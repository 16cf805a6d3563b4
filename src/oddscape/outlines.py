"""Outlines of masks along the edges of pixels, so that what they enclose is the mask itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Integers = NDArray[np.integer[Any]]

Outline = tuple[tuple[int, int], ...]
"""Corners (x, y) of a closed polygon, without the first again at the end. Pixel (x, y) is the square from
(x, y) to (x + 1, y + 1)."""

# A step right, down, left or up: edges go round so that the mask lies to their right.
_STEPS = np.array([(0, 1), (1, 0), (0, -1), (-1, 0)])


def outlines(mask: Mask, left: int = 0, top: int = 0) -> tuple[Outline, ...]:
    """Trace the outlines of a mask exactly, along the edges of its pixels.

    Pixels that touch at a corner alone are taken as one region (8-connected), and its outline passes that
    corner twice. Outer outlines run clockwise as one sees them, holes counter-clockwise.

    Args:
        mask: bool [H, W].
        left: added to every x.
        top: added to every y.

    Returns:
        Outlines in the order of their first pixels, row by row; () where the mask is empty. Of a single
        region, the first is the outer one and the others are holes.
    """
    starts, following, turned = _edges(mask)
    ahead = _corners_ahead(following, turned)
    ends = following[turned]
    corners, after = np.add(starts[ends], (top, left)).tolist(), ahead[ends].tolist()
    in_order = ahead[np.sort(np.unique(ahead, return_index=True)[1])].tolist()
    unseen, rings = [True] * len(after), []
    for first in in_order:
        ring, corner = [], first
        while unseen[corner]:
            unseen[corner] = False
            y, x = corners[corner]
            ring.append((x, y))
            corner = after[corner]
        if ring:
            rings.append(tuple(ring))
    return tuple(rings)


def enclosed(rings: Sequence[Sequence[Sequence[int]]], size: tuple[int, int]) -> Mask:
    """The pixels that outlines enclose by the even-odd rule, bool [H, W]: the mask they were traced from."""
    crossed = np.zeros((size[0], size[1] + 1), bool)
    for ring in rings:
        for (x, y), (_, other) in zip(ring, (*ring[1:], ring[0]), strict=True):
            crossed[min(y, other) : max(y, other), x] ^= True
    return np.logical_xor.accumulate(crossed, axis=1)[:, :-1]


def _corners_ahead(following: Integers, turned: NDArray[np.bool_]) -> Integers:
    """For each edge, the number of the first corner that comes when one goes on along it.

    Corners are numbered in the order of the edges that end there. Each round goes twice as far as the last.
    """
    ahead = np.where(turned, np.arange(len(turned)), following)
    while not turned[ahead].all():
        ahead = ahead[ahead]
    return (np.cumsum(turned) - 1)[ahead]


def _edges(mask: Mask) -> tuple[Integers, Integers, NDArray[np.bool_]]:
    """Each edge's start (y, x), the number of the edge that follows, and whether that goes another way."""
    padded = np.pad(mask, 1)
    # The four pixels around each corner.
    (nw, ne), (sw, se) = ((row[:, :-1], row[:, 1:]) for row in (padded[:-1], padded[1:]))
    leaves = np.stack((se & ~ne, sw & ~se, nw & ~sw, ne & ~nw), -1)  # right, down, left, up
    ys, xs, steps = np.nonzero(leaves)
    numbers = np.empty(leaves.shape, np.int32)  # where no edge leaves, it is never looked at
    numbers[ys, xs, steps] = np.arange(len(steps))
    starts = np.stack((ys, xs), 1)
    ends = starts + _STEPS[steps]
    following = np.full(len(steps), -1)
    # A left turn comes first: it goes on to the pixel that touches at the corner alone.
    for turn in (-1, 0, 1):
        way = (ends[:, 0], ends[:, 1], (steps + turn) % 4)
        found = leaves[way] & (following < 0)
        following[found] = numbers[way][found]
    return starts, following, steps[following] != steps

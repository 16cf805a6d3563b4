"""Bilinear interpolation spelled out: which native places a full-size place lies between, and how near."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Along one side of a picture: the two native places between which each of its n places lies.

    Args:
        low: int64 [n], the first.
        high: int64 [n], the second; the first again at the border.
        share: float32 [n] in [0, 1), the part of the second in the blend.
    """

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    share: NDArray[np.float32]


def neighbours(native: int, full: int, *, align_corners: bool) -> Neighbours:
    """Where ``F.interpolate`` looks when it brings ``native`` places to ``full``, to float32 rounding."""
    places = np.arange(full, dtype=np.float32)
    if align_corners:
        source = places * np.float32((native - 1) / max(full - 1, 1))
    else:
        source = np.maximum((places + 0.5) * np.float32(native / full) - 0.5, 0)
    low = np.minimum(source.astype(np.int64), native - 1)
    return Neighbours(low, np.minimum(low + 1, native - 1), (source - low).astype(np.float32))

"""Noise by table look-up, for the surfaces of the town."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.floating[Any]]
"""In the renderer always float32."""

_SIDE = 512
_TEXELS = 32  # of the table, for one unit of u or v


@cache
def _grain_table() -> Floats:
    return np.random.default_rng(11).random((_SIDE, _SIDE), dtype=np.float32)


@cache
def _cloud_table() -> Floats:
    rng = np.random.default_rng(12)
    total = np.zeros((_SIDE, _SIDE), np.float32)
    for sigma, weight in ((3, 1.0), (6, 1.4), (12, 2.0), (24, 2.8)):
        octave = ndimage.gaussian_filter(
            rng.standard_normal((_SIDE, _SIDE)).astype(np.float32), sigma, mode="wrap"
        )
        total += weight * octave / octave.std()
    ranks = np.clip(total / total.std() / 5 + 0.5, 0, 1)
    values: Floats = ranks.astype(np.float32)
    return values


def _look_up(table: Floats, u: Floats, v: Floats) -> Floats:
    columns = u.astype(np.int32) & (_SIDE - 1)
    rows = v.astype(np.int32) & (_SIDE - 1)
    return table.take(rows * _SIDE + columns)


def clouds(u: Floats, v: Floats) -> Floats:
    """Smooth fractal noise in [0, 1], mean 0.5, with features of about one unit."""
    return _look_up(_cloud_table(), u * _TEXELS, v * _TEXELS)


def grain(u: Floats, v: Floats) -> Floats:
    """White noise in [0, 1], one value for each unit square: a hash of (⌊u⌋, ⌊v⌋)."""
    return _look_up(_grain_table(), u, v)


def detail(footprint: Floats, size: float) -> Floats:
    """How much of a texture of ``size`` metres survives at ``footprint`` metres a pixel, in [0, 1]."""
    values: Floats = np.clip(1.5 - footprint * (1.5 / size), 0, 1)
    return values


def fraction(values: Floats) -> Floats:
    """What ``values % 1`` gives, to the bit, and many times faster."""
    return values - np.floor(values)


def pick(mask: NDArray[np.bool_], yes: float, no: float = 0.0) -> Floats:
    """``yes`` where the mask is set and ``no`` elsewhere, in float32."""
    return np.where(mask, np.float32(yes), np.float32(no))

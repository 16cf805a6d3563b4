"""What closes a street far away: hills and the houses of the next quarter."""

from __future__ import annotations

import math

import numpy as np

from oddscape.town import labels, materials
from oddscape.town.facades import plaster_facade
from oddscape.town.geometry import Face, Paint, facing


def backdrop(rng: np.random.Generator, x: float, z: float) -> Face:
    """A hill or a house around (x, z)."""
    if rng.random() < 0.5:
        height = rng.uniform(6, 20)
        paint = Paint(
            labels.VEGETATION, materials.hedge, (0.2, 0.28, 0.14), (0.3, 0.36, 0.18), float(rng.integers(99))
        )
        top = [(40 - 8.0 * k, height * (0.7 + 0.3 * math.sin(k + x))) for k in range(11)]
        return facing(x, 0, z, [(-40.0, 0.0), (40.0, 0.0), *top], paint, casts=False)
    height = rng.uniform(8, 22)
    paint = Paint(
        labels.BUILDING,
        plaster_facade,
        (0.6, 0.58, 0.55),
        (0.5, 0.5, 0.5),
        float(rng.integers(1, 99)),
    )
    half = rng.uniform(8, 16)
    return facing(x, 0, z, [(-half, 0), (half, 0), (half, height), (-half, height)], paint, casts=False)

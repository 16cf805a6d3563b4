"""Trees, bushes and hedges."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from oddscape.town import labels, materials
from oddscape.town.geometry import Face, Outline, Paint, Place, Thing, box, ellipse, facing, limb
from oddscape.town.light import Colour
from oddscape.town.noise import Floats, clouds
from oddscape.town.styles import Style


def _ragged(u: Floats, v: Floats, width: float, height: float, seed: float) -> NDArray[np.bool_]:
    """Leafy edge of a crown."""
    reach = np.hypot(2 * u / width - 1, 2 * v / height - 1)
    solid: NDArray[np.bool_] = reach + 1.1 * (clouds(u * 2.2 + seed, v * 2.2 + seed) - 0.5) < 0.85
    return solid


def _needled(u: Floats, v: Floats, width: float, height: float, seed: float) -> NDArray[np.bool_]:
    """Frayed edge of a conifer."""
    reach = np.abs(2 * u / width - 1) + v / height
    skirt = v > 1.6 * (clouds(u * 1.5 + seed, u + seed) - 0.35)
    solid: NDArray[np.bool_] = (reach + 0.9 * (clouds(u * 3 + seed, v * 3 + seed) - 0.5) < 0.98) & skirt
    return solid


def _leaf_paint(rng: np.random.Generator, style: Style) -> Paint:
    base = np.array(style.leaves[rng.integers(len(style.leaves))]) * rng.uniform(0.8, 1.15)
    r, g, b = base.tolist()
    accent: Colour = (min(r * 1.5 + 0.03, 1), min(g * 1.4 + 0.03, 1), b * 1.1)
    return Paint(labels.VEGETATION, materials.foliage, (r, g, b), accent, float(rng.integers(1, 300)))


def _crown(
    rng: np.random.Generator, place: Place, y: float, width: float, height: float, paint: Paint, blobs: int
) -> list[Face]:
    faces = [_blob(place.x, y, place.z, width * 0.85, height * 0.85, paint)]
    for number in range(blobs):
        angle = math.tau * (number + rng.uniform(-0.2, 0.2)) / blobs
        reach = rng.uniform(0.22, 0.34)
        x, rise = place.x + reach * width * math.cos(angle), y + reach * height * math.sin(angle)
        size = rng.uniform(0.45, 0.65)
        nearer = place.z + rng.uniform(-0.5, 0.1) * width * 0.4
        faces.append(_blob(x, rise, max(nearer, 1.0), size * width, size * height, paint))
    return faces


def _blob(x: float, y: float, z: float, width: float, height: float, paint: Paint) -> Face:
    seed = paint.seed + round(31 * x + 17 * y) % 97
    own = Paint(paint.label, paint.material, paint.colour, paint.accent, seed)
    return facing(x, y, z, ellipse(width, height, 12), own, cutout=_ragged)


def _trunk(rng: np.random.Generator, place: Place, height: float, thick: float) -> Face:
    grey = rng.uniform(0.8, 1.2)
    paint = Paint(
        labels.VEGETATION,
        materials.bark,
        (0.3 * grey, 0.24 * grey, 0.19 * grey),
        seed=float(rng.integers(99)),
    )
    lean = rng.uniform(-0.03, 0.03) * height
    return facing(place.x, 0, place.z, limb((0, 0), (lean, height), thick * 1.3, thick * 0.7), paint)


def _round_tree(rng: np.random.Generator, place: Place, paint: Paint, scale: float = 1.0) -> list[Face]:
    width, height = rng.uniform(3.6, 6.0) * scale, rng.uniform(3.4, 5.4) * scale
    bare = rng.uniform(2.0, 3.0) * scale
    trunk = _trunk(rng, place, bare + height * 0.4, rng.uniform(0.28, 0.45) * scale)
    return [
        trunk,
        *_crown(
            rng,
            place,
            bare + height / 2,
            width,
            height,
            paint,
            6 if place.z < 25 else 4 if place.z < 45 else 3,
        ),
    ]


def _small_tree(rng: np.random.Generator, place: Place, paint: Paint) -> list[Face]:
    return _round_tree(rng, place, paint, 0.65)


def _tall_tree(rng: np.random.Generator, place: Place, paint: Paint) -> list[Face]:
    width, height = rng.uniform(2.2, 3.2), rng.uniform(7.0, 11.0)
    crowns = [
        _blob(
            place.x + rng.uniform(-0.3, 0.3),
            1.4 + height * k,
            place.z - 0.2 * n,
            width * w,
            height * 0.42,
            paint,
        )
        for n, (k, w) in enumerate(((0.28, 0.95), (0.5, 1.0), (0.72, 0.8), (0.9, 0.5)))
    ]
    return [_trunk(rng, place, height * 0.5, 0.35), *crowns]


def _conifer_outline(width: float, height: float, jags: int) -> Outline:
    right = []
    for jag in range(jags):
        y, half = height * jag / jags, width / 2 * (1 - jag / jags)
        right += [(half, y), (half * 0.62, y + height / jags * 0.75)]
    return [*right, (0.0, height), *[(-x, y) for x, y in reversed(right)]]


def _conifer(rng: np.random.Generator, place: Place, paint: Paint) -> list[Face]:
    width, height = rng.uniform(2.8, 4.2), rng.uniform(6.0, 10.0)
    dark = Paint(paint.label, paint.material, tuple(0.7 * c for c in paint.colour), paint.colour, paint.seed)  # type: ignore[arg-type]
    outline = _conifer_outline(width, height, 6)
    narrow = _conifer_outline(width * 0.8, height * 0.85, 5)
    return [
        _trunk(rng, place, 1.5, 0.35),
        facing(place.x, 0.9, place.z, outline, dark, cutout=_needled),
        facing(place.x - 0.1 * width, 0.9, place.z - 0.3, narrow, dark, cutout=_needled),
    ]


_TREES: dict[str, Callable[[np.random.Generator, Place, Paint], list[Face]]] = {
    "round": _round_tree,
    "small": _small_tree,
    "tall": _tall_tree,
    "conifer": _conifer,
}


def tree(rng: np.random.Generator, style: Style, place: Place) -> Thing:
    """A tree of one of the town's kinds."""
    grow = _TREES[style.trees[rng.integers(len(style.trees))]]
    return Thing(grow(rng, place, _leaf_paint(rng, style)), [place.footprint(1.2, 1.2)])


def bush(rng: np.random.Generator, style: Style, place: Place) -> Thing:
    """A bush that reaches the ground."""
    width, height = rng.uniform(1.2, 2.6), rng.uniform(0.9, 1.9)
    return Thing(
        _crown(rng, place, height * 0.4, width, height, _leaf_paint(rng, style), 4),
        [place.footprint(width, 0.8)],
    )


def hedge(rng: np.random.Generator, style: Style, place: Place, length: float) -> Thing:
    """A clipped hedge along the street, with a few shoots above it."""
    leaf = _leaf_paint(rng, style)
    height = rng.uniform(1.0, 2.2)
    paint = Paint(labels.VEGETATION, materials.hedge, leaf.colour, leaf.accent, leaf.seed)
    faces = box(place, (0.9, height, length), paint)
    for along in np.arange(-length / 2 + 0.5, length / 2, 1.1):
        x, _, z = place.point(rng.uniform(-0.3, 0.3), 0, along)
        if z > 2:
            faces.append(_blob(x, height, z, rng.uniform(0.9, 1.6), rng.uniform(0.35, 0.7), leaf))
    return Thing(faces, [place.footprint(1.4, length + 0.4)])

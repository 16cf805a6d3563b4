"""People, standing and walking."""

from __future__ import annotations

import numpy as np

from oddscape.town import labels, materials
from oddscape.town.geometry import Face, Outline, Paint, Place, Thing, ellipse, facing, limb
from oddscape.town.light import Colour

_SKIN: tuple[Colour, ...] = ((0.78, 0.58, 0.47), (0.6, 0.42, 0.32), (0.36, 0.24, 0.18), (0.7, 0.52, 0.4))
_TOPS: tuple[Colour, ...] = (
    (0.6, 0.12, 0.12), (0.14, 0.2, 0.42), (0.75, 0.73, 0.68), (0.1, 0.1, 0.12), (0.68, 0.58, 0.2),
    (0.2, 0.36, 0.26), (0.45, 0.45, 0.48), (0.42, 0.26, 0.44), (0.36, 0.52, 0.66), (0.44, 0.32, 0.22),
)  # fmt: skip
_TROUSERS: tuple[Colour, ...] = (
    (0.13, 0.16, 0.26),
    (0.1, 0.1, 0.11),
    (0.4, 0.36, 0.28),
    (0.25, 0.3, 0.4),
    (0.32, 0.32, 0.33),
)
_HAIR: tuple[Colour, ...] = ((0.1, 0.07, 0.05), (0.3, 0.2, 0.1), (0.62, 0.5, 0.3), (0.5, 0.5, 0.5))


def _paint(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Paint:
    return Paint(
        labels.PERSON, materials.cloth, colours[rng.integers(len(colours))], seed=float(rng.integers(1, 200))
    )


_Parts = list[tuple[Outline, Paint]]
"""Outlines in units of the person's height, feet at (0, 0), from back to front."""


def person(rng: np.random.Generator, place: Place) -> Thing:
    """A person at ``place``, seen from any side."""
    tall = rng.uniform(1.62, 1.95) if rng.random() < 0.85 else rng.uniform(1.15, 1.4)
    reach, top, skin = rng.uniform(0.12, 0.22), _paint(rng, _TOPS), _paint(rng, _SKIN)
    parts = _legs(rng) + _upper_body(rng, reach, top, skin) + _head(rng, skin)
    if rng.random() < 0.3:
        parts.append((ellipse(0.13, 0.16, 8, x=reach, y=0.38), _paint(rng, _TOPS)))
    faces = [_part(place, tall, outline, paint, rank) for rank, (outline, paint) in enumerate(parts)]
    return Thing(faces, [place.footprint(0.75, 0.5)])


def _legs(rng: np.random.Generator) -> _Parts:
    trousers, stride = _paint(rng, _TROUSERS), rng.uniform(0.02, 0.15)
    shoe = Paint(labels.PERSON, materials.plain, (0.08, 0.07, 0.06))
    legs = [(limb((0.05 * side, 0.52), (stride * side, 0.04), 0.12, 0.07), trousers) for side in (-1, 1)]
    return legs + [
        (limb((stride * side - 0.04, 0.025), (stride * side + 0.06, 0.02), 0.05, 0.04), shoe)
        for side in (-1, 1)
    ]


def _upper_body(rng: np.random.Generator, reach: float, top: Paint, skin: Paint) -> _Parts:
    broad, hem = rng.uniform(0.25, 0.31), 0.34 if rng.random() < 0.35 else 0.48
    arms = [(limb((0.44 * side * broad, 0.8), (side * reach, 0.46), 0.075, 0.05), top) for side in (-1, 1)]
    hands = [(ellipse(0.05, 0.06, 8, x=side * reach, y=0.44), skin) for side in (-1, 1)]
    return [*arms, *hands, (_torso(broad, hem), top)]


def _head(rng: np.random.Generator, skin: Paint) -> _Parts:
    hair = _paint(rng, _HAIR)
    neck = limb((0, 0.8), (0, 0.9), 0.06, 0.06)
    return [(neck, skin), (ellipse(0.105, 0.14, 12, x=0, y=0.92), skin), (_hair(rng), hair)]


def _torso(broad: float, hem: float) -> Outline:
    half = broad / 2
    right = [(0.7 * half, hem), (0.72 * half, 0.6), (half, 0.78), (0.5 * half, 0.83)]
    return [(-0.7 * half, hem), *right, *((-x, y) for x, y in reversed(right[1:]))]


def _hair(rng: np.random.Generator) -> Outline:
    if rng.random() < 0.4:  # seen from behind, or long
        return ellipse(0.12, 0.16, 12, x=0, y=0.92)
    return [(-0.06, 0.94), (0.06, 0.94), (0.05, 0.99), (0.0, 1.005), (-0.05, 0.99)]


def _part(place: Place, tall: float, outline: Outline, paint: Paint, rank: int) -> Face:
    sized = [(x * tall, y * tall) for x, y in outline]
    return facing(place.x, 0, place.z, sized, paint, lift=1 + 2e-4 * rank)

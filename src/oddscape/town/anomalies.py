"""Anomalies: foreign things of many shapes, textures and sizes, with a drawing code of their own."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable

import numpy as np

from oddscape.town import labels
from oddscape.town.geometry import (
    Face,
    Material,
    Outline,
    Paint,
    Place,
    Samples,
    Thing,
    box,
    ellipse,
    facing,
    limb,
)
from oddscape.town.light import Colour, rgb
from oddscape.town.noise import Floats, clouds, fraction, grain


def _bulge(s: Samples) -> Floats:
    """Light on a thing that bulges towards the camera."""
    x, y = 2 * s.u / s.width - 1, 2 * s.v / s.height - 1
    return s.light.on_round(0.7 * x, 0.15 + 0.6 * y) * (0.8 + 0.25 * y)[:, None]


def _two(s: Samples, second: Floats) -> Floats:
    weight = np.clip(second, 0, 1)[:, None].astype(np.float32)
    return s.colour * (1 - weight) + s.accent * weight


def _fur(s: Samples) -> Floats:
    strands = clouds(s.u * 9 + s.seed, s.v * 2.5) - 0.5
    patches = clouds(s.u * 1.2 + s.seed, s.v * 1.2 + s.seed) > 0.56
    return _two(s, patches * 0.9) * (1 + 0.7 * strands)[:, None] * _bulge(s)


def _banded(s: Samples) -> Floats:
    wave = np.sin((s.v + 0.25 * np.sin(s.u * 3 + s.seed)) * 17 / np.maximum(s.height, 0.4))
    return (
        _two(s, (wave > 0.1) * 1.0)
        * (1 + 0.3 * (clouds(s.u * 2, s.v * 2 + s.seed) - 0.5))[:, None]
        * _bulge(s)
    )


def _spotted(s: Samples) -> Floats:
    pitch = np.maximum(s.width, s.height) / 6
    x, y = s.u / pitch, s.v / pitch
    dx = fraction(x) - 0.3 - 0.4 * grain(x + s.seed, y)
    dy = fraction(y) - 0.3 - 0.4 * grain(x, y + s.seed)
    return _two(s, (np.hypot(dx, dy) < 0.28) * 1.0) * _bulge(s)


def _chequered(s: Samples) -> Floats:
    pitch = np.maximum(s.width, s.height) / 7
    odd = (np.floor(s.u / pitch) + np.floor(s.v / pitch)) % 2
    return _two(s, odd) * (1 + 0.2 * (clouds(s.u, s.v + s.seed) - 0.5))[:, None] * _bulge(s)


def _grained(s: Samples) -> Floats:
    rings = np.sin(14 * clouds(s.u * 0.5 + s.seed, s.v * 2.2) + 9 * s.v)
    return _two(s, 0.5 + 0.5 * rings) * s.lit


def _polished(s: Samples) -> Floats:
    x, y = 2 * s.u / s.width - 1, 2 * s.v / s.height - 1
    mirror = np.clip(np.sin(3.2 * y + 1.1 * x + 1.6 * clouds(s.u + s.seed, s.v)), 0, 1)
    sky = rgb(s.light.horizon)
    spot = np.exp(-((x + 0.35) ** 2 + (y - 0.4) ** 2) * 14)[:, None]
    return (
        s.colour * _bulge(s) * 0.8 + (0.3 * mirror)[:, None] * sky * s.accent + 0.5 * spot * rgb(s.light.sun)
    )


def _weave(s: Samples) -> Floats:
    over = (np.sin(s.u * 28) * np.sin(s.v * 28) > 0) * 0.5 + 0.3 * (clouds(s.u * 3 + s.seed, s.v * 3) - 0.5)
    return _two(s, over) * s.lit * (0.75 + 0.4 * s.v / s.height)[:, None]


def _marbled(s: Samples) -> Floats:
    veins = np.abs(np.sin(9 * (clouds(s.u * 0.8 + s.seed, s.v * 0.8) + 0.4 * s.u)))
    return _two(s, (veins < 0.3) * 0.8 + 0.2 * veins) * _bulge(s)


_MATERIALS: tuple[Material, ...] = (
    _fur,
    _banded,
    _spotted,
    _chequered,
    _grained,
    _polished,
    _weave,
    _marbled,
)


def _hue(rng: np.random.Generator) -> Colour:
    return colorsys.hsv_to_rgb(rng.random(), rng.beta(1.6, 1.6) * 0.78, rng.uniform(0.15, 0.85))


def _coat(rng: np.random.Generator, materials: tuple[Material, ...] = _MATERIALS) -> Paint:
    material = materials[rng.integers(len(materials))]
    return Paint(labels.ANOMALY, material, _hue(rng), _hue(rng), float(rng.integers(1, 300)))


def _stack(place: Place, size: float, parts: list[tuple[Outline, Paint]], y: float = 0.0) -> list[Face]:
    faces = []
    for rank, (outline, paint) in enumerate(parts):
        sized = [(u * size, v * size) for u, v in outline]
        faces.append(facing(place.x, y, place.z, sized, paint, lift=1 + 4e-4 * rank))
    return faces


def _beast(rng: np.random.Generator, place: Place, size: float) -> list[Face]:
    """A four-legged animal from the side; its proportions make it a dog, a cow or a giraffe."""
    hide, flip = _coat(rng, (_fur, _spotted, _banded, _fur)), rng.choice([-1.0, 1.0])
    leg, neck, thick = rng.uniform(0.25, 0.5), rng.uniform(0.12, 0.6), rng.uniform(0.07, 0.14)
    deep, long = rng.uniform(0.28, 0.45), rng.uniform(0.7, 1.1)
    y = leg + deep / 2
    head = (long / 2 + rng.uniform(0.08, 0.22), y + neck)
    dark = Paint(hide.label, hide.material, tuple(0.7 * c for c in hide.colour), hide.accent, hide.seed)  # type: ignore[arg-type]
    parts: list[tuple[Outline, Paint]] = [
        (limb((k * long * 0.36 + lean, y), (k * long * 0.36 + 2 * lean, 0), thick * 1.4, thick * 0.8), paint)
        for lean, paint in ((0.05, dark), (-0.03, hide))
        for k in (-1, 1)
    ]
    parts += [
        (limb((-long / 2, y + deep * 0.2), (-long / 2 - 0.15, y - 0.2), 0.05, 0.03), dark),
        (ellipse(long * 1.12, deep, 16, x=0, y=y), hide),
        (limb((long * 0.38, y + deep * 0.1), head, deep * 0.7, thick * 1.5), hide),
        (ellipse(0.32, 0.19, 12, x=head[0] + 0.08, y=head[1]), hide),
        (limb((head[0] - 0.02, head[1] + 0.05), (head[0] - 0.08, head[1] + 0.2), 0.07, 0.02), dark),
    ]
    flipped: list[tuple[Outline, Paint]] = [
        ([(flip * u, v) for u, v in outline], paint) for outline, paint in parts
    ]
    return _stack(place, size, flipped)


def _ball(rng: np.random.Generator, place: Place, size: float) -> list[Face]:
    return _stack(
        place,
        size,
        [(ellipse(1, 1, 24, y=0.5), _coat(rng, (_banded, _spotted, _polished, _marbled, _chequered)))],
    )


def _crates(rng: np.random.Generator, place: Place, size: float) -> list[Face]:
    faces = []
    for number in range(int(rng.integers(1, 4))):
        edge = size * rng.uniform(0.45, 0.8)
        spot = Place(
            place.x + number * rng.uniform(-0.8, 0.8) * size, place.z + number * 0.3, rng.uniform(0, 1.5)
        )
        faces += box(
            spot,
            (edge, edge * rng.uniform(0.6, 1.3), edge),
            _coat(rng, (_grained, _weave, _chequered, _marbled)),
        )
    return faces


def _barrel(rng: np.random.Generator, place: Place, size: float) -> list[Face]:
    paint, hoop = _coat(rng), _coat(rng, (_polished,))
    body = [(-0.3, 0), (0.3, 0), (0.38, 0.3), (0.38, 0.7), (0.3, 1), (-0.3, 1), (-0.38, 0.7), (-0.38, 0.3)]
    rings = [([(-0.37, y), (0.37, y), (0.37, y + 0.07), (-0.37, y + 0.07)], hoop) for y in (0.22, 0.7)]
    return _stack(place, size, [(body, paint), *rings])


def _sofa(rng: np.random.Generator, place: Place, size: float) -> list[Face]:
    turned = Place(place.x, place.z, rng.uniform(-0.7, 0.7) + math.pi * rng.integers(2))
    cover, cushion = _coat(rng, (_weave, _banded, _chequered)), _coat(rng, (_weave, _fur))
    a, b = size * 0.5, size * 0.24
    faces = box(turned, (size, size * 0.24, 2 * b), cover)
    for x, z, shape in (
        (0.0, b * 0.8, (size, size * 0.5, b * 0.5)),
        (-a, 0.0, (size * 0.16, size * 0.36, 2 * b)),
        (a, 0.0, (size * 0.16, size * 0.36, 2 * b)),
    ):
        px, _, pz = turned.point(x, 0, z)
        faces += box(Place(px, pz, turned.heading), shape, cover)
    px, _, pz = turned.point(0, 0, -b * 0.1)
    return [
        *faces,
        *box(Place(px, pz, turned.heading), (size * 0.8, size * 0.1, b * 1.3), cushion, base=size * 0.24),
    ]


def _boulder(rng: np.random.Generator, place: Place, size: float) -> list[Face]:
    turns = np.linspace(0, math.pi, 9)
    outline = [
        (float(0.6 * math.cos(t) * rng.uniform(0.8, 1.1)), float(0.7 * math.sin(t) * rng.uniform(0.75, 1.1)))
        for t in turns
    ]
    return _stack(place, size, [(outline, _coat(rng, (_marbled, _fur, _grained)))])


def _tyres(rng: np.random.Generator, place: Place, size: float) -> list[Face]:
    hole = Paint(labels.ANOMALY, _polished, (0.03, 0.03, 0.03), (0.1, 0.1, 0.1))
    ring = _coat(rng)
    return _stack(place, size, [(ellipse(1, 1, 24, y=0.5), ring), (ellipse(0.48, 0.48, 20, y=0.5), hole)])


def _tent(rng: np.random.Generator, place: Place, size: float) -> list[Face]:
    turned = Place(place.x, place.z, rng.uniform(-0.8, 0.8))
    cloth, a, b, h = _coat(rng, (_weave, _banded, _chequered)), size * 0.5, size * 0.6, size * 0.75
    return [
        turned.panel([(-a, 0, -b), (a, 0, -b), (0, h, -b)], _coat(rng, (_weave, _banded)), both_sides=True),
        turned.panel([(a, 0, -b), (a, 0, b), (0, h, b), (0, h, -b)], cloth, both_sides=True),
        turned.panel([(-a, 0, b), (-a, 0, -b), (0, h, -b), (0, h, b)], cloth, both_sides=True),
    ]


def _bird(rng: np.random.Generator, place: Place, size: float) -> list[Face]:
    feathers, beak = _coat(rng, (_fur, _spotted, _banded)), _coat(rng, (_polished,))
    flip = rng.choice([-1.0, 1.0])
    parts = [
        (limb((-0.05, 0.4), (-0.08, 0), 0.06, 0.05), beak),
        (limb((0.1, 0.4), (0.12, 0), 0.06, 0.05), beak),
        (ellipse(0.85, 0.5, 16, x=0, y=0.5), feathers),
        (limb((0.3, 0.55), (0.42, 0.95), 0.2, 0.13), feathers),
        (ellipse(0.25, 0.22, 12, x=0.44, y=0.97), feathers),
        ([(0.54, 1.0), (0.72, 0.94), (0.54, 0.91)], beak),
        (ellipse(0.5, 0.26, 12, x=-0.1, y=0.56), _coat(rng, (_fur, _banded))),
    ]
    return _stack(place, size, [([(flip * u, v) for u, v in outline], paint) for outline, paint in parts])


def _aircraft(rng: np.random.Generator, place: Place, size: float) -> list[Face]:
    shell = _coat(rng, (_polished, _banded, _spotted))
    rise = rng.uniform(0.0, 1.2)
    parts = [
        (limb((-0.1, 0.45), (0.85, 0.62), 0.16, 0.05), shell),
        ([(0.8, 0.55), (0.95, 0.55), (0.92, 0.88), (0.84, 0.88)], shell),
        (ellipse(0.75, 0.5, 18, x=-0.15, y=0.45), shell),
        (ellipse(0.3, 0.28, 14, x=-0.32, y=0.5), _coat(rng, (_polished,))),
        (limb((-0.8, 0.82), (0.5, 0.82), 0.05, 0.05), shell),
        (limb((-0.15, 0.6), (-0.15, 0.82), 0.08, 0.05), shell),
        (limb((-0.5, 0.06), (0.25, 0.06), 0.06, 0.06), shell),
        (limb((-0.3, 0.3), (-0.35, 0.06), 0.05, 0.05), shell),
        (limb((0.0, 0.3), (0.05, 0.06), 0.05, 0.05), shell),
    ]
    return _stack(place, size, parts, y=rise)


def _statue(rng: np.random.Generator, place: Place, size: float) -> list[Face]:
    """A robot-like figure of blocks."""
    metal, joint = _coat(rng, (_polished, _chequered, _marbled)), _coat(rng, (_polished, _spotted))
    parts = [
        (limb((-0.16, 0.35), (-0.18, 0), 0.18, 0.24), joint),
        (limb((0.16, 0.35), (0.18, 0), 0.18, 0.24), joint),
        (limb((-0.3, 0.68), (-0.46, 0.36), 0.14, 0.14), joint),
        (limb((0.3, 0.68), (0.46, 0.36), 0.14, 0.14), joint),
        ([(-0.3, 0.33), (0.3, 0.33), (0.34, 0.74), (-0.34, 0.74)], metal),
        ([(-0.18, 0.77), (0.18, 0.77), (0.2, 1.02), (-0.2, 1.02)], metal),
        (ellipse(0.09, 0.09, 8, x=-0.08, y=0.91), joint),
        (ellipse(0.09, 0.09, 8, x=0.08, y=0.91), joint),
    ]
    return _stack(place, size, parts)


def _mushroom(rng: np.random.Generator, place: Place, size: float) -> list[Face]:
    dome = [(0.55 * math.cos(t), 0.55 + 0.45 * math.sin(t)) for t in np.linspace(0, math.pi, 14).tolist()]
    return _stack(
        place,
        size,
        [
            (limb((0, 0), (0, 0.6), 0.3, 0.2), _coat(rng, (_fur, _grained))),
            (dome, _coat(rng, (_spotted, _polished))),
        ],
    )


def _cycle(rng: np.random.Generator, place: Place, size: float) -> list[Face]:
    """A bicycle or a scooter."""
    tube, hub = (
        _coat(rng, (_polished, _banded)),
        Paint(labels.ANOMALY, _weave, (0.05, 0.05, 0.06), (0.2, 0.2, 0.22), 5.0),
    )
    parts: list[tuple[Outline, Paint]] = []
    for x in (-0.42, 0.42):
        parts += [(ellipse(0.56, 0.56, 20, x=x, y=0.28), hub), (ellipse(0.4, 0.4, 16, x=x, y=0.28), tube)]
    bars = (
        ((-0.42, 0.28), (-0.15, 0.68)),
        ((-0.15, 0.68), (0.32, 0.66)),
        ((0.0, 0.28), (-0.15, 0.72)),
        ((0.0, 0.28), (0.32, 0.66)),
        ((0.42, 0.28), (0.28, 0.88)),
    )
    parts += [(limb(start, end, 0.08, 0.08), tube) for start, end in bars]
    parts += [
        (limb((0.16, 0.88), (0.36, 0.9), 0.06, 0.05), hub),
        (ellipse(0.28, 0.1, 10, x=-0.17, y=0.76), hub),
    ]
    return _stack(place, size, parts)


def _logs(rng: np.random.Generator, place: Place, size: float) -> list[Face]:
    bark, cut = _coat(rng, (_grained, _fur)), _coat(rng, (_marbled, _banded))
    parts: list[tuple[Outline, Paint]] = []
    for x, y in ((-0.3, 0.16), (0.02, 0.16), (0.34, 0.16), (-0.14, 0.44), (0.18, 0.44), (0.02, 0.72)):
        parts += [(ellipse(0.33, 0.33, 12, x=x, y=y), bark), (ellipse(0.24, 0.24, 12, x=x, y=y), cut)]
    return _stack(place, size, parts)


_KINDS: tuple[tuple[Callable[[np.random.Generator, Place, float], list[Face]], float, float], ...] = (
    (_beast, 0.8, 2.4),
    (_beast, 0.8, 2.4),
    (_ball, 0.5, 1.8),
    (_crates, 0.8, 1.9),
    (_barrel, 0.9, 1.7),
    (_sofa, 1.7, 2.6),
    (_boulder, 0.8, 2.0),
    (_tyres, 0.7, 1.5),
    (_tent, 1.5, 2.8),
    (_bird, 0.7, 2.0),
    (_aircraft, 1.6, 3.2),
    (_statue, 1.2, 2.6),
    (_mushroom, 0.8, 1.9),
    (_cycle, 1.3, 2.2),
    (_logs, 1.0, 2.0),
)
"""How each kind is drawn, and its least and greatest size in metres."""


def anomaly(rng: np.random.Generator, place: Place) -> Thing:
    """A foreign thing that stands on ``place``, of random kind, size, texture and colours."""
    draw, least, greatest = _KINDS[rng.integers(len(_KINDS))]
    size = rng.uniform(least, greatest)
    return Thing(
        draw(rng, place, size), [place.footprint(size * 0.95, 0.8), place.footprint(size * 0.7, 0.5)]
    )

"""Cars: a body, a cabin with windows, wheels and lights, at any heading."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from oddscape.town import labels, materials
from oddscape.town.geometry import Face, Paint, Place, Point, Thing, ellipse
from oddscape.town.light import Colour


@dataclass(frozen=True)
class _Shape:
    """Metres; hood and boot are the lengths before and behind the cabin at the belt line."""

    length: float
    width: float
    belt: float
    roof: float
    hood: float
    boot: float
    wheel: float
    rake: float = 0.55


_SHAPES = (
    _Shape(4.5, 1.8, 0.92, 1.45, 1.25, 0.75, 0.64, 0.6),
    _Shape(3.9, 1.72, 0.92, 1.5, 0.95, 0.12, 0.6, 0.5),
    _Shape(4.6, 1.9, 1.08, 1.75, 1.15, 0.12, 0.74, 0.45),
    _Shape(4.7, 1.82, 0.92, 1.46, 1.2, 0.15, 0.64, 0.5),
    _Shape(5.2, 2.0, 1.2, 2.25, 0.75, 0.06, 0.7, 0.4),
)
_COLOURS: tuple[Colour, ...] = (
    (0.82, 0.82, 0.8), (0.12, 0.12, 0.13), (0.5, 0.51, 0.53), (0.62, 0.1, 0.09), (0.12, 0.2, 0.42),
    (0.3, 0.32, 0.34), (0.16, 0.3, 0.22), (0.66, 0.6, 0.48), (0.28, 0.44, 0.58), (0.72, 0.44, 0.12),
    (0.75, 0.76, 0.78), (0.36, 0.24, 0.18),
)  # fmt: skip
_SKIRT = 0.3
_BODY = Paint(labels.CAR, materials.bodywork, (0.5, 0.5, 0.5))
_BLACK = Paint(labels.CAR, materials.plain, (0.04, 0.04, 0.045))
_GLASS = Paint(labels.CAR, materials.windscreen, (0.13, 0.15, 0.17), seed=3.0)
_DISTINCT = 38.0  # metres; beyond, lights and wheels are too small to be seen


def car(rng: np.random.Generator, place: Place) -> Thing:
    """A car that stands on ``place`` and looks along its heading."""
    kind = int(rng.integers(len(_SHAPES)))
    shape, (r, g, b) = _SHAPES[kind], _COLOURS[rng.integers(len(_COLOURS))]
    gain = rng.uniform(0.85, 1.15)
    own = Paint(labels.CAR, materials.bodywork, (r * gain, g * gain, b * gain), seed=float(rng.integers(200)))
    faces = [
        place.moved(face, own if face.paint is _BODY else face.paint)
        for face in _model(kind, distinct=place.z < _DISTINCT)
    ]
    return Thing(
        faces,
        [place.footprint(shape.width + 0.5, shape.length + 0.4), place.footprint(shape.width, shape.length)],
    )


@cache
def _model(kind: int, *, distinct: bool) -> list[Face]:
    """The faces of one kind of car at the origin, to be moved and painted; fewer if not ``distinct``."""
    place, shape = Place(0.0, 0.0), _SHAPES[kind]
    faces = [*_body(place, shape), *_cabin(place, shape, side_windows=distinct)]
    if distinct:
        faces += [
            *_skirts(place, shape),
            *_ends(place, shape),
            *_wheels(place, shape, 1),
            *_wheels(place, shape, -1),
        ]
    return faces


def _side(
    place: Place, side: int, a: float, profile: list[tuple[float, float]], paint: Paint, **how: object
) -> Face:
    """A face on a flank from a profile of (along, up), lower rear first, then lower front, …, upper rear."""
    corners: list[Point] = [(side * a, up, along) for along, up in profile]
    return place.panel(corners if side > 0 else _reversed(corners), paint, **how)


def _reversed(corners: list[Point]) -> list[Point]:
    """The same corners seen from the other side: lower left comes first again."""
    return [corners[1], corners[0], *reversed(corners[2:])]


def _body(place: Place, shape: _Shape) -> list[Face]:
    a, b = shape.width / 2, shape.length / 2
    nose, tail, belt = shape.belt - 0.2, shape.belt - 0.02, shape.belt
    front, rear = b - shape.hood, -b + shape.boot
    profile = [(-b + 0.05, _SKIRT), (b - 0.05, _SKIRT), (b, nose), (front, belt), (rear, belt), (-b, tail)]
    hood = [(-a, nose, b), (a, nose, b), (a, belt, front), (-a, belt, front)]
    boot = [(-a, belt, rear), (a, belt, rear), (a, tail, -b), (-a, tail, -b)]
    return [
        _side(place, 1, a, profile, _BODY),
        _side(place, -1, a, profile, _BODY),
        place.panel([(a, _SKIRT, b), (-a, _SKIRT, b), (-a, nose, b), (a, nose, b)], _BODY),
        place.panel([(-a, _SKIRT, -b), (a, _SKIRT, -b), (a, tail, -b), (-a, tail, -b)], _BODY),
        place.panel(hood, _BODY, both_sides=True),
        place.panel(boot, _BODY, both_sides=True),
    ]


def _skirts(place: Place, shape: _Shape) -> list[Face]:
    """The dark gap between body and road."""
    a, b, low, high = shape.width / 2 - 0.1, shape.length / 2 - 0.1, 0.14, _SKIRT
    flank = [(-b + 0.2, low), (b - 0.2, low), (b - 0.1, high), (-b + 0.1, high)]
    return [
        _side(place, 1, a, flank, _BLACK),
        _side(place, -1, a, flank, _BLACK),
        place.panel([(a, low, b), (-a, low, b), (-a, high, b), (a, high, b)], _BLACK),
        place.panel([(-a, low, -b), (a, low, -b), (a, high, -b), (-a, high, -b)], _BLACK),
    ]


def _cabin(place: Place, shape: _Shape, *, side_windows: bool) -> list[Face]:
    a, b, inset = shape.width / 2 - 0.04, shape.length / 2, 0.17
    low, high, t = shape.belt - 0.08, shape.roof, a - inset  # it reaches into the body, so that no gap shows
    rise = shape.roof - shape.belt
    front, rear = b - shape.hood, -b + shape.boot
    top_front, top_rear = front - 1.7 * shape.rake * rise, rear + 0.35 * rise
    screen: list[Point] = [(a, low, front), (-a, low, front), (-t, high, top_front), (t, high, top_front)]
    back: list[Point] = [(-a, low, rear), (a, low, rear), (t, high, top_rear), (-t, high, top_rear)]
    faces = [
        place.panel(
            [(-t, high, top_rear), (t, high, top_rear), (t, high, top_front), (-t, high, top_front)], _BODY
        )
    ]
    for corners in (screen, back):
        faces += [
            place.panel(corners, _BODY),
            place.panel(_shrunk(corners, 0.86), _GLASS, lift=1.003, casts=False),
        ]
    for side in (1, -1):
        flank: list[Point] = [
            (side * a, low, rear),
            (side * a, low, front),
            (side * t, high, top_front),
            (side * t, high, top_rear),
        ]
        ordered = flank if side > 0 else _reversed(flank)
        faces.append(place.panel(ordered, _BODY))
        if side_windows:
            faces += [place.panel(part, _GLASS, lift=1.003, casts=False) for part in _panes(ordered)]
    return faces


def _shrunk(corners: list[Point], scale: float) -> list[Point]:
    middle = np.mean(corners, axis=0)
    return [(x, y, z) for x, y, z in (middle + scale * (np.array(corners) - middle)).tolist()]


def _panes(flank: list[Point]) -> list[list[Point]]:
    """The two side windows within a flank of the cabin."""
    low_left, low_right, high_right, high_left = (np.array(corner) for corner in flank)
    panes = []
    for start, end in ((0.08, 0.49), (0.53, 0.93)):
        ends = [low_left + (low_right - low_left) * k for k in (start, end)]
        tops = [high_left + (high_right - high_left) * k for k in (end, start)]
        panes.append([(x, y, z) for x, y, z in np.array([*ends, *tops]).tolist()])
    return [_shrunk(pane, 0.86) for pane in panes]


def _ends(place: Place, shape: _Shape) -> list[Face]:
    a, b, y = shape.width / 2, shape.length / 2, shape.belt
    plate = Paint(labels.CAR, materials.plain, (0.8, 0.8, 0.76))
    grille = Paint(labels.CAR, materials.plain, (0.07, 0.07, 0.08))
    head = Paint(labels.CAR, materials.lamp, (0.95, 0.94, 0.85))
    tail = Paint(labels.CAR, materials.lamp, (0.75, 0.06, 0.05))
    faces = []
    for way, lights, low, high in ((1, head, y - 0.44, y - 0.25), (-1, tail, y - 0.36, y - 0.12)):
        for left, right in ((-a + 0.05, -a + 0.45), (a - 0.45, a - 0.05)):
            faces.append(_patch(place, left, right, low, high, way * b, lights))
        faces.append(_patch(place, -0.28, 0.28, y - 0.5, y - 0.37, way * b, plate, 1.005))
    faces.append(_patch(place, -a + 0.5, a - 0.5, y - 0.46, y - 0.25, b, grille))
    faces.append(_patch(place, -a + 0.1, a - 0.1, _SKIRT, _SKIRT + 0.16, -b, grille))
    return faces


def _patch(
    place: Place,
    left: float,
    right: float,
    low: float,
    high: float,
    along: float,
    paint: Paint,
    lift: float = 1.003,
) -> Face:
    if along > 0:
        left, right = right, left
    corners = [(left, low, along), (right, low, along), (right, high, along), (left, high, along)]
    return place.panel(corners, paint, lift=lift, casts=False)


def _wheels(place: Place, shape: _Shape, side: int) -> list[Face]:
    tyre = Paint(labels.CAR, materials.wheel, (0.05, 0.05, 0.05), (0.5, 0.5, 0.52), 2.0)
    arch = Paint(labels.CAR, materials.plain, (0.05, 0.05, 0.055))
    a, reach, faces = side * shape.width / 2, shape.length / 2 - 0.85, []
    for along in (-reach, reach):
        for size, paint, lift in ((shape.wheel + 0.14, arch, 1.002), (shape.wheel, tyre, 1.004)):
            ring = [(a, shape.wheel / 2 + y, along + side * x) for x, y in ellipse(size, size, 16)]
            faces.append(place.panel(ring, paint, lift=lift, casts=False))
    return faces

"""Camera and flat faces in space: x to the right, y up from the ground, z away from the camera, in metres."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from oddscape.town.light import Colour, Light
from oddscape.town.noise import Floats

Point = tuple[float, float, float]
Outline = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks level along z, its picture shifted so that the horizon lies at ``horizon``.

    Args:
        size: (H, W) of the picture in pixels.
        focal: focal length in pixels.
        horizon: row of the horizon.
        height: metres above the ground.
    """

    size: tuple[int, int]
    focal: float
    horizon: float
    height: float

    @property
    def middle(self) -> float:
        """Column of the optical axis."""
        return self.size[1] / 2

    def project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Columns and rows [n, 2] of ``points`` [n, 3], all of them before the camera."""
        scale = self.focal / points[:, 2]
        columns = self.middle + points[:, 0] * scale
        rows = self.horizon + (self.height - points[:, 1]) * scale
        return np.stack([columns, rows], axis=1)

    def rays(self) -> NDArray[np.float64]:
        """Matrix [3, 3] that takes (column, row, 1) to the ray (x, y, 1) through that pixel."""
        return np.array(
            [
                [1 / self.focal, 0, -self.middle / self.focal],
                [0, -1 / self.focal, self.horizon / self.focal],
                [0, 0, 1],
            ]
        )


@dataclass(frozen=True, eq=False)
class Samples:
    """The seen points of all faces of one material: n points, one row each.

    Args:
        u: metres to the right from the face's left end, [n].
        v: metres up from the face's lower end, [n].
        width: of the face in metres, [n].
        height: of the face in metres, [n].
        footprint: metres a pixel covers there, [n].
        seed: of the face, [n].
        colour: of the face, [n, 3].
        accent: second colour of the face, [n, 3].
        lit: light that falls on the face, [n, 3].
        light: light and weather of the picture.
    """

    u: Floats
    v: Floats
    width: Floats
    height: Floats
    footprint: Floats
    seed: Floats
    colour: Floats
    accent: Floats
    lit: Floats
    light: Light


Material = Callable[[Samples], Floats]
"""Gives the light [n, 3] that leaves each of n points of a surface."""

Cutout = Callable[[Floats, Floats, float, float, float], NDArray[np.bool_]]
"""Tells from u, v, the face's width, height and seed where the face is solid."""


@dataclass(frozen=True)
class Paint:
    """What a face is made of: raw label, material, two colours, a seed for its texture."""

    label: int
    material: Material
    colour: Colour
    accent: Colour = (0.5, 0.5, 0.5)
    seed: float = 0.0


@dataclass(frozen=True, eq=False)
class Face:
    """A flat polygon: points origin + u·right + v·up for the (u, v) in ``outline``, seen with up upwards.

    ``lift`` above 1 draws a face before another in the same plane; ``both_sides`` shows its back too.
    """

    outline: Outline
    origin: Point
    right: Point
    up: Point
    paint: Paint
    width: float
    height: float
    lift: float = 1.0
    both_sides: bool = False
    casts: bool = True
    cutout: Cutout | None = None


@dataclass(frozen=True)
class Thing:
    """Faces that belong together, and outlines on the ground that they darken by standing there."""

    faces: list[Face] = field(default_factory=list)
    contacts: list[list[Point]] = field(default_factory=list)


def _add(p: Point, q: Point, scale: float = 1.0) -> Point:
    return (p[0] + scale * q[0], p[1] + scale * q[1], p[2] + scale * q[2])


def flat(
    origin: Point,
    right: Point,
    up: Point,
    outline: Outline,
    paint: Paint,
    *,
    lift: float = 1.0,
    both_sides: bool = False,
    casts: bool = True,
    cutout: Cutout | None = None,
) -> Face:
    """A face from an outline of (u, v) metres in the plane through ``origin`` spanned by two unit vectors."""
    us, vs = zip(*outline, strict=True)
    left, low = min(us), min(vs)
    moved = [(u - left, v - low) for u, v in outline]
    corner = _add(_add(origin, right, left), up, low)
    width, height = max(us) - left, max(vs) - low
    return Face(moved, corner, right, up, paint, width, height, lift, both_sides, casts, cutout)


def facing(x: float, y: float, z: float, outline: Outline, paint: Paint, **how: object) -> Face:
    """A face that looks at the camera, with (x, y, z) as the origin of its outline."""
    return flat((x, y, z), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), outline, paint, both_sides=True, **how)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Place:
    """A spot on the ground and a heading (radians from z towards x); local points are (across, up, along)."""

    x: float
    z: float
    heading: float = 0.0

    def point(self, across: float, up: float, along: float) -> Point:
        """The point in space for a local one."""
        sin, cos = math.sin(self.heading), math.cos(self.heading)
        return (self.x + across * cos + along * sin, up, self.z - across * sin + along * cos)

    def panel(self, corners: Sequence[Point], paint: Paint, **how: object) -> Face:
        """A face from local corners: lower left, lower right, …, upper left, as seen from outside."""
        points = [self.point(*corner) for corner in corners]
        right, up = _frame(points[0], points[1], points[-1])
        outline = [_within(points[0], right, up, point) for point in points]
        return flat(points[0], right, up, outline, paint, **how)  # type: ignore[arg-type]

    def moved(self, face: Face, paint: Paint) -> Face:
        """A face that was made at the origin, moved here and painted anew."""
        sin, cos = math.sin(self.heading), math.cos(self.heading)
        (a, up, b), (ra, ru, rb), (ua, uu, ub) = face.origin, face.right, face.up
        return Face(
            face.outline,
            (self.x + a * cos + b * sin, up, self.z - a * sin + b * cos),
            (ra * cos + rb * sin, ru, rb * cos - ra * sin),
            (ua * cos + ub * sin, uu, ub * cos - ua * sin),
            paint,
            face.width,
            face.height,
            face.lift,
            face.both_sides,
            face.casts,
            face.cutout,
        )

    def footprint(self, width: float, length: float) -> list[Point]:
        """A rounded outline on the ground, ``width`` across and ``length`` along."""
        sin, cos = math.sin(self.heading), math.cos(self.heading)
        local = ((width / 2 * a, length / 2 * b) for a, b in _ROUNDED)
        return [(self.x + a * cos + b * sin, 0.0, self.z - a * sin + b * cos) for a, b in local]


_ROUNDED = [
    (math.copysign(abs(math.cos(t)) ** 0.6, math.cos(t)), math.copysign(abs(math.sin(t)) ** 0.6, math.sin(t)))
    for t in (math.tau * k / 14 for k in range(14))
]


def _dot(p: Point, q: Point) -> float:
    return p[0] * q[0] + p[1] * q[1] + p[2] * q[2]


def _unit(p: Point) -> Point:
    length = math.sqrt(_dot(p, p)) or 1.0
    return (p[0] / length, p[1] / length, p[2] / length)


def _frame(corner: Point, right_end: Point, upper_end: Point) -> tuple[Point, Point]:
    right = _unit(_add(right_end, corner, -1))
    rise = _add(upper_end, corner, -1)
    return right, _unit(_add(rise, right, -_dot(rise, right)))


def _within(origin: Point, right: Point, up: Point, point: Point) -> tuple[float, float]:
    offset = _add(point, origin, -1)
    return _dot(offset, right), _dot(offset, up)


def box(
    place: Place, size: Point, sides: Paint, top: Paint | None = None, *, base: float = 0.0
) -> list[Face]:
    """The four sides and the top of a box of ``size`` (across, up, along), its foot centred on ``place``."""
    a, height, b = size[0] / 2, size[1], size[2] / 2
    faces = []
    for across, along, right, width in (
        (-a, -b, (1, 0), 2 * a),
        (a, -b, (0, 1), 2 * b),
        (a, b, (-1, 0), 2 * a),
        (-a, b, (0, -1), 2 * b),
    ):
        corner, way = place.point(across, base, along), _turned(place, *right)
        outline = [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)]
        faces.append(Face(outline, corner, way, (0.0, 1.0, 0.0), sides, width, height))
    outline = [(0.0, 0.0), (2 * a, 0.0), (2 * a, 2 * b), (0.0, 2 * b)]
    corner = place.point(-a, base + height, -b)
    lid = Face(outline, corner, _turned(place, 1, 0), _turned(place, 0, 1), top or sides, 2 * a, 2 * b)
    return [*faces, lid]


def _turned(place: Place, across: float, along: float) -> Point:
    sin, cos = math.sin(place.heading), math.cos(place.heading)
    return (across * cos + along * sin, 0.0, along * cos - across * sin)


def ellipse(width: float, height: float, points: int = 14, *, x: float = 0.0, y: float = 0.0) -> Outline:
    """An ellipse around (x, y) as a polygon."""
    return [(x + width / 2 * cos, y + height / 2 * sin) for cos, sin in _circle(points)]


@cache
def _circle(points: int) -> Outline:
    turns = (math.tau * k / points for k in range(points))
    return [(math.cos(t), math.sin(t)) for t in turns]


def limb(start: tuple[float, float], end: tuple[float, float], first: float, last: float) -> Outline:
    """A strip from ``start`` to ``end`` that is ``first`` wide there and ``last`` wide here."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy) or 1.0
    nx, ny = -dy / length / 2, dx / length / 2
    return [
        (start[0] + nx * first, start[1] + ny * first),
        (start[0] - nx * first, start[1] - ny * first),
        (end[0] - nx * last, end[1] - ny * last),
        (end[0] + nx * last, end[1] + ny * last),
    ]


def joined(things: Iterable[Thing]) -> Thing:
    """One thing with everything of all ``things``."""
    listed = list(things)
    return Thing(
        [face for thing in listed for face in thing.faces],
        [contact for thing in listed for contact in thing.contacts],
    )

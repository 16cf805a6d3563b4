"""What stands along a street: lamps, signals, signs, walls, fences, bins, benches, hydrants."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from oddscape.town import labels, materials
from oddscape.town.geometry import Face, Outline, Paint, Place, Thing, box, ellipse, facing, limb
from oddscape.town.light import Colour
from oddscape.town.noise import Floats, fraction
from oddscape.town.styles import Style

_METALS: tuple[Colour, ...] = (
    (0.42, 0.43, 0.44),
    (0.18, 0.2, 0.2),
    (0.6, 0.6, 0.58),
    (0.2, 0.28, 0.24),
    (0.36, 0.28, 0.2),
)
_SIGNS: tuple[tuple[Colour, Colour], ...] = (
    ((0.85, 0.85, 0.82), (0.72, 0.08, 0.08)),
    ((0.75, 0.08, 0.08), (0.9, 0.9, 0.88)),
    ((0.1, 0.25, 0.62), (0.88, 0.88, 0.86)),
    ((0.88, 0.72, 0.1), (0.12, 0.12, 0.1)),
    ((0.86, 0.86, 0.84), (0.15, 0.15, 0.15)),
)
_BOARDS: tuple[Colour, ...] = ((0.08, 0.22, 0.55), (0.06, 0.36, 0.22), (0.82, 0.82, 0.8), (0.72, 0.56, 0.1))


def _metal(rng: np.random.Generator) -> Paint:
    return Paint(
        labels.POLE, materials.tube, _METALS[rng.integers(len(_METALS))], seed=float(rng.integers(200))
    )


def _post(place: Place, height: float, thick: float, paint: Paint) -> Face:
    return facing(place.x, 0, place.z, limb((0, 0), (0, height), thick * 1.15, thick * 0.85), paint)


def street_lamp(rng: np.random.Generator, place: Place, side: int) -> Thing:
    """A lamp post whose arm reaches over the road."""
    paint, height, reach = _metal(rng), rng.uniform(5.5, 8.0), -side * rng.uniform(0.9, 1.8)
    thick = rng.uniform(0.2, 0.3)
    head = Paint(labels.POLE, materials.lamp, (0.85, 0.83, 0.75))
    faces = [
        _post(place, height, thick, paint),
        facing(place.x, 0, place.z, limb((0, 0), (0, 0.8), thick * 1.8, thick * 1.5), paint, lift=1.001),
        facing(place.x, height, place.z, limb((0, -0.1), (reach, 0.25), 0.16, 0.12), paint),
        facing(place.x + reach, height + 0.2, place.z, ellipse(0.7, 0.2, 10), head, lift=1.002),
    ]
    return Thing(faces, [place.footprint(0.6, 0.6)])


def wooden_pole(rng: np.random.Generator, place: Place) -> Thing:
    """A utility pole with cross-arms."""
    paint = Paint(labels.POLE, materials.bark, (0.36, 0.28, 0.21), seed=float(rng.integers(200)))
    height = rng.uniform(7.0, 9.0)
    arms = [
        facing(place.x, height - drop, place.z, limb((-0.9, 0), (0.9, 0), 0.16, 0.16), paint, lift=1.001)
        for drop in (0.4, 1.2)
    ]
    return Thing([_post(place, height, rng.uniform(0.26, 0.36), paint), *arms], [place.footprint(0.6, 0.6)])


def _sign_outline(rng: np.random.Generator, size: float) -> Outline:
    corners = int(rng.choice([3, 4, 8, 16, 5]))
    if corners == 5:
        return [
            (-0.36 * size, -0.5 * size),
            (0.36 * size, -0.5 * size),
            (0.36 * size, 0.5 * size),
            (-0.36 * size, 0.5 * size),
        ]
    turn = {3: math.pi / 2, 4: math.pi / 4 * rng.integers(2), 8: math.pi / 8, 16: 0.0}[corners]
    radius = size * (0.62 if corners <= 4 else 0.53)
    return [
        (radius * math.cos(turn + math.tau * k / corners), radius * math.sin(turn + math.tau * k / corners))
        for k in range(corners)
    ]


def road_sign(rng: np.random.Generator, place: Place) -> Thing:
    """A traffic sign on a post, at times with a second plate beneath."""
    height, size = rng.uniform(2.3, 3.0), rng.uniform(0.75, 1.1)
    colour, accent = _SIGNS[rng.integers(len(_SIGNS))]
    paint = Paint(labels.TRAFFIC_SIGN, materials.sign_face, colour, accent, float(rng.integers(1, 300)))
    faces = [
        _post(place, height, 0.13, _metal(rng)),
        facing(place.x, height, place.z, _sign_outline(rng, size), paint, lift=1.002),
    ]
    if rng.random() < 0.35:
        plate = Paint(
            labels.TRAFFIC_SIGN, materials.sign_face, (0.86, 0.86, 0.84), (0.2, 0.2, 0.2), paint.seed + 7
        )
        half = size * 0.45
        outline = [(-half, -0.2), (half, -0.2), (half, 0.2), (-half, 0.2)]
        faces.append(facing(place.x, height - size * 0.5 - 0.35, place.z, outline, plate, lift=1.002))
    return Thing(faces, [place.footprint(0.4, 0.4)])


def direction_board(rng: np.random.Generator, place: Place) -> Thing:
    """A large board with lettering on two posts."""
    width, height, low = rng.uniform(2.0, 3.4), rng.uniform(1.1, 1.7), rng.uniform(1.7, 2.6)
    colour = _BOARDS[rng.integers(len(_BOARDS))]
    accent: Colour = (0.9, 0.9, 0.88) if sum(colour) < 1.6 else (0.1, 0.1, 0.1)
    board = Paint(labels.TRAFFIC_SIGN, materials.board_face, colour, accent, float(rng.integers(1, 300)))
    post = _metal(rng)
    outline = [(-width / 2, low), (width / 2, low), (width / 2, low + height), (-width / 2, low + height)]
    feet = [
        facing(place.x + k * width * 0.35, 0, place.z, limb((0, 0), (0, low + 0.2), 0.15, 0.15), post)
        for k in (-1, 1)
    ]
    return Thing(
        [*feet, facing(place.x, 0, place.z, outline, board, lift=1.002)], [place.footprint(width, 0.4)]
    )


def signal(rng: np.random.Generator, place: Place) -> Thing:
    """A traffic light: its head counts as a sign, its post as a pole."""
    height, lit = rng.uniform(2.8, 3.4), int(rng.integers(3))
    case = Paint(labels.TRAFFIC_SIGN, materials.plain, (0.09, 0.1, 0.09))
    outline = [(-0.24, -0.6), (0.24, -0.6), (0.24, 0.6), (-0.24, 0.6)]
    faces = [
        _post(place, height, 0.17, _metal(rng)),
        facing(place.x, height, place.z, outline, case, lift=1.002),
    ]
    for number, (r, g, b) in enumerate(((0.1, 0.8, 0.4), (0.95, 0.65, 0.1), (0.95, 0.12, 0.08))):
        gain = 1.0 if number == lit else 0.2
        lens = Paint(labels.TRAFFIC_SIGN, materials.lamp, (r * gain, g * gain, b * gain))
        faces.append(
            facing(
                place.x,
                height + 0.38 * (number - 1),
                place.z,
                ellipse(0.3, 0.3, 12),
                lens,
                lift=1.004,
                casts=False,
            )
        )
    return Thing(faces, [place.footprint(0.4, 0.4)])


def wall(rng: np.random.Generator, style: Style, place: Place, length: float) -> Thing:
    """A free-standing wall along the street, with a coping."""
    material = (materials.brick, materials.blocks, materials.plaster)[rng.integers(3)]
    colour = np.array(style.masonry[rng.integers(len(style.masonry))]) * rng.uniform(0.85, 1.15)
    height = rng.uniform(1.3, 2.8)
    r, g, b = colour.tolist()
    paint = Paint(
        labels.WALL,
        material,
        (r, g, b),
        (r * 0.55 + 0.12, g * 0.55 + 0.12, b * 0.55 + 0.12),
        float(rng.integers(1, 300)),
    )
    cap = Paint(
        labels.WALL,
        materials.plain,
        (min(r * 0.6 + 0.3, 1), min(g * 0.6 + 0.3, 1), min(b * 0.6 + 0.3, 1)),
        seed=paint.seed,
    )
    faces = [
        *box(place, (0.4, height, length), paint, cap),
        *box(place, (0.56, 0.14, length + 0.1), cap, base=height),
    ]
    return Thing(faces, [place.footprint(1.0, length + 0.3)])


def _pickets(u: Floats, v: Floats, width: float, height: float, seed: float) -> NDArray[np.bool_]:
    del width, seed
    part = fraction(u / 0.17)
    stile = (part < 0.7) & (v < height - 0.12 * np.abs(part - 0.35) / 0.35)
    solid: NDArray[np.bool_] = stile | (np.abs(v - 0.3) < 0.06) | (np.abs(v - height + 0.3) < 0.06)
    return solid


def _bars(u: Floats, v: Floats, width: float, height: float, seed: float) -> NDArray[np.bool_]:
    del width, seed
    post = fraction(u / 2.4) < 0.07
    bar = fraction(u / 0.16) < 0.5
    solid: NDArray[np.bool_] = post | bar | (v > height - 0.1) | (np.abs(v - 0.15) < 0.06)
    return solid


def _rails(u: Floats, v: Floats, width: float, height: float, seed: float) -> NDArray[np.bool_]:
    del width, seed
    return (fraction(u / 2.0) < 0.08) | (v > height * 0.45)


_PAINTS: tuple[Colour, ...] = (
    (0.82, 0.82, 0.79),
    (0.4, 0.29, 0.2),
    (0.52, 0.44, 0.34),
    (0.26, 0.33, 0.27),
    (0.3, 0.3, 0.31),
)


def fence(rng: np.random.Generator, style: Style, place: Place, length: float) -> Thing:
    """A fence of one of the town's kinds along the street."""
    kind = style.fences[rng.integers(len(style.fences))]
    colour, seed = _PAINTS[rng.integers(len(_PAINTS))], float(rng.integers(1, 300))
    material, height, cutout = {
        "picket": (materials.boards, rng.uniform(1.0, 1.4), _pickets),
        "boards": (materials.boards, rng.uniform(1.5, 2.1), None),
        "bars": (materials.plain, rng.uniform(1.2, 1.9), _bars),
        "mesh": (materials.mesh, rng.uniform(1.6, 2.3), None),
        "rail": (materials.rail, rng.uniform(0.9, 1.1), _rails),
    }[kind]
    if kind == "rail":
        colour = (0.58, 0.59, 0.6)
    accent: Colour = (0.62, 0.63, 0.62) if kind == "mesh" else (0.3, 0.3, 0.3)
    paint = Paint(labels.FENCE, material, colour, accent, seed)
    corners = [
        (0.0, 0.0, -length / 2),
        (0.0, 0.0, length / 2),
        (0.0, height, length / 2),
        (0.0, height, -length / 2),
    ]
    return Thing(
        [place.panel(corners, paint, both_sides=True, cutout=cutout)], [place.footprint(0.4, length)]
    )


def _bin(rng: np.random.Generator, place: Place) -> list[Face]:
    r, g, b = ((0.16, 0.3, 0.2), (0.25, 0.26, 0.28), (0.2, 0.26, 0.42))[rng.integers(3)]
    paint = Paint(labels.OTHER, materials.plain, (r, g, b), seed=float(rng.integers(99)))
    lid = Paint(labels.OTHER, materials.plain, (r * 0.6, g * 0.6, b * 0.6))
    return [*box(place, (0.6, 1.0, 0.6), paint, lid), *box(place, (0.68, 0.12, 0.68), lid, base=1.0)]


def _bench(rng: np.random.Generator, place: Place) -> list[Face]:
    tone = rng.uniform(0.8, 1.2)
    wood = Paint(
        labels.OTHER, materials.boards, (0.42 * tone, 0.28 * tone, 0.17 * tone), seed=float(rng.integers(99))
    )
    iron = Paint(labels.OTHER, materials.plain, (0.12, 0.12, 0.13))
    seat = box(place, (0.55, 0.1, 1.8), wood, base=0.42)
    back_at = place.point(0.28 if place.x > 0 else -0.28, 0, 0)
    back = box(Place(back_at[0], back_at[2], place.heading), (0.08, 0.45, 1.8), wood, base=0.55)
    legs = [place.point(0, 0, along) for along in (-0.7, 0.7)]
    return [
        *seat,
        *back,
        *(face for x, _, z in legs for face in box(Place(x, z, place.heading), (0.5, 0.45, 0.08), iron)),
    ]


def _hydrant(rng: np.random.Generator, place: Place) -> list[Face]:
    colour: Colour = ((0.66, 0.12, 0.1), (0.75, 0.6, 0.12))[rng.integers(2)]
    paint = Paint(labels.OTHER, materials.tube, colour, seed=float(rng.integers(99)))
    parts = [
        limb((0, 0), (0, 0.65), 0.3, 0.28),
        ellipse(0.34, 0.3, 10, y=0.66),
        limb((-0.24, 0.45), (0.24, 0.45), 0.14, 0.14),
    ]
    return [facing(place.x, 0, place.z, part, paint, lift=1 + 1e-3 * rank) for rank, part in enumerate(parts)]


def fitting(rng: np.random.Generator, place: Place) -> Thing:
    """A bin, a bench or a hydrant."""
    make = (_bin, _bench, _hydrant)[rng.integers(3)]
    return Thing(make(rng, place), [place.footprint(0.9, 1.2)])

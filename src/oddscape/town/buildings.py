"""Buildings: boxes with facades in perspective, flat or gabled roofs, balconies."""

from __future__ import annotations

import numpy as np

from oddscape.town import facades, labels, materials
from oddscape.town.facades import FLOOR
from oddscape.town.geometry import Face, Material, Paint, Place, Thing, box
from oddscape.town.light import Colour
from oddscape.town.styles import Style

_FACADES: dict[str, Material] = {
    "brick": facades.brick_facade,
    "plaster": facades.plaster_facade,
    "siding": facades.siding_facade,
    "blocks": facades.block_facade,
    "glass": facades.glass_facade,
}
_ACCENTS: tuple[Colour, ...] = (
    (0.85, 0.83, 0.78),
    (0.25, 0.32, 0.28),
    (0.45, 0.18, 0.15),
    (0.2, 0.25, 0.38),
    (0.72, 0.66, 0.5),
)
_ROOFS: tuple[Colour, ...] = ((0.45, 0.22, 0.17), (0.3, 0.3, 0.32), (0.38, 0.31, 0.27))


def _varied(rng: np.random.Generator, colour: Colour, spread: float = 0.12) -> Colour:
    gain = rng.uniform(1 - spread, 1 + spread)
    r, g, b = (min(max(c * gain * rng.uniform(0.95, 1.05), 0.0), 1.0) for c in colour)
    return (r, g, b)


def building(rng: np.random.Generator, style: Style, place: Place, width: float, length: float) -> Thing:
    """A building centred on ``place``, ``width`` metres across the street and ``length`` along it."""
    facade = style.facades[rng.integers(len(style.facades))]
    storeys = int(rng.integers(style.storeys[0], style.storeys[1] + 1))
    height = storeys * FLOOR + rng.uniform(0.4, 1.0)
    colour = _varied(rng, style.walls_of[rng.integers(len(style.walls_of))])
    accent = _varied(rng, _ACCENTS[rng.integers(len(_ACCENTS))])
    front = Paint(labels.BUILDING, _FACADES[facade], colour, accent, float(rng.integers(1, 400)))
    tiled = Paint(
        labels.BUILDING, materials.tiles, _varied(rng, _ROOFS[rng.integers(len(_ROOFS))]), seed=front.seed
    )
    faces = box(place, (width, height, length), front, tiled)
    if storeys <= 4 and facade != "glass" and rng.random() < 0.7:
        faces += _gable(place, width, length, height, front, tiled)
    elif rng.random() < 0.5:
        top = Paint(labels.BUILDING, materials.plain, colour, seed=front.seed)
        faces += box(place, (width * 0.3, 2.4, length * 0.3), top, base=height)
    if rng.random() < 0.4 and storeys > 2:
        faces += _balconies(rng, place, width, length, storeys, colour, accent)
    return Thing(faces, [place.footprint(width + 0.8, length + 0.8)])


def _gable(place: Place, width: float, length: float, eaves: float, front: Paint, tiled: Paint) -> list[Face]:
    a, b, ridge = width / 2, length / 2, eaves + width * 0.32
    over = a + 0.4
    low = eaves - 0.15
    plain_front = Paint(labels.BUILDING, materials.plaster, front.colour, seed=front.seed)
    return [
        place.panel([(over, low, -b), (over, low, b), (0, ridge, b), (0, ridge, -b)], tiled, both_sides=True),
        place.panel(
            [(-over, low, b), (-over, low, -b), (0, ridge, -b), (0, ridge, b)], tiled, both_sides=True
        ),
        place.panel([(-a, eaves, -b), (a, eaves, -b), (0, ridge, -b)], plain_front, casts=False),
    ]


def _balconies(
    rng: np.random.Generator,
    place: Place,
    width: float,
    length: float,
    storeys: int,
    colour: Colour,
    accent: Colour,
) -> list[Face]:
    slab = Paint(labels.BUILDING, materials.plain, colour, seed=float(rng.integers(100)))
    front = Paint(labels.BUILDING, materials.boards, accent, seed=float(rng.integers(100)))
    side = -np.sign(place.x) or 1.0
    along = rng.uniform(-0.25, 0.25) * length
    faces: list[Face] = []
    for storey in range(1, min(storeys, 6)):
        centre = place.point(side * (width / 2 + 0.6), 0, along)
        spot = Place(centre[0], centre[2], place.heading)
        faces += box(spot, (1.2, 1.1, min(length * 0.3, 4.0)), front, slab, base=storey * FLOOR)
    return faces

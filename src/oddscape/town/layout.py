"""Fills a street: frontages, furniture along the kerbs, traffic, people, and in test towns anomalies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from oddscape.town.anomalies import anomaly
from oddscape.town.backdrop import backdrop
from oddscape.town.buildings import building
from oddscape.town.cars import car
from oddscape.town.furniture import (
    direction_board,
    fence,
    fitting,
    road_sign,
    signal,
    street_lamp,
    wall,
    wooden_pole,
)
from oddscape.town.geometry import Place, Thing, joined
from oddscape.town.people import person
from oddscape.town.plants import bush, hedge, tree
from oddscape.town.street import Street
from oddscape.town.styles import Style

_FAR = 100.0


def fill(rng: np.random.Generator, street: Street, style: Style, *, with_anomalies: bool) -> Thing:
    """Everything that stands in one picture's street."""
    odd_places = list(_odd_places(rng, street)) if with_anomalies else []
    things = [anomaly(rng, place) for place in odd_places]
    for side in (-1, 1):
        things += _frontage(rng, street, style, side)
        things += _kerbside(rng, street, style, side)
    for place in (*_parked(rng, street, -1), *_parked(rng, street, 1), *_traffic(rng, street)):
        if _in_picture(place) and not any(_hides(place, odd) for odd in odd_places):
            things.append(car(rng, place))
    things += [*_people(rng, street), *_signs(rng, street)]
    things += [Thing([backdrop(rng, x, rng.uniform(120, 165))]) for x in range(-144, 145, 32)]
    return joined(things)


def _in_picture(place: Place) -> bool:
    """Whether some of a car there can be seen."""
    return abs(place.x) < 0.75 * place.z + 4


def _hides(place: Place, other: Place) -> bool:
    """Whether a car at ``place`` stands before or in what is at the ``other``."""
    aside = abs(place.x / max(place.z, 1.0) - other.x / other.z) * place.z
    return place.z < other.z + 4 and aside < 2.4


def _frontage(rng: np.random.Generator, street: Street, style: Style, side: int) -> Iterator[Thing]:
    """Plots along one side, from behind the camera into the distance."""
    z = rng.uniform(-6.0, 1.0)
    while z < _FAR:
        length = rng.uniform(7, 17)
        middle = z + length / 2
        if street.in_crossing(middle, length / 2 + 2.5):
            z = (
                street.crossing + street.crossing_half + 2.6
                if z > street.crossing - street.crossing_half - 9
                else z
            )
            if street.in_crossing(z + length / 2, length / 2 + 2.5):
                length = street.crossing - street.crossing_half - 2.6 - z
            middle = z + length / 2
        if rng.random() < style.built_up:
            yield from _built(rng, street, style, side, middle, length)
        else:
            yield from _garden(rng, street, style, side, middle, length)
        z += length + (0.05 if rng.random() < 0.6 else rng.uniform(0.5, 4))


def _built(
    rng: np.random.Generator, street: Street, style: Style, side: int, z: float, length: float
) -> Iterator[Thing]:
    setback, width = rng.uniform(*style.setback), rng.uniform(8, 12)
    yield building(
        rng, style, street.place(street.edge(side) + side * (setback + width / 2), z), width, length
    )
    if setback > 1.2:
        yield from _border(rng, street, style, side, z, length)


def _border(
    rng: np.random.Generator, street: Street, style: Style, side: int, z: float, length: float
) -> Iterator[Thing]:
    """What parts a plot from the pavement."""
    place = street.place(street.edge(side) + side * 0.35, z)
    kind = rng.random()
    if kind < 0.46:
        yield fence(rng, style, place, length)
    elif kind < 0.8:
        yield wall(rng, style, place, length)
    elif kind < 0.9:
        yield hedge(rng, style, place, length)


def _garden(
    rng: np.random.Generator, street: Street, style: Style, side: int, z: float, length: float
) -> Iterator[Thing]:
    yield from _border(rng, street, style, side, z, length)
    for _ in range(int(rng.integers(2, 5))):
        at = z + rng.uniform(-0.45, 0.45) * length
        if at > 4:
            grow = tree if rng.random() < 0.7 else bush
            yield grow(rng, style, street.place(street.edge(side) + side * rng.uniform(2, 9), at))
    if rng.random() < 0.7:
        yield building(
            rng, style, street.place(street.edge(side) + side * rng.uniform(17, 24), z), 10, length
        )


def _kerbside(rng: np.random.Generator, street: Street, style: Style, side: int) -> Iterator[Thing]:
    """Lamps, trees and fittings at regular distances along the kerb."""
    spacing, z = rng.uniform(7, 12), rng.uniform(4, 9)
    kind_of_pole = rng.random()
    s = side * (street.half + 0.65)
    number = int(rng.integers(3))
    while z < 90:
        if not street.in_crossing(z, 1.5):
            place = street.place(s, z)
            if number % 2 == 0:
                yield wooden_pole(rng, place) if kind_of_pole < 0.3 else street_lamp(rng, place, side)
            elif rng.random() < 0.45:
                yield tree(rng, style, place)
            elif rng.random() < 0.6:
                yield fitting(rng, place)
        z += spacing * rng.uniform(0.9, 1.1)
        number += 1


def _signs(rng: np.random.Generator, street: Street) -> Iterator[Thing]:
    for _ in range(int(rng.integers(2, 5))):
        side = -1 if rng.random() < 0.4 else 1
        place = street.place(side * (street.half + rng.uniform(0.5, 1.0)), rng.uniform(6, 32))
        yield direction_board(rng, place) if rng.random() < 0.25 else road_sign(rng, place)
    for depth in (street.crossing - street.crossing_half - 1.5, street.crosswalk - 0.4):
        if np.isfinite(depth):
            yield from (signal(rng, street.place(side * (street.half + 0.5), depth)) for side in (-1, 1))


def _parked(rng: np.random.Generator, street: Street, side: int) -> Iterator[Place]:
    """Where cars stand along one kerb."""
    z = rng.uniform(3, 12)
    while street.parking and z < 70:
        if rng.random() < 0.55 and not street.in_crossing(z, 4) and not -4 < z - street.crosswalk < 8:
            turn = 0.0 if side > 0 else np.pi
            yield street.place(side * (street.half - 1.1), z, turn + rng.uniform(-0.04, 0.04))
        z += rng.uniform(6, 8)


def _traffic(rng: np.random.Generator, street: Street) -> Iterator[Place]:
    """Where cars drive, in all lanes and in the side street."""
    for direction in (-1, 1):
        for lane in range(street.lanes):
            z = rng.uniform(7, 30)
            while z < 90:
                if rng.random() < 0.6:
                    s = direction * street.lane_width * (lane + 0.5) + rng.uniform(-0.25, 0.25)
                    yield street.place(s, z, 0.0 if direction > 0 else np.pi)
                z += rng.uniform(9, 30)
    if np.isfinite(street.crossing) and rng.random() < 0.5:
        side = -1 if rng.random() < 0.5 else 1
        yield street.place(side * rng.uniform(3, 12), street.crossing + side * 1.7, side * np.pi / 2)


def _people(rng: np.random.Generator, street: Street) -> Iterator[Thing]:
    for _ in range(int(rng.integers(4, 9))):
        side = -1 if rng.random() < 0.5 else 1
        breadth = street.pavement[0 if side < 0 else 1]
        z = 5 + 24 * rng.random() ** 1.5
        yield person(rng, street.place(side * (street.half + rng.uniform(0.4, breadth - 0.3)), z))
    crossing = rng.random()
    if np.isfinite(street.crosswalk) and crossing < 0.7:
        for _ in range(int(rng.integers(1, 4))):
            yield person(
                rng, street.place(rng.uniform(-1, 1) * street.half, street.crosswalk + rng.uniform(0.4, 2.8))
            )
    elif crossing < 0.2:
        yield person(rng, street.place(rng.uniform(-0.8, 0.8) * street.half, rng.uniform(9, 28)))


def _odd_places(rng: np.random.Generator, street: Street) -> Iterator[Place]:
    """Where anomalies stand: mostly one to three, on the road and beside it, near and far."""
    for _ in range(int(rng.choice([0, 1, 2, 3], p=[0.03, 0.42, 0.37, 0.18]))):
        z = 5.5 + 19 * rng.random() ** 1.6
        if rng.random() < 0.65:
            s = rng.uniform(-0.8, 0.85) * street.half
        else:
            s = (-1 if rng.random() < 0.5 else 1) * (street.half + rng.uniform(0.5, 1.6))
        within = 0.5 * z
        yield street.place(float(np.clip(s, -within - street.middle(z), within - street.middle(z))), z)

"""Fronts of buildings: windows, doors and shop fronts in walls of several materials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oddscape.town import materials
from oddscape.town.geometry import Samples
from oddscape.town.light import rgb
from oddscape.town.materials import chance, mix
from oddscape.town.noise import Floats, clouds, fraction, grain, pick

FLOOR = 3.1
"""Metres from one floor to the next."""

_LINTEL = 0.82  # height of a window's upper edge, in floors


def _glass(s: Samples, pane: Floats) -> Floats:
    """Light from window panes with the random number ``pane`` each: sky above, street below, some lit."""
    sky = rgb(s.light.horizon) * 0.45 + rgb(s.light.zenith) * 0.2
    streaks = clouds(s.u * 0.25 + s.seed, s.v * 0.4) * 1.2
    dark = rgb((0.07, 0.08, 0.1)) * s.lit
    glass = mix(dark, sky, np.clip((streaks - 0.25) * (0.35 + 0.6 * pane), 0, 0.85))
    curtain = (pane > 0.72) & (pane < 0.9)
    glass = np.where(curtain[:, None], s.lit * rgb((0.55, 0.53, 0.5)), glass)
    lit = (grain(pane * 311, pane * 77 + s.seed) < s.light.glow * 0.55)[:, None]
    return np.where(lit, rgb((1.0, 0.78, 0.42)) * (0.55 + 0.45 * pane[:, None]), glass)


@dataclass(frozen=True, eq=False)
class _Grid:
    """A front's bays: one opening in each bay of each floor; all [n].

    Args:
        x: bays from the left.
        y: floors from the ground.
        pitch: width of a bay in metres.
        half: half the width of the opening there, in bays.
        sill: its lower edge, in floors.
        shop: whether it is a shop's.
        door: whether it is a door.
    """

    x: Floats
    y: Floats
    pitch: Floats
    half: Floats
    sill: Floats
    shop: NDArray[np.bool_]
    door: NDArray[np.bool_]


def _grid(s: Samples) -> _Grid:
    bays = np.maximum(np.round(s.width / (2.3 + 1.3 * chance(s.seed, 1))), 1)
    pitch = s.width / bays
    x, y = s.u / pitch, s.v / FLOOR
    ground = y < 1
    shop = ground & (chance(s.seed, 3) > 0.45)
    door = ground & (grain(x + s.seed, s.seed) > 0.7)
    half = np.where(shop, 0.43, 0.2 + 0.12 * chance(s.seed, 2))
    sill = np.where(shop, 0.16, 0.28 - 0.12 * chance(s.seed, 4))
    return _Grid(x, y, pitch, np.where(door, 0.2, half), np.where(door, 0.0, sill), shop, door)


def _with_openings(s: Samples, wall: Floats) -> Floats:
    """Put windows, doors and shop fronts with their frames into a wall's light [n, 3]."""
    g = _grid(s)
    aside, up = np.abs(fraction(g.x) - 0.5), fraction(g.y)
    below_top = s.v < np.floor(s.height / FLOOR) * FLOOR - 0.15
    opening = (aside < g.half) & (up > g.sill) & (up < _LINTEL) & below_top
    rim = np.maximum(0.07, s.footprint * 0.6)
    edge = np.minimum((g.half - aside) * g.pitch, np.minimum(_LINTEL - up, up - g.sill) * FLOOR)
    bar = (aside < 0.5 * rim / g.pitch) & ~g.door & (chance(s.seed, 5) > 0.4)
    frame = opening & ((edge < rim) | bar)
    ledge = (aside < g.half + 0.04) & (np.abs(up - g.sill + 0.03) < 0.035) & (g.y > 1)
    pane = grain(g.x + s.seed, g.y + s.seed)
    light = np.where(opening[:, None], _glass(s, pane), wall)
    light = np.where((g.door & opening)[:, None], s.accent * s.lit * (0.5 + 0.5 * pane[:, None]), light)
    light = np.where((frame | ledge)[:, None], (0.35 + 0.5 * s.accent) * s.lit, light)
    recess = pick(opening & ~frame & (_LINTEL - up < 0.1), 0.55, 1.0)
    return _trimmed(s, g, light * recess[:, None])


def _trimmed(s: Samples, g: _Grid, light: Floats) -> Floats:
    """Add awnings over shops, a band above the ground floor and a cornice."""
    awning = g.shop & (g.y > 0.74) & (g.y < 0.93)
    striped = s.accent * s.lit * pick(fraction(g.x * 8) < 0.5, 1.1, 0.7)[:, None]
    band = pick((s.height - s.v < 0.5) | (np.abs(g.y - 1) < 0.06), 1.15, 1.0)
    band -= pick(np.abs(s.height - s.v - 0.6) < 0.1, 0.4)
    trimmed: Floats = np.where(awning[:, None], striped, light) * band[:, None]
    return trimmed


def brick_facade(s: Samples) -> Floats:
    """A brick front with windows."""
    return _with_openings(s, materials.brick(s))


def plaster_facade(s: Samples) -> Floats:
    """A rendered front with windows."""
    return _with_openings(s, materials.plaster(s))


def siding_facade(s: Samples) -> Floats:
    """A weatherboarded front with windows."""
    return _with_openings(s, materials.siding(s))


def block_facade(s: Samples) -> Floats:
    """A stone or concrete front with windows."""
    return _with_openings(s, materials.blocks(s))


def glass_facade(s: Samples) -> Floats:
    """A curtain wall: glass between mullions."""
    x, y = s.u / 1.5, s.v / 1.55
    thick = np.maximum(0.05, s.footprint * 0.04)
    mullion = (fraction(x) < thick) | (fraction(y) < thick * 1.5)
    spandrel = (fraction(np.floor(y) / 2) == 0) & (chance(s.seed, 6) > 0.4)
    light = _glass(s, grain(x + s.seed, y + s.seed) * 0.7) * (0.6 + 0.5 * s.colour)
    light = np.where(spandrel[:, None], s.colour * s.lit * 0.8, light)
    return np.where(mullion[:, None], s.accent * s.lit, light)

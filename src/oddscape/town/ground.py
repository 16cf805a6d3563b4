"""The ground: road with its markings, pavements with kerbs, and what lies behind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oddscape.town import labels
from oddscape.town.geometry import Camera
from oddscape.town.light import Light, rgb, tinted
from oddscape.town.noise import Floats, clouds, detail, fraction, grain, pick
from oddscape.town.raster import Shadows, put
from oddscape.town.street import Street
from oddscape.town.styles import Style

_KERB, _KERBSTONE = 0.22, rgb((0.62, 0.61, 0.58))
_VERGES = {"grass": labels.VEGETATION, "gravel": labels.OTHER, "paving": labels.SIDEWALK}


@dataclass(frozen=True)
class Setting:
    """Where and when a picture is taken; ``seed`` tells the textures of pictures apart."""

    camera: Camera
    street: Street
    style: Style
    light: Light
    seed: float


@dataclass(frozen=True, eq=False)
class _Spots:
    """The ground's seen points, [n] each: s and depth in metres, metres a pixel covers, and |s|."""

    s: Floats
    z: Floats
    footprint: Floats
    out: Floats


def _spots(spots: NDArray[np.intp], camera: Camera, street: Street) -> _Spots:
    rows, columns = np.divmod(spots, camera.size[1])
    every = np.maximum(np.arange(camera.size[0]) + 0.5 - camera.horizon, 0.3)
    depth = (camera.focal * camera.height / every).astype(np.float32)
    z = depth.take(rows)
    x = (columns.astype(np.float32) + np.float32(0.5 - camera.middle)) * (z / np.float32(camera.focal))
    s = x - street.middles(depth).astype(np.float32).take(rows)
    return _Spots(s, z, z * np.float32(1 / camera.focal), np.abs(s))


def _kinds(p: _Spots, street: Street, verge: int) -> NDArray[np.uint8]:
    edge = np.where(p.s < 0, street.half + street.pavement[0], street.half + street.pavement[1])
    kinds = np.where(p.out < edge, labels.SIDEWALK, verge).astype(np.uint8)
    kinds[p.out < street.half] = labels.ROAD
    if np.isfinite(street.crossing):
        away = np.abs(p.z - street.crossing)
        kinds[(away < street.crossing_half + 2.5) & (p.out >= street.half)] = labels.SIDEWALK
        beside, before = p.out - street.half - 2, away - street.crossing_half - 2
        rounded = (beside < 0) & (before < 0) & (np.hypot(beside, before) > 2)
        kinds[(away < street.crossing_half) | rounded] = labels.ROAD
    return kinds


def _lines(p: _Spots, street: Street) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where the road is marked: the middle line, and everything else."""
    thick = np.float32(0.13)
    dashed = p.z % 9 < 4.5
    middle = (p.out < 0.32) & (p.out > 0.1) if street.solid else (p.out < thick) & dashed
    white = np.abs(p.out - street.lanes * street.lane_width) < 0.11
    for lane in range(1, street.lanes):
        white |= (np.abs(p.out - lane * street.lane_width) < thick) & dashed
    if np.isfinite(street.crossing):
        free = np.abs(p.z - street.crossing) > street.crossing_half + 1
        stop = street.crossing - street.crossing_half - 2
        middle &= free
        white = (white & free) | (
            (np.abs(p.z - stop + 0.3) < 0.3) & (p.s > 0.3) & (p.out < street.half - 0.4)
        )
    if np.isfinite(street.crosswalk):
        along = p.z - street.crosswalk
        white &= ~((along > -1) & (along < 4.2))
        middle &= ~((along > -1) & (along < 4.2))
        white |= (along > 0) & (along < 3.2) & (p.s % 1.2 < 0.62) & (p.out < street.half - 0.3)
    return middle & (p.out < street.half), white & (p.out < street.half)


def _road(p: _Spots, street: Street, grey: float, seed: float) -> Floats:
    mottling = clouds(p.s * 0.22 + seed, p.z * 0.07 + seed) - 0.5
    patch = grain(p.s / 2.6 + seed, p.z / 7 + seed)
    patch = pick(patch < 0.08, 0.12) - pick(patch > 0.86, 0.16)
    lane = np.abs(fraction(p.out / street.lane_width) - 0.5)
    tracks = -0.09 * np.exp(-(((lane - 0.25) / 0.09) ** 2))
    speck = (grain(p.s * 38 + seed, p.z * 38) - 0.5) * detail(p.footprint, 0.05) * 0.35
    crack = np.abs(clouds(p.s * 0.5 + seed * 2, p.z * 0.25) - 0.5) < 0.006 + 0.25 * p.footprint
    crack_depth = pick(crack, -0.25) * detail(p.footprint, 0.06)
    gutter = pick(street.half - p.out < 0.35, -0.2)
    tone = grey * (1 + 0.5 * mottling + patch + tracks + speck + crack_depth + gutter)
    return tinted((1.0, 1.0, 1.03), tone)


def _paving(p: _Spots, kind: str, seed: float) -> Floats:
    length, breadth, colour = {
        "slabs": (0.9, 0.9, (0.58, 0.56, 0.53)),
        "bricks": (0.42, 0.24, (0.55, 0.42, 0.36)),
        "concrete": (3.0, 2.4, (0.6, 0.6, 0.58)),
    }[kind]
    row = np.floor(p.z / length)
    across = p.s / breadth + fraction(row / 2)
    fine = detail(p.footprint * np.maximum(p.z / 4, 1), breadth)
    tint = (grain(across + seed, row + seed) - 0.5) * 0.22 * fine
    joint = ((fraction(across) < 0.05) | (fraction(p.z / length) < 0.05)) * fine
    mottling = clouds(p.s * 0.4 + seed, p.z * 0.3) - 0.5
    speck = (grain(p.s * 40, p.z * 40 + seed) - 0.5) * detail(p.footprint, 0.05) * 0.2
    return tinted(colour, 1 + tint - 0.35 * joint + 0.45 * mottling + speck)


def _verge(p: _Spots, kind: str, seed: float) -> Floats:
    clump = clouds(p.s * 0.5 + seed, p.z * 0.3) - 0.5
    blade = (grain(p.s * 22 + seed, p.z * 12) - 0.5) * (0.2 + 0.8 * detail(p.footprint, 0.08))
    low, high = (
        ((0.17, 0.27, 0.09), (0.36, 0.4, 0.17)) if kind == "grass" else ((0.4, 0.35, 0.28), (0.56, 0.5, 0.42))
    )
    mixed = np.clip(0.5 + 1.8 * clump, 0, 1)
    return (tinted(low, 1 - mixed) + tinted(high, mixed)) * (1 + 0.6 * blade)[:, None]


def _marked(p: _Spots, road: Floats, setting: Setting) -> tuple[Floats, NDArray[np.bool_]]:
    """The road's colour [n, 3] with its markings, and where they are [n]."""
    middle, white = _lines(p, setting.street)
    worn = clouds(p.s * 1.5 + setting.seed, p.z * 0.8) > 0.3
    for mask, colour in ((middle, setting.style.line), (white, (0.86, 0.86, 0.83))):
        road = np.where((mask & worn)[:, None], rgb(colour) * 0.85 + 0.15 * road, road)
    return road, middle | white


def _surface(p: _Spots, setting: Setting) -> tuple[Floats, NDArray[np.uint8]]:
    """Colour [n, 3] and raw label [n] of the ground's points."""
    street, style, seed = setting.street, setting.style, setting.seed
    kinds, albedo = _kinds(p, street, _VERGES[style.verge]), np.empty((3, len(p.s)), np.float32).T
    is_road, is_walk = kinds == labels.ROAD, kinds == labels.SIDEWALK
    road, walk, rest = map(np.flatnonzero, (is_road, is_walk, ~(is_road | is_walk)))
    on_road, on_walk = _picked(p, road), _picked(p, walk)
    tarmac, marked = _marked(on_road, _road(on_road, street, style.asphalt, seed), setting)
    kerb = np.abs(on_walk.out - street.half) < _KERB + 0.3 * on_walk.footprint
    put(albedo, road, tarmac)
    put(albedo, walk, np.where(kerb[:, None], _KERBSTONE, _paving(on_walk, style.paving, seed)))
    put(albedo, rest, _verge(_picked(p, rest), style.verge, seed))
    kinds[road[marked]] = labels.ROAD_LINE
    return albedo, kinds


def draw_ground(
    wanted: NDArray[np.bool_], shadows: Shadows, setting: Setting, picture: Floats, raw: NDArray[np.uint8]
) -> None:
    """Paint the ground into ``picture`` [H, W, 3] and its labels into ``raw`` [H, W], where ``wanted``."""
    spots = np.flatnonzero(wanted)
    albedo, kinds = _surface(_spots(spots, setting.camera, setting.street), setting)
    light = setting.light
    open_to_sun = 1 - shadows.thrown.take(spots) * np.float32(0.92 / 255)
    open_to_sky = 1 - shadows.stood.take(spots) * np.float32(0.6 / 255)
    direct = tinted(rgb(light.sun) * light.towards_sun[1], open_to_sun)
    put(picture, spots, albedo * (direct + rgb(light.ambient)) * open_to_sky[:, None])
    raw.put(spots, kinds)


def _picked(p: _Spots, chosen: NDArray[np.intp]) -> _Spots:
    return _Spots(p.s[chosen], p.z[chosen], p.footprint[chosen], p.out[chosen])

"""Surfaces of the known things in the town: masonry, wood, foliage, paint, cloth, metal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oddscape.town.geometry import Samples
from oddscape.town.light import rgb
from oddscape.town.noise import Floats, clouds, detail, fraction, grain, pick


def chance(seed: Floats, number: int) -> Floats:
    """A number in [0, 1) for each seed: the ``number``-th property of a face."""
    return grain(seed * 7.3 + number * 31, seed * 3.1 + number * 57)


def mix(first: Floats, second: Floats | float, amount: Floats) -> Floats:
    """Blend two colours [n, 3] by the ``amount`` [n] of the second."""
    planes = np.broadcast_to(second, first.shape).T
    return (first.T * (1 - amount) + planes * amount).T


def _weathering(s: Samples) -> Floats:
    """Stains and dirt, darker towards the foot: a factor [n, 1]."""
    stains = clouds(s.u * 0.35 + s.seed, s.v * 0.12 + s.seed) - 0.5
    foot = np.exp(-s.v * 1.2)
    light: Floats = (1 + 0.35 * stains - 0.25 * foot)[:, None]
    return light


def plain(s: Samples) -> Floats:
    """One colour with a little mottling."""
    mottling = clouds(s.u * 0.8 + s.seed, s.v * 0.8) - 0.5
    return s.colour * s.lit * (1 + 0.25 * mottling)[:, None]


def plaster(s: Samples) -> Floats:
    """Rendered masonry with stains."""
    rough = (grain(s.u * 25, s.v * 25 + s.seed) - 0.5) * detail(s.footprint, 0.06)
    return s.colour * s.lit * _weathering(s) * (1 + 0.12 * rough)[:, None]


def _courses(s: Samples, length: float, height: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Tint of each brick, and where the joints are, for stretcher bond."""
    row = np.floor(s.v / height)
    shifted = s.u / length + fraction(row / 2)
    tint = grain(shifted + s.seed, row)
    joint = (fraction(shifted) < 0.05 / length) | (fraction(s.v / height) < 0.03 / height)
    return tint - 0.5, joint


def brick(s: Samples) -> Floats:
    """Bricks with mortar; the accent is the mortar."""
    tint, joint = _courses(s, 0.5, 0.18)
    fine = detail(s.footprint, 0.12)
    fired: Floats = s.colour * (1 + 0.45 * tint * fine)[:, None]
    albedo = mix(fired, s.accent, pick(joint, 0.7) * fine + 0.12)
    return albedo * s.lit * _weathering(s)


def blocks(s: Samples) -> Floats:
    """Large stone or concrete blocks; the accent is the joint."""
    tint, joint = _courses(s, 1.1, 0.45)
    fine = detail(s.footprint, 0.3)
    albedo = s.colour * (1 + 0.3 * tint * fine + 0.5 * (clouds(s.u * 0.9, s.v * 0.9 + s.seed) - 0.5))[:, None]
    return mix(albedo, s.accent, pick(joint, 0.6) * fine) * s.lit * _weathering(s)


def boards(s: Samples) -> Floats:
    """Upright planks with gaps and grain."""
    plank = s.u / 0.22
    tint = grain(plank + s.seed, s.seed) - 0.5
    veins = clouds(s.u * 6 + s.seed, s.v * 0.5) - 0.5
    fine = detail(s.footprint, 0.2)
    gap = pick(fraction(plank) < 0.14, 0.55, 1.0) * fine + (1 - fine) * 0.93
    light: Floats = s.colour * s.lit * ((1 + 0.35 * tint + 0.3 * veins) * gap)[:, None] * _weathering(s)
    return light


def siding(s: Samples) -> Floats:
    """Horizontal weatherboards."""
    lap = fraction(s.v / 0.25)
    shade = 1 - pick(lap < 0.2, 0.25) * detail(s.footprint, 0.2)
    return s.colour * s.lit * shade[:, None] * _weathering(s)


def mesh(s: Samples) -> Floats:
    """Woven wire before a screen, between posts; the accent is the wire."""
    diagonal = (fraction((s.u + s.v) / 0.16) < 0.3) | (fraction((s.u - s.v) / 0.16) < 0.3)
    post = (fraction(s.u / 2.0) < 0.06) | (s.v > s.height - 0.08) | (s.v < 0.08)
    weight = np.where(post, np.float32(1), pick(diagonal, 0.8) * detail(s.footprint, 0.12) + 0.15)
    return mix(s.colour * 0.7, s.accent, weight) * s.lit


def rail(s: Samples) -> Floats:
    """Rounded metal: a bright band along its length."""
    across = np.abs(s.v / np.maximum(s.height, 0.01) - 0.5)
    return s.colour * s.lit * (1.25 - 0.9 * across)[:, None] * _weathering(s)


def tiles(s: Samples) -> Floats:
    """Roof tiles."""
    row = np.floor(s.v / 0.35)
    tint = grain(s.u / 0.3 + s.seed, row) - 0.5
    edge = pick(fraction(s.v / 0.35) < 0.2, 0.3) * detail(s.footprint, 0.3)
    moss = clouds(s.u * 0.3 + s.seed, s.v * 0.3) - 0.5
    return s.colour * s.lit * (1 + 0.35 * tint * detail(s.footprint, 0.3) - edge + 0.4 * moss)[:, None]


def foliage(s: Samples) -> Floats:
    """Leaves on a bulging crown, bright towards the sun and dark beneath."""
    x, y = 2 * s.u / s.width - 1, 2 * s.v / s.height - 1
    lit = s.light.on_round(0.8 * x, 0.8 * y)
    clump = clouds(s.u * 1.1 + s.seed, s.v * 1.1 + s.seed * 2)
    leaves = (grain(s.u * 24 + s.seed, s.v * 24) - 0.5) * (0.3 + 0.7 * detail(s.footprint, 0.06))
    depth = np.clip(0.62 + 0.28 * y + 1.6 * (clump - 0.5) + 0.45 * leaves, 0.12, 1.6)
    return mix(s.colour, s.accent, np.clip(2 * clump - 0.6, 0, 1)) * lit * depth[:, None]


def hedge(s: Samples) -> Floats:
    """A clipped hedge: leaves on a flat face."""
    clump = clouds(s.u * 1.6 + s.seed, s.v * 1.6) - 0.5
    leaves = (grain(s.u * 16 + s.seed, s.v * 16) - 0.5) * (0.25 + 0.75 * detail(s.footprint, 0.1))
    depth = 0.75 + 0.25 * s.v / s.height + 0.9 * clump + 0.45 * leaves
    return mix(s.colour, s.accent, np.clip(clump + 0.3, 0, 1)) * s.lit * np.clip(depth, 0.1, 2)[:, None]


def bark(s: Samples) -> Floats:
    """A round trunk."""
    x = 2 * s.u / s.width - 1
    ridges = clouds(s.u * 5 + s.seed, s.v * 0.6) - 0.5
    return s.colour * s.light.on_round(0.9 * x, 0 * x) * (1 + 0.8 * ridges)[:, None]


def tube(s: Samples) -> Floats:
    """A round painted pole."""
    x = np.clip(2 * s.u / s.width - 1, -1, 1)
    scuffs = clouds(s.u + s.seed, s.v * 0.8) - 0.5
    return s.colour * s.light.on_round(0.9 * x, 0 * x) * (1 + 0.3 * scuffs)[:, None]


def cloth(s: Samples) -> Floats:
    """Clothes: soft folds on a round body."""
    x = 2 * s.u / s.width - 1
    folds = clouds(s.u * 2.5 + s.seed, s.v * 1.2 + s.seed) - 0.5
    stripes = pick((fraction(s.v / 0.12) < 0.5) & (chance(s.seed, 7) > 0.75), 0.18)
    return s.colour * s.light.on_round(0.75 * x, 0.15 + 0 * x) * (1 + 0.7 * folds - stripes)[:, None]


def bodywork(s: Samples) -> Floats:
    """Car paint: a soft mirror of sky above and road below."""
    y = s.v / np.maximum(s.height, 0.05)
    sky = rgb(s.light.horizon)
    gloss = 0.22 * np.clip(1.6 * y - 0.7, 0, 1) + pick(np.abs(y - 0.62) < 0.07, 0.12)
    dirt = np.exp(-3 * y) * 0.35 + 0.25 * (clouds(s.u * 0.7 + s.seed, s.v) - 0.5)
    return mix(s.colour * s.lit * (1 - dirt)[:, None], sky, gloss)


def windscreen(s: Samples) -> Floats:
    """Car glass: dark with a slanting mirror of the sky."""
    sky = rgb(s.light.horizon)
    slant = clouds(s.u * 0.5 + s.v * 0.4 + s.seed, s.v * 0.7)
    return mix(s.colour * s.lit * 0.5, sky, np.clip(1.1 * slant - 0.38, 0.05, 0.45))


def lamp(s: Samples) -> Floats:
    """A light: its colour, brighter by night."""
    return s.colour * (0.55 * s.lit + 0.3 + 0.9 * s.light.glow)


def wheel(s: Samples) -> Floats:
    """A tyre with a rim of spokes; the accent is the rim."""
    x, y = 2 * s.u / s.width - 1, 2 * s.v / s.height - 1
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    spoke = fraction(angle * 5 / np.pi + s.seed) < 0.6
    rim = (radius < 0.66) & (spoke | (radius > 0.56) | (radius < 0.16))
    return np.where(rim[:, None], s.accent, rgb((0.05, 0.05, 0.055))) * s.lit


def sign_face(s: Samples) -> Floats:
    """A sign: border in the accent, a dark or light mark in the middle."""
    x, y = 2 * s.u / s.width - 1, 2 * s.v / s.height - 1
    border = np.maximum(np.abs(x), np.abs(y)) > 0.82
    ring = (np.hypot(x, y) > 0.7) & (chance(s.seed, 8) > 0.5)
    glyph = (np.abs(x) < 0.42) & (np.abs(y) < 0.42) & (grain(3 * x + s.seed, 4 * y + s.seed) > 0.45)
    dark = s.colour.mean(axis=1) > 0.45
    mark = np.where(dark[:, None], np.float32(0.06), np.float32(0.9))
    albedo = np.where((border | ring)[:, None], s.accent, s.colour)
    light: Floats = np.where(glyph[:, None], mark, albedo) * (0.85 * s.lit + 0.12)
    return light


def board_face(s: Samples) -> Floats:
    """A direction board: a rim and lines of lettering."""
    rim = (np.minimum(s.u, s.width - s.u) < 0.07) | (np.minimum(s.v, s.height - s.v) < 0.07)
    height = fraction(s.v / 0.45)
    line = (height > 0.3) & (height < 0.7)
    word = (s.u > 0.3) & (s.u < s.width * (0.5 + 0.4 * grain(s.v / 0.45, s.seed)))
    letter = grain(s.u / 0.11 + s.seed, s.v / 0.45) > 0.3
    albedo = np.where((rim | (line & word & letter))[:, None], s.accent, s.colour)
    light: Floats = albedo * (0.85 * s.lit + 0.12)
    return light

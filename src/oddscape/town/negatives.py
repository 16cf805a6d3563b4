"""Made negatives: pictures full of textured segments that are no street, in ADE20K's label ids.

Shapes, textures and colours here have nothing in common with the town's anomalies, in code or in kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

Floats = NDArray[np.floating[Any]]

_NUMBER = 77  # keeps these random numbers apart from the towns'
_CLASSES = 150


def render_negative(
    seed: int, index: int, size: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Render one picture of negatives; the same arguments give the same pixels.

    Args:
        seed: the world's seed.
        index: the picture's number.
        size: (H, W) in pixels.

    Returns:
        the picture, uint8 [H, W, 3], and its segments, uint8 [H, W], ids 1 to 150, at least six of them.
    """
    rng = np.random.default_rng([seed, _NUMBER, index])
    picture, ids = np.zeros((*size, 3), np.float32), np.zeros(size, np.uint8)
    numbers = rng.permutation(np.arange(1, _CLASSES + 1)).tolist()
    for mask in _rooms(rng, size):
        _lay(rng, picture, ids, mask, numbers.pop())
    for scale in np.sort(rng.uniform(0.1, 0.45, int(rng.integers(7, 13))))[::-1]:
        mask = _shape(rng, size, float(scale))
        _drop_shadow(rng, picture, mask)
        _lay(rng, picture, ids, mask, numbers.pop())
    light = ndimage.gaussian_filter(picture, (rng.uniform(0, 0.9), rng.uniform(0, 0.9), 0))
    light = light * rng.uniform(0.75, 1.2) + rng.standard_normal(
        picture.shape, dtype=np.float32
    ) * rng.uniform(0.005, 0.03)
    return np.clip(light * 255 + 0.5, 0, 255).astype(np.uint8), ids


def _lay(
    rng: np.random.Generator, picture: Floats, ids: NDArray[np.uint8], mask: NDArray[np.bool_], number: int
) -> None:
    """Cover ``mask`` with one textured segment."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return
    window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    inside = mask[window]
    pattern = _TEXTURES[rng.integers(len(_TEXTURES))](rng, inside.shape, mask.shape[0])
    colours = _scheme(rng)
    shaded = _ramp(colours, pattern) * _relief(rng, inside)[..., None]
    picture[window][inside] = shaded[inside]
    ids[window][inside] = number


def _scheme(rng: np.random.Generator) -> Floats:
    """Three or four colours on a walk through RGB, dark to light, more or less drawn to grey."""
    start = rng.uniform(0.05, 0.6, 3)
    steps = rng.normal(0.12, 0.13, (int(rng.integers(2, 4)), 3))
    colours = np.concatenate([start[None], start + np.cumsum(steps, axis=0)])
    grey = colours.mean(axis=1, keepdims=True)
    drawn: Floats = np.clip(grey + (colours - grey) * rng.uniform(0.15, 1.0), 0.02, 1).astype(np.float32)
    return drawn


def _ramp(colours: Floats, pattern: Floats) -> Floats:
    position = np.clip(pattern, 0, 0.999) * (len(colours) - 1)
    low = position.astype(np.int32)
    part = (position - low)[..., None]
    return (colours[low] * (1 - part) + colours[low + 1] * part).astype(np.float32)


def _relief(rng: np.random.Generator, inside: NDArray[np.bool_]) -> Floats:
    """Light that falls from one side: a gradient, and darker rims on some segments."""
    height, width = inside.shape
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
    slope_x, slope_y = rng.normal(0, 0.2, 2)
    relief = 1 + slope_x * x + slope_y * y
    if rng.random() < 0.6:
        border = np.pad(inside.astype(np.float32), 2)
        solid = ndimage.uniform_filter(border, max(min(height, width) // 4, 2), mode="constant")[2:-2, 2:-2]
        relief = relief * (0.45 + 0.6 * solid)
    return np.asarray(relief, np.float32)


def _drop_shadow(rng: np.random.Generator, picture: Floats, mask: NDArray[np.bool_]) -> None:
    reach = max(picture.shape[0] // 40, 1)
    moved = np.roll(mask, (reach, int(rng.integers(-reach, reach + 1))), axis=(0, 1)).astype(np.float32)
    picture *= (1 - 0.45 * ndimage.uniform_filter(moved, 2 * reach + 1))[..., None]


def _rooms(rng: np.random.Generator, size: tuple[int, int]) -> list[NDArray[np.bool_]]:
    """Two to four regions that fill the picture: walls and floor, or cells around random points."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    if rng.random() < 0.5:
        floor = y > size[0] * rng.uniform(0.5, 0.8) + (x - size[1] / 2) * rng.uniform(-0.15, 0.15)
        corner = x < size[1] * rng.uniform(0.25, 0.75)
        return [floor, ~floor & corner, ~floor & ~corner]
    points = rng.random((int(rng.integers(2, 5)), 2)) * size
    nearest = np.argmin([np.hypot(y - py, x - px) for py, px in points], axis=0)
    return [nearest == number for number in range(len(points))]


def _shape(rng: np.random.Generator, size: tuple[int, int], scale: float) -> NDArray[np.bool_]:
    radius = scale * size[0] * rng.uniform(0.8, 1.3)
    centre = rng.random(2) * size
    ring = _OUTLINES[rng.integers(len(_OUTLINES))](rng) * radius
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    mask = Image.new("1", (size[1], size[0]))
    ImageDraw.Draw(mask).polygon((ring @ turn + centre[::-1]).ravel().tolist(), fill=1)
    return np.array(mask)


def _wobbly(rng: np.random.Generator) -> NDArray[np.float64]:
    """A closed curve whose radius is a short Fourier series."""
    t = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    waves = sum(rng.normal(0, 0.28 / k) * np.cos(k * t + rng.uniform(0, 6.3)) for k in range(1, 7))
    drawn: NDArray[np.float64] = np.clip(0.75 + waves, 0.15, 1.5)[:, None] * np.stack(
        [np.cos(t), np.sin(t)], axis=1
    )
    return drawn


def _squarish(rng: np.random.Generator) -> NDArray[np.float64]:
    """A superellipse, from a diamond to a rounded oblong."""
    t, power = np.linspace(0, 2 * np.pi, 40, endpoint=False), rng.uniform(0.25, 1.6)
    c, s = np.cos(t), np.sin(t)
    return (
        np.stack(
            [np.sign(c) * np.abs(c) ** power * rng.uniform(0.4, 1.3), np.sign(s) * np.abs(s) ** power], axis=1
        )
        * 0.8
    )


def _crescent(rng: np.random.Generator) -> NDArray[np.float64]:
    t = np.linspace(0.2, 0.2 + rng.uniform(3, 5), 24)
    outer, inner = (
        np.stack([np.cos(t), np.sin(t)], axis=1),
        np.stack([np.cos(t[::-1]), np.sin(t[::-1])], axis=1),
    )
    return np.concatenate([outer, inner * rng.uniform(0.35, 0.7)])


def _zigzag(rng: np.random.Generator) -> NDArray[np.float64]:
    """A folded ribbon or a spiky leaf."""
    points = int(rng.integers(5, 12))
    t = np.linspace(0, 2 * np.pi, 2 * points, endpoint=False)
    reach = np.where(np.arange(2 * points) % 2, rng.uniform(0.35, 0.8), 1.0) * rng.uniform(
        0.8, 1.1, 2 * points
    )
    drawn: NDArray[np.float64] = reach[:, None] * np.stack(
        [np.cos(t) * rng.uniform(0.5, 1), np.sin(t)], axis=1
    )
    return drawn


def _stepped(rng: np.random.Generator) -> NDArray[np.float64]:
    """An L, T or U made of right angles."""
    a, b = rng.uniform(0.2, 0.6, 2)
    return (
        np.array(
            [
                (-1, -1),
                (1, -1),
                (1, -1 + a),
                (b, -1 + a),
                (b, 1),
                (-b * rng.uniform(0, 1), 1),
                (-b, -1 + a),
                (-1, -1 + a),
            ]
        )
        * 0.8
    )


def _blotches(rng: np.random.Generator, shape: tuple[int, int], height: int) -> Floats:
    field = ndimage.gaussian_filter(
        rng.standard_normal(shape, dtype=np.float32), height * rng.uniform(0.008, 0.05)
    )
    spread = float(field.std()) or 1.0
    field = field / spread
    if rng.random() < 0.4:
        return (field > rng.normal(0, 0.4)).astype(np.float32) * 0.8 + 0.1
    drawn: Floats = np.clip(0.5 + 0.28 * field, 0, 1)
    return drawn


def _ripples(rng: np.random.Generator, shape: tuple[int, int], height: int) -> Floats:
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32) / height
    angle, pitch = rng.uniform(0, np.pi), rng.uniform(0.03, 0.16)
    across, along = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    phase = 2 * np.pi * across / pitch + rng.uniform(0, 3) * np.sin(along * rng.uniform(5, 30))
    return np.asarray(0.5 + rng.uniform(0.2, 0.5) * np.sin(phase), np.float32)


def _plaid(rng: np.random.Generator, shape: tuple[int, int], height: int) -> Floats:
    sides = [rng.random(max(int(rng.integers(3, 9)), 2)) for _ in range(2)]
    pitch = max(int(height * rng.uniform(0.008, 0.03)), 1)
    rows = sides[0][np.arange(shape[0]) // pitch % len(sides[0])][:, None]
    columns = sides[1][np.arange(shape[1]) // pitch % len(sides[1])][None]
    return np.asarray(0.5 * (rows + columns), np.float32)


def _cells(rng: np.random.Generator, shape: tuple[int, int], height: int) -> Floats:
    """Cracked cells or pebbles: distance to scattered points."""
    seeds = rng.random(shape) > min(60.0 / (height * rng.uniform(0.6, 2.5)) ** 2 * 8, 0.05)
    seeds[rng.integers(shape[0]), rng.integers(shape[1])] = False
    distance = ndimage.distance_transform_edt(seeds)
    return np.asarray(np.clip(distance / (distance.mean() * 2.4), 0, 1), np.float32)


def _rays(rng: np.random.Generator, shape: tuple[int, int], height: int) -> Floats:
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32) / height
    angle = np.arctan2(y - rng.uniform(-0.2, 0.6), x - rng.uniform(-0.2, 0.6))
    return np.asarray(
        0.5 + 0.45 * np.sign(np.sin(angle * int(rng.integers(6, 30)))) * rng.uniform(0.3, 1), np.float32
    )


def _flecks(rng: np.random.Generator, shape: tuple[int, int], height: int) -> Floats:
    """Directed streaks, as of wool, straw or brushed paint."""
    sigma = (height * rng.uniform(0.002, 0.006), height * rng.uniform(0.01, 0.06))
    field = ndimage.gaussian_filter(
        rng.standard_normal(shape, dtype=np.float32), sigma if rng.random() < 0.5 else sigma[::-1]
    )
    drawn: Floats = np.clip(0.5 + 0.3 * field / (float(field.std()) or 1.0), 0, 1)
    return drawn


_OUTLINES: tuple[Callable[[np.random.Generator], NDArray[np.float64]], ...] = (
    _wobbly,
    _wobbly,
    _squarish,
    _crescent,
    _zigzag,
    _stepped,
)
_TEXTURES: tuple[Callable[[np.random.Generator, tuple[int, int], int], Floats], ...] = (
    _blotches, _blotches, _ripples, _plaid, _cells, _rays, _flecks,
)  # fmt: skip

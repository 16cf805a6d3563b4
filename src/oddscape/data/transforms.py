"""Changing the size, the part and the direction of a picture together with its truth.

Functions of a :class:`~oddscape.scenes.Scene` and, where chance decides, of an explicit generator. What
is padded has the given colour, label 255 and anomaly truth 255: to training it is like void.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oddscape.labels import IGNORED
from oddscape.scenes import Scene

Array = NDArray[np.uint8]
Colour = tuple[int, int, int]


def resize_image(image: Array, size: tuple[int, int]) -> Array:
    """Resize a picture uint8 [H, W, 3] to ``size`` = (H, W), bilinear; shrinking averages (Pillow)."""
    return _resize(image, size, Image.Resampling.BILINEAR)


def resize_mask(mask: Array, size: tuple[int, int]) -> Array:
    """Resize a mask uint8 [H, W] to ``size`` = (H, W): the nearest value, no new ones."""
    return _resize(mask, size, Image.Resampling.NEAREST)


def resize(scene: Scene, size: tuple[int, int]) -> Scene:
    """Resize a scene to ``size`` = (H, W)."""
    return _each(scene, lambda image: resize_image(image, size), lambda mask: resize_mask(mask, size))


def resize_shorter_side(scene: Scene, length: int) -> Scene:
    """Resize a scene so that its shorter side has ``length`` pixels; the longer one is rounded down."""
    height, width = scene.size
    shorter = min(height, width)
    return resize(scene, (height * length // shorter, width * length // shorter))


def random_scale(scene: Scene, rng: np.random.Generator, scale: tuple[float, float]) -> Scene:
    """Resize a scene by a coefficient drawn uniformly from ``scale``.

    The shorter side becomes int(coefficient · shorter side), at least 1 pixel.
    """
    length = int(rng.uniform(*scale) * min(scene.size))
    return resize_shorter_side(scene, max(length, 1))


def random_crop(scene: Scene, rng: np.random.Generator, size: tuple[int, int], pad_colour: Colour) -> Scene:
    """Cut ``size`` = (H, W) from a uniformly random place; below and to the right of a smaller scene pad."""
    top, left = (
        int(rng.integers(max(have - want, 0) + 1)) for have, want in zip(scene.size, size, strict=True)
    )
    part = np.s_[top : top + size[0], left : left + size[1]]
    return _each(
        scene,
        lambda image: _padded(image[part], size, pad_colour),
        lambda mask: _padded(mask[part], size, IGNORED),
    )


def random_flip(scene: Scene, rng: np.random.Generator) -> Scene:
    """Mirror left and right with probability one half."""
    return flip(scene) if rng.random() < 0.5 else scene


def flip(scene: Scene) -> Scene:
    """Mirror left and right."""
    return _each(scene, _mirrored, _mirrored)


def _mirrored(array: Array) -> Array:
    return np.ascontiguousarray(array[:, ::-1])


def _padded(array: Array, size: tuple[int, int], value: int | Colour) -> Array:
    if array.shape[:2] == size:
        return np.ascontiguousarray(array)
    out = np.empty((*size, *array.shape[2:]), np.uint8)
    out[:] = value
    out[: array.shape[0], : array.shape[1]] = array
    return out


def _resize(array: Array, size: tuple[int, int], resampling: Image.Resampling) -> Array:
    if array.shape[:2] == tuple(size):
        return array
    return np.array(Image.fromarray(array).resize((size[1], size[0]), resampling))


def _each(scene: Scene, on_image: Callable[[Array], Array], on_mask: Callable[[Array], Array]) -> Scene:
    return replace(
        scene,
        image=on_image(scene.image),
        labels=None if scene.labels is None else on_mask(scene.labels),
        anomaly=None if scene.anomaly is None else on_mask(scene.anomaly),
    )

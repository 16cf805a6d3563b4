"""Changing the size, the part and the direction of a picture together with its truth.

Chance, an explicit generator, draws a :class:`View`: where to look, before any pixel is touched. :func:`cut`
then takes it from a :class:`~oddscape.scenes.Scene` by one resize of nothing but what is seen. What is padded
has the given colour, label 255 and anomaly truth 255: to training it is like void.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from oddscape.labels import IGNORED
from oddscape.scenes import Scene

Array = NDArray[np.uint8]
Colour = tuple[int, int, int]


def resize_image(image: Array, size: tuple[int, int]) -> Array:
    """Resize uint8 [H, W, 3] or [H, W] to ``size`` = (H, W), bilinear; shrinking averages (Pillow)."""
    return _resize(image, size, Image.Resampling.BILINEAR)


def resize_mask(mask: Array, size: tuple[int, int]) -> Array:
    """Resize a mask uint8 [H, W] to ``size`` = (H, W): the nearest value, no new ones."""
    return _resize(mask, size, Image.Resampling.NEAREST)


def resize(scene: Scene, size: tuple[int, int]) -> Scene:
    """Resize a scene to ``size`` = (H, W)."""
    return _each(scene, lambda image: resize_image(image, size), lambda mask: resize_mask(mask, size))


def jitter_colours(image: Array, rng: np.random.Generator, strength: float) -> Array:
    """Change brightness, contrast and saturation of a picture uint8 [H, W, 3], in this order (Pillow).

    Args:
        image: the picture.
        rng: decides.
        strength: each is multiplied by a factor drawn from [1 − strength, 1 + strength], strength in [0, 1].
    """
    picture = Image.fromarray(image)
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        picture = enhance(picture).enhance(rng.uniform(1 - strength, 1 + strength))
    return np.array(picture)


@dataclass(frozen=True)
class View:
    """What is seen of a picture: a part of it, at some size, perhaps mirrored left and right.

    Args:
        scaled: (H, W) that the whole picture would be resized to.
        corner: row and column of the scaled picture at which the view begins.
        size: (H, W) of the view. It is padded where it reaches beyond the scaled picture.
        mirrored: whether left and right change places, padding included.
    """

    scaled: tuple[int, int]
    corner: tuple[int, int]
    size: tuple[int, int]
    mirrored: bool = False

    @property
    def shown(self) -> tuple[int, int]:
        """(H, W) of the view without its padding."""
        height, width = (
            min(want, have - start)
            for want, have, start in zip(self.size, self.scaled, self.corner, strict=True)
        )
        return height, width


def size_by_shorter_side(size: tuple[int, int], length: int) -> tuple[int, int]:
    """Scale ``size`` = (H, W) so that the shorter side has ``length`` pixels; the longer is rounded down."""
    height, width = size
    shorter = min(size)
    return height * length // shorter, width * length // shorter


def random_size(
    size: tuple[int, int], rng: np.random.Generator, scale: tuple[float, float]
) -> tuple[int, int]:
    """Scale ``size`` = (H, W) by a coefficient drawn uniformly from ``scale``.

    The shorter side becomes int(coefficient · shorter side), at least 1 pixel.
    """
    length = int(rng.uniform(*scale) * min(size))
    return size_by_shorter_side(size, max(length, 1))


def random_view(
    scaled: tuple[int, int], rng: np.random.Generator, size: tuple[int, int] | None, *, flip: bool = False
) -> View:
    """Draw a uniformly random place and, with probability one half where asked for, mirror it.

    Args:
        scaled: (H, W) that the whole picture is resized to.
        rng: decides; the place first.
        size: (H, W) of the view; a smaller picture is padded below and to the right. None: all of it.
        flip: whether the view may be mirrored.
    """
    corner = (0, 0) if size is None else _random_corner(scaled, size, rng)
    return View(scaled, corner, size or scaled, flip and rng.random() < 0.5)


def cut(scene: Scene, view: View, pad_colour: Colour) -> Scene:
    """Take a view of a scene; its arrays are new ones.

    The pixels are those of the whole picture resized to ``view.scaled`` as by :func:`resize`, which are cut,
    padded and mirrored afterwards, up to rounding. A label is the one whose pixel holds the point that the
    centre of the new pixel comes from, worked out in whole numbers.
    """
    return _each(scene, lambda image: _cut_image(image, view, pad_colour), lambda mask: _cut_mask(mask, view))


def _random_corner(
    scaled: tuple[int, int], size: tuple[int, int], rng: np.random.Generator
) -> tuple[int, int]:
    top, left = (int(rng.integers(max(have - want, 0) + 1)) for have, want in zip(scaled, size, strict=True))
    return top, left


def _cut_image(image: Array, view: View, pad_colour: Colour) -> Array:
    rows, columns = (_source(*side) for side in _sides(view, image))
    # Pillow copies what it is given into pixels of its own: the less the better.
    source = Image.fromarray(image[rows.given, columns.given])
    box = (columns.first, rows.first, columns.last, rows.last)
    picture = source.resize((view.shown[1], view.shown[0]), Image.Resampling.BILINEAR, box)
    if view.mirrored:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if view.shown != view.size:
        canvas = Image.new("RGB", view.size[::-1], pad_colour)
        canvas.paste(picture, (_padding_on_the_left(view), 0))
        picture = canvas
    return np.array(picture)


def _cut_mask(mask: Array, view: View) -> Array:
    rows, columns = (_nearest(*side) for side in _sides(view, mask))
    part: Array = mask.take(rows, 0).take(columns[::-1] if view.mirrored else columns, 1)
    if view.shown == view.size:
        return part
    padded = np.full(view.size, IGNORED, np.uint8)
    left = _padding_on_the_left(view)
    padded[: part.shape[0], left : left + part.shape[1]] = part
    return padded


def _padding_on_the_left(view: View) -> int:
    return view.size[1] - view.shown[1] if view.mirrored else 0


def _sides(view: View, array: Array) -> Iterator[tuple[int, int, int, int]]:
    """Of height and width each: the first pixel shown, how many are, how many there are and would be."""
    return zip(view.corner, view.shown, array.shape[:2], view.scaled, strict=True)


def _nearest(start: int, length: int, have: int, scaled: int) -> NDArray[np.intp]:
    """Which pixel each pixel's centre lies in: ⌊(i + ½) · have / scaled⌋."""
    return (2 * np.arange(start, start + length) + 1) * have // (2 * scaled)


class _Source(NamedTuple):
    """The pixels that a side is blended from, and where among them what is shown begins and ends."""

    given: slice
    first: float
    last: float


def _source(start: int, length: int, have: int, scaled: int) -> _Source:
    first, last = start * have / scaled, (start + length) * have / scaled
    # Bilinear blending reaches as far as a pixel is wide, the old or the new, whichever is larger.
    reach = math.ceil(max(have / scaled, 1)) + 1
    low, high = max(math.floor(first) - reach, 0), min(math.ceil(last) + reach, have)
    return _Source(slice(low, high), first - low, last - low)


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

"""Mixed content: whole objects of many sizes pasted over known pixels, as sharp as what they cover.

DenseHybrid pastes pieces of negatives at the size that a crop of them has (:mod:`oddscape.data.pasting`). A
network that never saw a small negative finds no small anomaly; and pictures that are enlarged are blurred,
so that sharpness alone would give a negative away. Here the size is drawn, and an object goes through the
same enlargement as the picture that it comes into.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from oddscape.data.dataset import Scenes
from oddscape.data.pasting import TrainingSample, unmixed
from oddscape.errors import OddscapeError
from oddscape.labels import IGNORED
from oddscape.scenes import Scene

SMALLEST_SEGMENT = 256
"""Pixels that an object has in its own picture at least, for it to be worth pasting."""

_TRIES = 8
_EIGHT_CONNECTED = np.ones((3, 3))


@dataclass(frozen=True)
class ObjectPasting:
    """How many objects are pasted into a picture, and how large.

    Args:
        count: range of their number, which is drawn uniformly.
        area: range of the share of the picture that one covers, in (0, 1]; drawn uniformly by its logarithm.
        tint: each colour channel of an object is multiplied by a factor drawn from [1 − tint, 1 + tint].

    Raises:
        OddscapeError: a range that is empty or out of bounds.
    """

    count: tuple[int, int] = (1, 3)
    area: tuple[float, float] = (5e-4, 0.2)
    tint: float = 0.1

    def __post_init__(self) -> None:
        fewest, most = self.count
        smallest, largest = self.area
        if not 0 <= fewest <= most:
            raise OddscapeError(f"objects {fewest} to {most}: expected two numbers, the smaller one first")
        if not 0 < smallest <= largest <= 1:
            raise OddscapeError(
                f"object_area {smallest:g} to {largest:g}: expected shares of a picture above 0 and up to 1, "
                "the smaller one first"
            )


class CutOut(NamedTuple):
    """An object without its surroundings.

    Args:
        image: uint8 [h, w, 3], RGB.
        cover: uint8 [h, w], how much of a pixel the object covers, 0 to 255.
    """

    image: NDArray[np.uint8]
    cover: NDArray[np.uint8]


def paste_objects(
    scene: Scene,
    negatives: Scenes,
    rng: np.random.Generator,
    pasting: ObjectPasting = ObjectPasting(),
    enlarged: float = 1.0,
) -> TrainingSample:
    """Paste objects of negatives at uniformly random places where they fit.

    Pixels of held-out classes (anomaly truth 1) keep what they show and stay left out. An object's rim
    blends with what it covers; a pixel is pasted where the object covers at least half of it, and void where
    it covers less. Where an object has not got pixels enough for its size it is enlarged, and so blurred.

    Args:
        scene: a crop for training, with class labels.
        negatives: where objects come from; their labels are ids of segments, 255 is never pasted.
        rng: decides.
        pasting: how many objects, and how large.
        enlarged: by what factor the scene's picture was enlarged; objects are as blurred. Below 1: not.

    Raises:
        OddscapeError: the scene has no class labels, or a negative no segments.
    """
    sample = unmixed(scene)
    image = sample.image.copy()  # the scene's own; labels and masks are the sample's
    sample = replace(sample, image=image)
    for _ in range(rng.integers(pasting.count[0], pasting.count[1] + 1)):
        cut_out = draw_object(negatives, rng)
        if cut_out is not None:
            area = np.exp(rng.uniform(*np.log(pasting.area))) * np.prod(scene.size)
            fitted = _fitted(cut_out, float(area), scene.size, max(enlarged, 1.0))
            _put(sample, _varied(fitted, rng, pasting.tint), rng)
    return sample


def draw_object(negatives: Scenes, rng: np.random.Generator) -> CutOut | None:
    """Cut an object out: of a random negative a random segment, of which one connected part.

    Parts smaller than :data:`SMALLEST_SEGMENT` are passed over, with another draw each; None where several
    draws find nothing else.

    Args:
        negatives: where objects come from; their labels are ids of segments, 255 is never pasted.
        rng: decides.

    Raises:
        OddscapeError: a negative has no segments.
    """
    for _ in range(_TRIES):
        scene = negatives[int(rng.integers(len(negatives)))]
        if scene.labels is None:
            raise OddscapeError(f"{scene.name}: a negative needs labels that tell its segments apart")
        present = np.flatnonzero(np.bincount(scene.labels.ravel(), minlength=256)[:IGNORED])
        if not present.size:
            continue
        parts, _ = ndimage.label(scene.labels == rng.choice(present), _EIGHT_CONNECTED)
        large = np.flatnonzero(np.bincount(parts.ravel())[1:] >= SMALLEST_SEGMENT) + 1
        if large.size:
            part = int(rng.choice(large))
            box = ndimage.find_objects(parts)[part - 1]
            return CutOut(scene.image[box], np.where(parts[box] == part, 255, 0).astype(np.uint8))
    return None


def _fitted(cut_out: CutOut, area: float, room: tuple[int, int], enlarged: float) -> CutOut:
    """An object of so many pixels, or of as many as there is room for, as blurred as by an enlargement."""
    height, width = cut_out.cover.shape
    covered = np.count_nonzero(cut_out.cover)
    scale = min((area / covered) ** 0.5, room[0] / height, room[1] / width)
    size = max(round(height * scale), 1), max(round(width * scale), 1)
    native = max(round(size[0] / enlarged), 1), max(round(size[1] / enlarged), 1)
    return CutOut(*(_resized(_resized(array, native), size) for array in cut_out))


def _resized(array: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if array.shape[:2] == size:
        return array
    return np.array(Image.fromarray(array).resize((size[1], size[0]), Image.Resampling.BILINEAR))


def _varied(cut_out: CutOut, rng: np.random.Generator, tint: float) -> CutOut:
    """An object perhaps mirrored, in colours a little different."""
    image, cover = (array[:, ::-1] for array in cut_out) if rng.random() < 0.5 else cut_out
    tinted = image * rng.uniform(1 - tint, 1 + tint, 3).astype(np.float32)
    return CutOut(tinted.clip(0, 255).astype(np.uint8), cover)


def _put(sample: TrainingSample, cut_out: CutOut, rng: np.random.Generator) -> None:
    """Paste an object into a sample's arrays at a random place."""
    height, width = cut_out.cover.shape
    top, left = (
        int(rng.integers(room - side + 1))
        for room, side in zip(sample.labels.shape, cut_out.cover.shape, strict=True)
    )
    place = slice(top, top + height), slice(left, left + width)
    cover = np.where(sample.left_out[place], 0, cut_out.cover)
    shown = sample.image[place]
    share = cover[..., None].astype(np.float32) / 255
    shown[:] = np.rint(shown + share * (cut_out.image.astype(np.float32) - shown))
    pasted = cover >= 128
    sample.labels[place][cover > 0] = IGNORED
    sample.pasted[place] |= pasted

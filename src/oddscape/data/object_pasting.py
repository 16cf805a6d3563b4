"""Mixed content: whole objects of many sizes pasted over known pixels, as sharp as what they cover.

DenseHybrid pastes pieces of negatives at the size that a crop of them has (:mod:`oddscape.data.pasting`). A
network that never saw a small negative finds no small anomaly; and pictures that are enlarged are blurred,
so that sharpness alone would give a negative away, as would another camera's light, or a seam. Here the size
is drawn; an object goes through the same enlargement as the picture that it comes into; its colours may be
brought near the picture's; and objects of known classes may be pasted in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from oddscape.data.dataset import Scenes
from oddscape.data.pasting import TrainingSample, random_place, unmixed
from oddscape.data.transforms import resize_image
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
        likeness: mean and deviation of an object's colours are brought nearer to those of the picture, by a
            share of the way drawn from [0, likeness]; up to 1.

    Raises:
        OddscapeError: a range that is empty or out of bounds.
    """

    count: tuple[int, int] = (1, 3)
    area: tuple[float, float] = (5e-4, 0.2)
    tint: float = 0.1
    likeness: float = 0.0

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


@dataclass(frozen=True, eq=False)
class KnownObjects:
    """Objects of known classes that are pasted like negatives, so that being pasted marks no anomaly.

    Args:
        scenes: where they come from; labels are ids of segments, 255 is never pasted.
        train_ids: the known class, by the id of a segment.
        count: range of their number in a picture.
    """

    scenes: Scenes
    train_ids: Mapping[int, int]
    count: tuple[int, int] = (0, 2)


class CutOut(NamedTuple):
    """An object without its surroundings.

    Args:
        image: uint8 [h, w, 3], RGB.
        cover: uint8 [h, w], how much of a pixel the object covers, 0 to 255.
        segment: id of its segment.
    """

    image: NDArray[np.uint8]
    cover: NDArray[np.uint8]
    segment: int


def paste_objects(
    scene: Scene,
    negatives: Scenes,
    rng: np.random.Generator,
    pasting: ObjectPasting = ObjectPasting(),
    enlarged: float = 1.0,
    known: KnownObjects | None = None,
) -> TrainingSample:
    """Paste objects of negatives, over those of known classes, at uniformly random places where they fit.

    Pixels of held-out classes (anomaly truth 1) keep what they show and stay left out. An object's rim
    blends with what it covers; a pixel is the object's where that covers at least half of it, and void where
    it covers less. Where an object has not got pixels enough for its size it is enlarged, and so blurred.

    Args:
        scene: a crop for training, with class labels.
        negatives: where objects come from; their labels are ids of segments, 255 is never pasted.
        rng: decides.
        pasting: how many objects, and how large.
        enlarged: by what factor the scene's picture was enlarged; objects are as blurred. Below 1: not.
        known: objects of known classes. None: none.

    Raises:
        OddscapeError: the scene has no class labels, or what objects come from no segments.
    """
    sample = unmixed(scene)
    image = sample.image.copy()  # the scene's own; labels and masks are the sample's
    sample = replace(sample, image=image)
    if known is not None:
        for cut_out in _objects(known.scenes, known.count, scene, rng, pasting, enlarged):
            _put(sample, cut_out, rng, known.train_ids[cut_out.segment])
    for cut_out in _objects(negatives, pasting.count, scene, rng, pasting, enlarged):
        _put(sample, cut_out, rng)
    return sample


def _objects(
    scenes: Scenes,
    count: tuple[int, int],
    scene: Scene,
    rng: np.random.Generator,
    pasting: ObjectPasting,
    enlarged: float,
) -> Iterator[CutOut]:
    """Objects that fit into a scene, a number of them out of a range."""
    for _ in range(rng.integers(count[0], count[1] + 1)):
        cut_out = draw_object(scenes, rng)
        if cut_out is not None:
            area = np.exp(rng.uniform(*np.log(pasting.area))) * np.prod(scene.size)
            fitted = _fitted(cut_out, float(area), scene.size, max(enlarged, 1.0))
            if pasting.likeness:
                fitted = _likened(fitted, scene.image, rng.uniform(0, pasting.likeness))
            yield _varied(fitted, rng, pasting.tint)


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
        segment = rng.choice(present)
        parts, _ = ndimage.label(scene.labels == segment, _EIGHT_CONNECTED)
        large = np.flatnonzero(np.bincount(parts.ravel())[1:] >= SMALLEST_SEGMENT) + 1
        if large.size:
            part = int(rng.choice(large))
            box = ndimage.find_objects(parts)[part - 1]
            cover = np.where(parts[box] == part, 255, 0).astype(np.uint8)
            return CutOut(scene.image[box], cover, int(segment))
    return None


def _fitted(cut_out: CutOut, area: float, room: tuple[int, int], enlarged: float) -> CutOut:
    """An object of so many pixels, or of as many as there is room for, as blurred as by an enlargement."""
    height, width = cut_out.cover.shape
    covered = np.count_nonzero(cut_out.cover)
    scale = min((area / covered) ** 0.5, room[0] / height, room[1] / width)
    size = max(round(height * scale), 1), max(round(width * scale), 1)
    native = max(round(size[0] / enlarged), 1), max(round(size[1] / enlarged), 1)
    image, cover = (resize_image(resize_image(array, native), size) for array in cut_out[:2])
    return cut_out._replace(image=image, cover=cover)


def _likened(cut_out: CutOut, image: NDArray[np.uint8], share: float) -> CutOut:
    """An object with mean and deviation of its colours brought nearer to a picture's."""
    inside = cut_out.image[cut_out.cover >= 128].astype(np.float32).reshape(-1, 3)
    if not len(inside):
        return cut_out
    there = image.reshape(-1, 3).astype(np.float32)
    mean, deviation = inside.mean(0), inside.std(0) + 1
    new_mean = mean + share * (there.mean(0) - mean)
    new_deviation = deviation + share * (there.std(0) + 1 - deviation)
    recoloured = (cut_out.image - mean) * (new_deviation / deviation) + new_mean
    return cut_out._replace(image=recoloured.clip(0, 255).astype(np.uint8))


def _varied(cut_out: CutOut, rng: np.random.Generator, tint: float) -> CutOut:
    """An object perhaps mirrored, in colours a little different."""
    mirrored = rng.random() < 0.5
    image, cover = (array[:, ::-1] if mirrored else array for array in cut_out[:2])
    tinted = image * rng.uniform(1 - tint, 1 + tint, 3).astype(np.float32)
    return cut_out._replace(image=tinted.clip(0, 255).astype(np.uint8), cover=cover)


def _put(
    sample: TrainingSample, cut_out: CutOut, rng: np.random.Generator, train_id: int | None = None
) -> None:
    """Paste an object into a sample's arrays at a random place, as a negative or as of a known class."""
    place = random_place(cut_out.cover.shape, sample.labels.shape, rng)
    cover = np.where(sample.left_out[place], 0, cut_out.cover)
    shown = sample.image[place]
    share = cover[..., None].astype(np.float32) / 255
    shown[:] = np.rint(shown + share * (cut_out.image.astype(np.float32) - shown))
    own = cover >= 128
    sample.labels[place][cover > 0] = IGNORED
    if train_id is None:
        sample.pasted[place] |= own
    else:
        sample.labels[place][own] = train_id

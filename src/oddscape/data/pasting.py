"""Mixed content: pieces of negatives pasted over known pixels (Grcić et al., DenseHybrid, ECCV 2022)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from oddscape.errors import OddscapeError
from oddscape.labels import IGNORED
from oddscape.scenes import Scene

RECTANGLE_SIDES = (16, 8)
"""The shortest side of a pasted rectangle and the step to the next one, in pixels."""


@dataclass(frozen=True, eq=False)
class TrainingSample:
    """A picture with what each of its pixels is to training.

    A pixel of label 255 that is neither pasted nor left out is void or padding.

    Args:
        image: uint8 [H, W, 3], RGB.
        labels: uint8 [H, W], train ids; 255 where void, padded, pasted or left out.
        pasted: bool [H, W], pixels of a negative.
        left_out: bool [H, W], pixels of held-out classes, which belong to no term of any loss.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    pasted: NDArray[np.bool_]
    left_out: NDArray[np.bool_]


def unmixed(scene: Scene) -> TrainingSample:
    """Give a scene as a sample with nothing pasted.

    Raises:
        OddscapeError: the scene has no class labels.
    """
    if scene.labels is None:
        raise OddscapeError(f"{scene.name}: no class labels to train on")
    left_out = np.zeros(scene.size, bool) if scene.anomaly is None else scene.anomaly == 1
    labels = np.where(left_out, IGNORED, scene.labels)
    return TrainingSample(scene.image, labels, np.zeros(scene.size, bool), left_out)


def paste(
    scene: Scene, negative: Scene, rng: np.random.Generator, rectangle_probability: float = 0.5
) -> TrainingSample:
    """Paste a piece of a negative at a uniformly random place where its bounding box fits.

    Pixels of held-out classes (anomaly truth 1) keep what they show and stay left out. Nothing is pasted
    where the negative shows nothing that may be.

    Args:
        scene: a crop for training, with class labels.
        negative: a patch no larger than the crop; its labels are ids of segments, 255 is never pasted.
        rng: decides on the piece and the place.
        rectangle_probability: see :func:`draw_piece`.

    Raises:
        OddscapeError: the scene has no class labels, the negative no segments, or it is the larger one.
    """
    sample = unmixed(scene)
    piece = draw_piece(_segments(negative, scene.size), rng, rectangle_probability)
    if not piece.any():
        return sample
    box = _bounding_box(piece)
    place = random_place(piece[box].shape, scene.size, rng)
    shown = piece[box] & ~sample.left_out[place]
    image = sample.image.copy()  # the scene's own; labels and masks are the sample's
    np.copyto(image[place], negative.image[box], where=shown[..., None])
    sample.labels[place][shown] = IGNORED
    sample.pasted[place] = shown
    return replace(sample, image=image)


def draw_piece(
    segments: NDArray[np.uint8], rng: np.random.Generator, rectangle_probability: float = 0.5
) -> NDArray[np.bool_]:
    """Draw which pixels of a patch to paste.

    With ``rectangle_probability`` the pixels in a random rectangle, whose sides are drawn from 16, 24,
    32, … below the shorter side; else all pixels of two segments drawn with replacement from those
    present. Pixels of 255 are never among them; a rectangle that holds nothing else gives way to segments.

    Args:
        segments: uint8 [H, W], ids of segments; 255 is never pasted.
        rng: decides.
        rectangle_probability: from 0 to 1.

    Returns:
        bool [H, W]; all False where every pixel is 255.
    """
    pasteable: NDArray[np.bool_] = segments != IGNORED
    if rng.random() < rectangle_probability:
        piece: NDArray[np.bool_] = _random_rectangle(segments.shape, rng) & pasteable
        if piece.any():
            return piece
    present = np.flatnonzero(np.bincount(segments.ravel(), minlength=256)[:IGNORED])
    if not present.size:
        return pasteable
    first, second = rng.choice(present, 2)
    both: NDArray[np.bool_] = (segments == first) | (segments == second)
    return both


def _random_rectangle(size: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.bool_]:
    rectangle = np.zeros(size, bool)
    shortest, step = RECTANGLE_SIDES
    sides = range(shortest, min(size), step)
    if sides:
        rectangle[random_place(rng.choice(sides, 2), size, rng)] = True
    return rectangle


def random_place(
    inner: tuple[int, ...] | NDArray[np.integer], outer: tuple[int, ...], rng: np.random.Generator
) -> tuple[slice, slice]:
    """Draw where an array of size ``inner`` lies in one of size ``outer``: rows and columns."""
    top, left = (rng.integers(room - need + 1) for room, need in zip(outer, inner, strict=True))
    return slice(top, top + inner[0]), slice(left, left + inner[1])


def _bounding_box(piece: NDArray[np.bool_]) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(piece.any(axis=1)), np.flatnonzero(piece.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _segments(negative: Scene, size: tuple[int, int]) -> NDArray[np.uint8]:
    if negative.labels is None:
        raise OddscapeError(f"{negative.name}: a negative needs labels that tell its segments apart")
    (height, width), (room_down, room_across) = negative.size, size
    if height > room_down or width > room_across:
        raise OddscapeError(f"a negative of {width}x{height} does not fit into {room_across}x{room_down}")
    return negative.labels

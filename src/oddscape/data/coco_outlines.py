"""COCO's pictures with outlines of objects (Lin et al., ECCV 2014) as negatives.

``<directory>/images/<split>/<id>.jpg`` with ``<directory>/labels/<split>/<id>.txt``. Each line of a text
file outlines one object: ``category x y x y …``, the category by its position in :data:`CATEGORIES`, x
and y as shares of the picture's width and height.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from oddscape.data.dataset import Dataset, Entry
from oddscape.data.layout import existing, pictures_in
from oddscape.data.truth import Truth
from oddscape.errors import OddscapeError
from oddscape.labels import IGNORED

CATEGORIES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow",
    "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee",
    "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard",
    "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple",
    "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch",
    "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard",
    "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase",
    "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip
"""COCO's 80 categories of objects in their usual order."""

ROAD_CATEGORIES = (
    "person", "bicycle", "car", "motorcycle", "bus", "train", "truck", "traffic light", "fire hydrant",
    "stop sign", "parking meter",
)  # fmt: skip
"""What belongs on a road, and so is no negative."""

_EXPECTED = "expected images/<split>/<id>.jpg and labels/<split>/<id>.txt"

Outline = tuple[int, list[float]]
"""A category and its corners, x and y in turn."""


def coco_outlines(
    directory: Path, split: str = "train2017", exclude: Sequence[str] = ROAD_CATEGORIES
) -> Dataset:
    """Open COCO pictures as negatives, those alone that show an object which may be pasted.

    A scene's labels are the category's number inside an outline and 255, which is never pasted, elsewhere
    and wherever an excluded object's outline lies, alone or over another. Where outlines of objects that
    may be pasted overlap, the later one counts. A picture without a text file shows no object.

    Args:
        directory: the folder that holds ``images`` and ``labels``.
        split: the name of the folder in both, such as ``"train2017"``.
        exclude: names of categories that are never pasted.

    Raises:
        OddscapeError: a category is unknown; a folder is missing; a text file is no list of outlines; no
            picture shows an object that may be pasted.
    """
    unknown = [name for name in exclude if name not in CATEGORIES]
    if unknown:
        raise OddscapeError(f"COCO has no category {', '.join(unknown)}; it has {', '.join(CATEGORIES)}")
    excluded = frozenset(CATEGORIES.index(name) for name in exclude)
    texts = existing(directory / "labels" / split, _EXPECTED)
    images = pictures_in(directory / "images" / split, _EXPECTED)
    pairs = [(image, texts / f"{image.stem}.txt") for image in images]
    entries = tuple(
        Entry(image.stem, image, text) for image, text in pairs if _shows_negative(text, excluded)
    )
    if not entries:
        raise OddscapeError(f"no object that may be pasted in {texts}; excluded are {', '.join(exclude)}")
    return Dataset("coco-outlines", None, entries, partial(_read_segments, excluded=excluded))


def coco_outlines_of(directory: Path, names: Sequence[str], split: str = "train2017") -> Dataset:
    """Open COCO pictures with the outlines of some categories alone (see :func:`coco_outlines`).

    Raises:
        OddscapeError: as :func:`coco_outlines`.
    """
    if unknown := [name for name in names if name not in CATEGORIES]:
        raise OddscapeError(f"COCO has no category {', '.join(unknown)}; it has {', '.join(CATEGORIES)}")
    return coco_outlines(directory, split, [name for name in CATEGORIES if name not in names])


def _shows_negative(text: Path, excluded: frozenset[int]) -> bool:
    return text.is_file() and any(category not in excluded for category, _ in _read_outlines(text))


def _read_segments(text: Path, size: tuple[int, int], excluded: frozenset[int]) -> Truth:
    segments = Image.new("L", (size[1], size[0]), IGNORED)
    draw = ImageDraw.Draw(segments)
    # The excluded come last, so that they cover whatever else lies there.
    for category, shares in sorted(_read_outlines(text), key=lambda outline: outline[0] in excluded):
        corners = (np.reshape(shares, (-1, 2)) * (size[1], size[0])).ravel().tolist()
        draw.polygon(corners, fill=IGNORED if category in excluded else category)
    return np.array(segments), None


def _read_outlines(text: Path) -> list[Outline]:
    lines = text.read_text().splitlines()
    return [_outline(line, f"{text}:{number}") for number, line in enumerate(lines, 1) if line.strip()]


def _outline(line: str, where: str) -> Outline:
    category, *shares = line.split()
    if not (category.isdecimal() and int(category) < len(CATEGORIES)):
        raise OddscapeError(f"{where}: unknown category {category!r}: COCO has 0 to {len(CATEGORIES) - 1}")
    try:
        numbers = [float(share) for share in shares]
    except ValueError as error:
        raise OddscapeError(f"{where}: an outline is made of numbers: {error}") from error
    if len(numbers) < 6 or len(numbers) % 2 or not all(0 <= number <= 1 for number in numbers):
        raise OddscapeError(f"{where}: an outline has at least three pairs x y, each from 0 to 1")
    return int(category), numbers

"""StreetHazards (Hendrycks et al., ICML 2022), in the two readings of its labels; the made town reads alike.

``<directory>/train/{images,annotations}/{training,validation}/<town>/<n>.png`` and
``<directory>/test/{images,annotations}/test/<town>/<n>.png``. Figures of the two readings do not compare.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from oddscape.data.dataset import Dataset, Entry
from oddscape.data.layout import folders_in, partners, pictures_in
from oddscape.data.truth import read_labels
from oddscape.errors import OddscapeError
from oddscape.labels import LabelSpace

SPLITS = {"training": "train", "validation": "train", "test": "test"}
"""Split → the folder of the archive that it lies in."""

_EXPECTED = (
    "expected train/{images,annotations}/{training,validation}/<town>/<n>.png "
    "and test/{images,annotations}/test/<town>/<n>.png"
)

# By raw label, which begins at 1. Raw 0 is no part of the data set, so it is an error.
_CLASSES = {
    "background": (112, 160, 208),
    "building": (96, 88, 84),
    "fence": (190, 153, 120),
    "other": (72, 40, 110),
    "person": (220, 30, 50),
    "pole": (170, 170, 170),
    "road line": (250, 250, 220),
    "road": (104, 72, 120),
    "sidewalk": (200, 170, 196),
    "vegetation": (80, 140, 50),
    "car": (30, 50, 190),
    "wall": (128, 124, 160),
    "traffic sign": (240, 215, 20),
}
_ANOMALY = 14


def _label_space(name: str, ignored: frozenset[int]) -> LabelSpace:
    known = [(raw, name) for raw, name in enumerate(_CLASSES, start=1) if raw not in ignored]
    return LabelSpace(
        name=name,
        classes=tuple(name for _, name in known),
        colours=tuple(_CLASSES[name] for _, name in known),
        raw_to_train={raw: train for train, (raw, _) in enumerate(known)},
        anomalies=frozenset({_ANOMALY}),
        ignored=ignored,
    )


STREETHAZARDS_12 = _label_space("streethazards-12", ignored=frozenset({4}))
"""DenseHybrid's reading: 12 classes; "other" (raw 4) is ignored, in anomaly figures too."""

STREETHAZARDS_13 = _label_space("streethazards-13", ignored=frozenset())
"""The reading of its authors and of DiCNet: 13 classes, "other" among them; nothing is ignored."""


def streethazards(directory: Path, split: str = "test") -> Dataset:
    """Open StreetHazards as DenseHybrid reads it: 12 classes, "other" ignored; a fold is a town.

    Args:
        directory: the folder that holds ``train`` and ``test``.
        split: ``"training"``, ``"validation"`` or ``"test"``.

    Raises:
        OddscapeError: the split is unknown; a folder or a label file is missing; there are no pictures.
    """
    return _open("streethazards", directory, split, STREETHAZARDS_12)


def streethazards_13(directory: Path, split: str = "test") -> Dataset:
    """Open StreetHazards as its authors and DiCNet read it: 13 classes (see :func:`streethazards`)."""
    return _open("streethazards-13", directory, split, STREETHAZARDS_13)


def town(directory: Path, split: str = "test") -> Dataset:
    """Open a synthetic town made by ``oddscape town make``; 12 classes (see :func:`streethazards`)."""
    return _open("town", directory, split, STREETHAZARDS_12)


def _open(name: str, directory: Path, split: str, label_space: LabelSpace) -> Dataset:
    if split not in SPLITS:
        raise OddscapeError(f"unknown split {split!r} of {name}; it has {', '.join(SPLITS)}")
    root = directory / SPLITS[split]
    towns = folders_in(root / "images" / split, _EXPECTED)
    entries = (entry for town in towns for entry in _town_entries(town, root / "annotations" / split))
    return Dataset(name, label_space, tuple(entries), partial(read_labels, label_space=label_space))


def _town_entries(town: Path, annotations: Path) -> list[Entry]:
    images = pictures_in(town, _EXPECTED)
    truths = partners(images, annotations / town.name, _EXPECTED)
    return [
        Entry(f"{town.name}/{image.stem}", image, truth, fold=town.name)
        for image, truth in zip(images, truths, strict=True)
    ]

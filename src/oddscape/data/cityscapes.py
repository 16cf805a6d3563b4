"""Cityscapes (Cordts et al., CVPR 2016), what most networks for road scenes are trained on.

``<directory>/leftImg8bit/<split>/<city>/<id>_leftImg8bit.png`` with
``<directory>/gtFine/<split>/<city>/<id>_gtFine_labelIds.png``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from oddscape.data.dataset import Dataset, Entry, class_dataset
from oddscape.data.layout import existing, mirrored, one_of, pictures_below
from oddscape.labels import CITYSCAPES

SPLITS = ("train", "val")
_ENDING = "_leftImg8bit"
_EXPECTED = (
    "expected leftImg8bit/<split>/<city>/<id>_leftImg8bit.png "
    "and gtFine/<split>/<city>/<id>_gtFine_labelIds.png"
)

# The official table: the label ids of train ids 0 to 18. The other ids, up to 33, are void or too rare.
_LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)

CITYSCAPES_FINE = replace(
    CITYSCAPES,
    raw_to_train={raw: train for train, raw in enumerate(_LABEL_IDS)},
    ignored=frozenset(range(34)) - set(_LABEL_IDS),
)
"""The 19 classes with the values of ``*_gtFine_labelIds.png``."""


def cityscapes(directory: Path, split: str = "val") -> Dataset:
    """Open Cityscapes: 19 known classes, no anomalies; void and the rare classes are ignored.

    Args:
        directory: the folder that holds ``leftImg8bit`` and ``gtFine``.
        split: ``"train"`` or ``"val"``; the labels of the test split are not public.

    Raises:
        OddscapeError: the split is unknown; a folder is missing; there are no pictures.
    """
    one_of("cityscapes", split, SPLITS)
    images, truths = directory / "leftImg8bit" / split, directory / "gtFine" / split
    existing(truths, _EXPECTED)
    pictures = pictures_below(images, _EXPECTED, _ENDING)
    entries = (
        Entry(
            image.stem.removesuffix(_ENDING),
            image,
            mirrored(image, _ENDING, images, truths, "_gtFine_labelIds.png"),
        )
        for image in pictures
    )
    return class_dataset("cityscapes", CITYSCAPES_FINE, entries, "Cityscapes' own, fine labels")

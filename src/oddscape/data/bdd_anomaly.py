"""BDD-Anomaly (Hendrycks et al., ICML 2022): BDD100K's segmentation, three of its classes held out.

``<directory>/images/{train,val}/<id>.jpg`` with ``<directory>/labels/{train,val}/<id>_train_id.png``, or, in
BDD100K's later archives, ``<directory>/images/10k/{train,val}/<id>.jpg`` with
``<directory>/labels/sem_seg/masks/{train,val}/<id>.png``.
"""

from __future__ import annotations

from pathlib import Path

from oddscape.data.dataset import Dataset, Entry, class_dataset
from oddscape.data.layout import one_of, partners, pictures_in
from oddscape.data.selection import entries_whose_mask
from oddscape.errors import OddscapeError
from oddscape.labels import CITYSCAPES, LabelSpace

SPLITS = {"train": ("train",), "validation": ("val",), "test": ("train", "val")}
"""Split → the folders of BDD100K that its pictures come from."""

_EXPECTED = "expected images/{train,val}/<id>.jpg and labels/{train,val}/<id>_train_id.png"
_ANOMALIES = (16, 17, 18)

BDD_ANOMALY = LabelSpace(
    "bdd-anomaly",
    CITYSCAPES.classes[:16],
    CITYSCAPES.colours[:16],
    {train: train for train in range(16)},
    frozenset(_ANOMALIES),
    frozenset({255}),
)
"""Cityscapes' classes up to the bus; train, motorcycle and bicycle (16, 17, 18) are anomalies."""


def bdd_anomaly(directory: Path, split: str = "test") -> Dataset:
    """Open BDD-Anomaly, whose splits follow from the labels; to tell them, all masks are read once.

    Args:
        directory: the folder that holds ``images`` and ``labels``.
        split: ``"test"``: the pictures of BDD100K's train and val folders that show a train, a motorcycle or
            a bicycle (810). ``"train"`` and ``"validation"``: the others of each folder (6,280 and 910).

    Raises:
        OddscapeError: the split is unknown; a folder is missing; there are no such pictures.
    """
    folders = SPLITS[one_of("bdd-anomaly", split, SPLITS)]
    later = (directory / "images" / "10k").is_dir()
    entries = [entry for folder in folders for entry in _entries(directory, folder, later)]
    chosen = entries_whose_mask(
        entries, lambda there: bool(there[list(_ANOMALIES)].any()) == (split == "test")
    )
    if not chosen:
        raise OddscapeError(f"bdd-anomaly: no picture of split {split} in {directory}")
    packaging = "BDD100K's archives of 2020" if later else "BDD100K's segmentation archive"
    return class_dataset("bdd-anomaly", BDD_ANOMALY, chosen, packaging)


def _entries(directory: Path, folder: str, later: bool) -> list[Entry]:
    if later:
        images, truths = directory / "images" / "10k", directory / "labels" / "sem_seg" / "masks"
    else:
        images, truths = directory / "images", directory / "labels"
    name = "{}.png" if later else "{}_train_id.png"
    pictures = pictures_in(images / folder, _EXPECTED)
    masks = partners(pictures, truths / folder, _EXPECTED, (name,))
    return [Entry(image.stem, image, truth) for image, truth in zip(pictures, masks, strict=True)]

"""IDD-Lite (Varma et al., WACV 2019): a small set of Indian roads with seven classes.

``<directory>/leftImg8bit/{train,val}/<drive>/<n>_image.jpg`` with
``<directory>/gtFine/{train,val}/<drive>/<n>_label.png``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from oddscape.data.dataset import Dataset, Entry, class_dataset
from oddscape.data.label_spaces import held_out_values, numbered_classes
from oddscape.data.layout import existing, mirrored, one_of, pictures_below

SPLITS = ("train", "val")
_ENDING = "_image"
_EXPECTED = (
    "expected leftImg8bit/{train,val}/<drive>/<n>_image.jpg and gtFine/{train,val}/<drive>/<n>_label.png"
)

# By raw label, which begins at 0.
_CLASSES = {
    "drivable": (128, 64, 128),
    "non-drivable": (244, 35, 232),
    "living things": (220, 20, 60),
    "vehicles": (0, 0, 142),
    "roadside objects": (190, 153, 153),
    "far objects": (70, 70, 70),
    "sky": (112, 160, 208),
}


def idd_lite(directory: Path, split: str = "val", held_out: str | Sequence[str] = ()) -> Dataset:
    """Open IDD-Lite; a sequence is a drive.

    Args:
        directory: the folder that holds ``leftImg8bit`` and ``gtFine``.
        split: ``"train"`` or ``"val"``.
        held_out: names of classes that are anomalies, also as one text with commas.

    Raises:
        OddscapeError: an option is unknown; a folder is missing; there are no pictures.
    """
    one_of("idd-lite", split, SPLITS)
    anomalies = held_out_values("idd-lite", _CLASSES, held_out)
    space = numbered_classes("idd-lite-{}", _CLASSES, anomalies=anomalies, ignored={255})
    images, truths = directory / "leftImg8bit" / split, directory / "gtFine" / split
    existing(truths, _EXPECTED)
    pictures = pictures_below(images, _EXPECTED, _ENDING)
    entries = (_entry(image, mirrored(image, _ENDING, images, truths, "_label.png")) for image in pictures)
    return class_dataset("idd-lite", space, entries, "IDD-Lite's own")


def _entry(image: Path, truth: Path) -> Entry:
    drive = image.parent.name
    return Entry(f"{drive}/{image.stem.removesuffix(_ENDING)}", image, truth, sequence=drive)

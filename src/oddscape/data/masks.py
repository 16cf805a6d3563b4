"""Pictures beside masks that say where the anomaly is and name no class.

``<directory>/images/<id>.{png,jpg,webp}`` with ``<directory>/labels_masks/<id>_labels_semantic.png``
(SegmentMeIfYouCan's archives) or ``<id>.png`` (the usual re-packaging of the field's sets), or the folders
``original`` and ``labels``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from oddscape.data.dataset import Dataset, Entry, anomaly_dataset
from oddscape.data.label_spaces import mask_values
from oddscape.data.layout import existing, partners, pictures_in

LAYOUT = "images/<id>.{png,jpg,webp} and labels_masks/<id>.png or <id>_labels_semantic.png"
_EXPECTED = f"expected {LAYOUT}"

_FOLDERS = (("images", "labels_masks"), ("original", "labels"))
_NAMES = ("{}_labels_semantic.png", "{}.png")


@dataclass(frozen=True)
class PicturesBesideMasks:
    """Pictures, where the mask of each should lie, and what the folders are called.

    Args:
        pairs: picture and mask, in natural order of the pictures.
        packaging: the folders and the names of the masks, in words.
    """

    pairs: tuple[tuple[Path, Path], ...]
    packaging: str


def find_masks(directory: Path, expected: str = _EXPECTED, frames: str = "*") -> PicturesBesideMasks:
    """Find pictures, and the mask of each, in one of the usual pairs of folders.

    Args:
        directory: the folder that holds both folders.
        expected: the layouts of the data set, for the error.
        frames: a glob pattern that the pictures' file names match.

    Raises:
        OddscapeError: a folder is missing, or there are no pictures.
    """
    existing(directory, expected)
    images, masks = next((pair for pair in _FOLDERS if (directory / pair[0]).is_dir()), _FOLDERS[0])
    pictures = pictures_in(directory / images, expected, frames)
    folder = existing(directory / masks, expected)
    # Where some masks have the longer name, one that is missing should have it too.
    names = _NAMES if any(folder.glob(_NAMES[0].format("*"))) else _NAMES[::-1]
    truths = partners(pictures, folder, expected, names)
    packaging = f"{images}/ beside {masks}/{names[0].format('<id>')}"
    return PicturesBesideMasks(tuple(zip(pictures, truths, strict=True)), packaging)


def masks(directory: Path, frames: str = "*") -> Dataset:
    """Open pictures with masks of 0 known, 1 anomaly, 255 ignored.

    Args:
        directory: the folder that holds ``images`` and ``labels_masks``.
        frames: a glob pattern of file names in ``images``, such as ``"winter*"``.

    Raises:
        OddscapeError: a folder is missing, or there are no pictures.
    """
    found = find_masks(directory, frames=frames)
    entries = (Entry(image.stem, image, truth) for image, truth in found.pairs)
    return anomaly_dataset("masks", mask_values("masks"), entries, found.packaging)

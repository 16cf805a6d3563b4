"""Fishyscapes (Blum et al., IJCV 2021): the validation sets of Lost & Found and of Static.

Lost & Found comes as the benchmark's masks ``fishyscapes_lostandfound/<n>_<id>_labels.png`` beside the
pictures of Lost and Found, ``leftImg8bit/**/<id>_leftImg8bit.png``; as DenseHybrid packed it,
``leftImg8bit/**/<id>_leftImg8bit.png`` with ``ood/**/<id>_ood_segmentation.png``; or as pictures beside
masks (see :mod:`oddscape.data.masks`). Static comes as ``**/<id>_rgb.{jpg,png}`` with
``**/<id>_labels.png``, in three versions that differ in how the objects are blended in, or as pictures
beside masks.
"""

from __future__ import annotations

import re
from pathlib import Path

from oddscape.data.dataset import Dataset, Entry, anomaly_dataset
from oddscape.data.label_spaces import mask_values
from oddscape.data.layout import PICTURE_SUFFIXES, existing, mirrored, pictures_below, pictures_in
from oddscape.data.lost_and_found import ENDING, sequence_of
from oddscape.data.masks import LAYOUT, PicturesBesideMasks, find_masks
from oddscape.errors import OddscapeError

_MASKS_FOLDER = "fishyscapes_lostandfound"
_EXPECTED_LOST_AND_FOUND = (
    f"expected leftImg8bit/**/<id>_leftImg8bit.png with {_MASKS_FOLDER}/<n>_<id>_labels.png "
    f"or ood/**/<id>_ood_segmentation.png, or {LAYOUT}"
)
_EXPECTED_STATIC = f"expected **/<id>_rgb.jpg and **/<id>_labels.png, or {LAYOUT}"


def fishyscapes_lost_and_found(directory: Path) -> Dataset:
    """Open Fishyscapes Lost & Found: 0 known, 1 anomaly, ignored 255 (2 in DenseHybrid's packaging).

    A sequence is a recording of Lost and Found, where the pictures bear its names.

    Raises:
        OddscapeError: a folder is missing, or there are no pictures.
    """
    name = "fishyscapes-lost-and-found"
    existing(directory, _EXPECTED_LOST_AND_FOUND)
    if (directory / "ood").is_dir():
        found, ignored = _densehybrid(directory), 2
    elif (directory / _MASKS_FOLDER).is_dir():
        found, ignored = _beside_lost_and_found(directory), 255
    else:
        found, ignored = find_masks(directory, _EXPECTED_LOST_AND_FOUND), 255
    entries = [_entry(image, truth) for image, truth in found.pairs]
    return anomaly_dataset(name, mask_values(name, ignored=(ignored,)), entries, found.packaging)


def fishyscapes_static(directory: Path, version: str = "") -> Dataset:
    """Open Fishyscapes Static: 0 known, 1 anomaly, 255 ignored.

    Args:
        directory: a folder anywhere below which the pictures and masks lie.
        version: ``"1"``, ``"2"`` or ``"3"``: only what lies in a folder named so, as ``fs_val_v3`` is; needed
            where several versions lie there.

    Raises:
        OddscapeError: the folder is missing; there are no pictures, or several versions of them.
    """
    existing(directory, _EXPECTED_STATIC)
    beside = not version and any((directory / folder).is_dir() for folder in ("images", "original"))
    found = find_masks(directory, _EXPECTED_STATIC) if beside else _static(directory, version)
    entries = (Entry(image.stem.removesuffix("_rgb"), image, truth) for image, truth in found.pairs)
    packaging = f"{found.packaging}; {_version_in_words(found.pairs[0][0], directory)}"
    return anomaly_dataset("fishyscapes-static", mask_values("fishyscapes-static"), entries, packaging)


def _entry(image: Path, truth: Path) -> Entry:
    name = image.stem.removesuffix(ENDING)
    return Entry(name, image, truth, sequence=sequence_of(name))


def _densehybrid(directory: Path) -> PicturesBesideMasks:
    images, truths = directory / "leftImg8bit", directory / "ood"
    pictures = pictures_below(images, _EXPECTED_LOST_AND_FOUND, ENDING)
    pairs = tuple(
        (image, mirrored(image, ENDING, images, truths, "_ood_segmentation.png")) for image in pictures
    )
    return PicturesBesideMasks(pairs, "DenseHybrid's: leftImg8bit/ beside ood/, 2 is ignored")


def _beside_lost_and_found(directory: Path) -> PicturesBesideMasks:
    """The masks choose among the pictures of Lost and Found, of which they are a few."""
    masks = pictures_in(directory / _MASKS_FOLDER, _EXPECTED_LOST_AND_FOUND, "*_labels.png")
    pictures = pictures_below(directory / "leftImg8bit", _EXPECTED_LOST_AND_FOUND, ENDING)
    by_id = {image.stem.removesuffix(ENDING): image for image in pictures}
    ids = [re.sub(r"^\d{4}_", "", mask.stem).removesuffix("_labels") for mask in masks]
    wanted = [by_id.get(id_, directory / "leftImg8bit" / f"{id_}{ENDING}.png") for id_ in ids]
    packaging = "the benchmark's masks beside Lost and Found's pictures"
    return PicturesBesideMasks(tuple(zip(wanted, masks, strict=True)), packaging)


def _static(directory: Path, version: str) -> PicturesBesideMasks:
    _refuse_overlays(directory)
    pictures = pictures_below(directory, _EXPECTED_STATIC, "_rgb")
    version = _one_version(directory, {_version(image, directory) for image in pictures}, version)
    masks = {
        mask.name: mask
        for mask in directory.rglob("*_labels.png")
        if _version(mask, directory) in ("", version)
    }
    chosen = [image for image in pictures if _version(image, directory) == version]
    names = [image.stem.removesuffix("_rgb") + "_labels.png" for image in chosen]
    pairs = (
        (image, masks.get(name, image.with_name(name))) for image, name in zip(chosen, names, strict=True)
    )
    return PicturesBesideMasks(tuple(pairs), "the benchmark's names: <id>_rgb beside <id>_labels")


def _one_version(directory: Path, there: set[str], wanted: str) -> str:
    if wanted and wanted in there:
        return wanted
    if not wanted and len(there) == 1:
        return next(iter(there))
    names = ", ".join(sorted(there - {""})) or "none by name"
    if wanted:
        raise OddscapeError(f"fishyscapes-static: no version {wanted!r} below {directory}; there is {names}")
    raise OddscapeError(
        f"fishyscapes-static: versions {names} lie below {directory}: open the folder of one, or give version"
    )


def _refuse_overlays(directory: Path) -> None:
    pictures = (path for path in directory.rglob("*_rgb.*") if path.suffix.lower() in PICTURE_SUFFIXES)
    if not any(pictures) and any(directory.rglob("*.npz")):
        raise OddscapeError(
            f"{directory} holds Fishyscapes' overlays (*.npz), not pictures: lay them over Cityscapes' "
            "validation pictures with the benchmark's program first"
        )


def _version(path: Path, directory: Path) -> str:
    """The version in the name of the nearest folder that bears one, as in ``fs_val_v2``; empty for none."""
    folders = [directory.resolve().name, *path.relative_to(directory).parts[:-1]]
    matches = (re.search(r"v([123])$", folder, re.IGNORECASE) for folder in reversed(folders))
    return next((match[1] for match in matches if match), "")


def _version_in_words(image: Path, directory: Path) -> str:
    version = _version(image, directory)
    return f"version {version}" if version else "its version cannot be told: no folder is named …_v1 to …_v3"

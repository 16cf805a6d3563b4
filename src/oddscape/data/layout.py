"""Finding the files of a data set; what is missing is named exactly."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from oddscape.errors import OddscapeError

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
"""What data sets keep pictures in."""

ANY_PICTURE_SUFFIXES = (*PICTURE_SUFFIXES, ".bmp", ".tif", ".tiff")
"""What people keep pictures in."""


def natural_order(path: Path) -> tuple[list[str | int], str]:
    """Sort key of file names in which 2 comes before 10."""
    parts = re.split(r"(\d+)", path.name)
    return [int(part) if part.isdecimal() else part for part in parts], path.name


def pictures_in(folder: Path, expected: str, pattern: str = "*") -> list[Path]:
    """List the pictures of a folder in natural order.

    Args:
        folder: where they lie; folders below it are not looked into.
        expected: the layout of the data set, for the error.
        pattern: a glob pattern that the file names match.

    Raises:
        OddscapeError: the folder is missing or holds no such picture.
    """
    files = [file for file in existing(folder, expected).glob(pattern) if not file.name.startswith(".")]
    pictures = sorted((file for file in files if file.suffix.lower() in PICTURE_SUFFIXES), key=natural_order)
    if not pictures:
        raise OddscapeError(f"no picture {pattern!r} ({', '.join(PICTURE_SUFFIXES)}) in {folder}; {expected}")
    return pictures


def folders_in(folder: Path, expected: str) -> list[Path]:
    """List the folders directly below ``folder`` in natural order.

    Raises:
        OddscapeError: the folder is missing or holds no folder.
    """
    folders = [path for path in existing(folder, expected).iterdir() if path.is_dir()]
    if not folders:
        raise OddscapeError(f"no folder in {folder}; {expected}")
    return sorted(folders, key=natural_order)


def pictures_below(folder: Path, expected: str, ending: str) -> list[Path]:
    """List the pictures anywhere below a folder whose names end in ``ending`` before the suffix, in order.

    Raises:
        OddscapeError: the folder is missing or holds no such picture.
    """
    files = [file for file in existing(folder, expected).rglob(f"*{ending}.*") if file.name[0] != "."]
    pictures = [
        file for file in files if file.suffix.lower() in PICTURE_SUFFIXES and file.stem.endswith(ending)
    ]
    if not pictures:
        raise OddscapeError(
            f"no picture '*{ending}' ({', '.join(PICTURE_SUFFIXES)}) below {folder}; {expected}"
        )
    return sorted(pictures, key=lambda file: (natural_order(file.parent), natural_order(file)))


def partners(
    pictures: Sequence[Path], folder: Path, expected: str, names: Sequence[str] = ("{}.png",)
) -> list[Path]:
    """Say where each picture's label file lies in another folder, whether it is there or not.

    Args:
        pictures: the pictures.
        folder: where the label files lie.
        expected: the layout of the data set, for the error.
        names: names that a label file may have, ``{}`` standing for the picture's name without suffix; a
            label file that is there by none of them should have the first.

    Raises:
        OddscapeError: the folder is missing.
    """
    there = {file.name for file in existing(folder, expected).iterdir()}
    return [folder / _label_file(picture.stem, there, names) for picture in pictures]


def mirrored(picture: Path, ending: str, root: Path, truth_root: Path, truth_ending: str) -> Path:
    """Say where the label file of a picture lies in a tree of folders that mirrors the pictures' own.

    Args:
        picture: a picture below ``root``, its name ending in ``ending`` before the suffix.
        ending: what the label file has not.
        root: the pictures' tree.
        truth_root: the label files' tree.
        truth_ending: what the label file has instead, with its suffix.
    """
    name = picture.stem.removesuffix(ending) + truth_ending
    return truth_root / picture.parent.relative_to(root) / name


def existing(folder: Path, expected: str) -> Path:
    """Give the folder back.

    Raises:
        OddscapeError: it is missing; the error names the topmost folder that is.
    """
    if not folder.is_dir():
        missing = next(path for path in [*reversed(folder.parents), folder] if not path.is_dir())
        raise OddscapeError(f"no folder {missing}; {expected}")
    return folder


def one_of(dataset: str, given: str, allowed: Iterable[str]) -> str:
    """Give a reader's option back.

    Raises:
        OddscapeError: it is none of those allowed, which the error lists.
    """
    allowed = tuple(allowed)
    if given not in allowed:
        raise OddscapeError(f"{dataset}: {given!r} is not one of {', '.join(allowed)}")
    return given


def _label_file(stem: str, there: set[str], names: Sequence[str]) -> str:
    wanted = [name.format(stem) for name in names]
    return next((name for name in wanted if name in there), wanted[0])

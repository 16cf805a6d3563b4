"""Finding the files of a data set; what is missing is named exactly."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from oddscape.errors import OddscapeError

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


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


def partners(
    pictures: Sequence[Path], folder: Path, expected: str, names: Sequence[str] = ("{}.png",)
) -> list[Path]:
    """Find each picture's label file in another folder.

    Args:
        pictures: the pictures.
        folder: where the label files lie.
        expected: the layout of the data set, for the error.
        names: names that a label file may have, ``{}`` standing for the picture's name without suffix.

    Raises:
        OddscapeError: the folder, or the label file of a picture, is missing.
    """
    there = {file.name for file in existing(folder, expected).iterdir()}
    return [folder / _label_file(picture, folder, there, names) for picture in pictures]


def existing(folder: Path, expected: str) -> Path:
    """Give the folder back.

    Raises:
        OddscapeError: it is missing; the error names the topmost folder that is.
    """
    if not folder.is_dir():
        missing = next(path for path in [*reversed(folder.parents), folder] if not path.is_dir())
        raise OddscapeError(f"no folder {missing}; {expected}")
    return folder


def _label_file(picture: Path, folder: Path, there: set[str], names: Sequence[str]) -> str:
    wanted = [name.format(picture.stem) for name in names]
    for name in wanted:
        if name in there:
            return name
    raise OddscapeError(f"{picture}: no label file {' or '.join(wanted)} in {folder}")

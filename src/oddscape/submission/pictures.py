"""The pictures that a submission is about, by the ids that its files bear."""

from __future__ import annotations

from pathlib import Path

from oddscape.data.layout import PICTURE_SUFFIXES, natural_order
from oddscape.errors import OddscapeError

_ENDINGS = ("_leftImg8bit", "_rgb")  # of Lost and Found's and Fishyscapes' pictures


def frame_id(picture: Path) -> str:
    """A picture's frame id: its file name without suffix, ``_leftImg8bit`` and ``_rgb``.

    It is what the data sets of single pictures call their scenes.
    """
    name = picture.stem
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    return name


def pictures_by_id(folder: Path) -> dict[str, Path]:
    """The pictures in a folder and below it, by frame id.

    Raises:
        OddscapeError: no such folder, no pictures, or two with one id.
    """
    if not folder.is_dir():
        raise OddscapeError(f"no folder {folder}; expected the pictures of a submission")
    files = [file for file in folder.rglob("*") if file.suffix.lower() in PICTURE_SUFFIXES]
    files = sorted((file for file in files if not file.name.startswith(".")), key=natural_order)
    if not files:
        raise OddscapeError(f"no pictures ({', '.join(PICTURE_SUFFIXES)}) in {folder}")
    pictures: dict[str, Path] = {}
    for file in files:
        if (other := pictures.setdefault(frame_id(file), file)) != file:
            raise OddscapeError(f"{other} and {file} have one frame id, {frame_id(file)!r}")
    return pictures

"""Reading the scores of many pictures from a folder, in whatever format they lie there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oddscape.data.layout import natural_order
from oddscape.errors import OddscapeError
from oddscape.score_files.formats import SCORE_FORMATS, find_format
from oddscape.score_files.hdf5 import frame_folders
from oddscape.sizes import Size, format_size

_SEGMENTATION = "_segmentation.npy"  # lies beside Fishyscapes' scores and is none


class ScoreFolder:
    """The score files of a folder, one a picture.

    Args:
        folder: where they lie, with folders below as the pictures' names say; of SMIYC's layout
            ``anomaly_p/<method>/<dataset>/<frame id>.hdf5`` any level that leads to one data set.
        format: a name in ``SCORE_FORMATS``; None: what lies there tells.

    Raises:
        OddscapeError: no such folder or format, no score files, or several formats, methods or data sets.
    """

    def __init__(self, folder: str | Path, format: str | None = None) -> None:
        self.folder = _one_data_set(Path(folder))
        files = sorted(_files(self.folder), key=lambda file: (file.parent, natural_order(file)))
        self.format = format or _detect(self.folder, files)
        suffix = find_format(self.format).suffix
        self._paths = {_name(file, self.folder, suffix): file for file in files if file.name.endswith(suffix)}
        if not self._paths:
            raise OddscapeError(f"{folder}: no score files *{suffix} of the format {self.format}")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the pictures that have scores, as in ``"t5/12"``, 2 before 10."""
        return tuple(self._paths)

    def require(self, names: Iterable[str]) -> None:
        """Make sure that every picture has a score file, before any is read.

        Raises:
            OddscapeError: some have none; the error says how many and names the first.
        """
        wanted = list(names)
        if missing := [name for name in wanted if name not in self._paths]:
            shown = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
            have = f"it has {', '.join(self.names[:3])}" + (", …" if len(self.names) > 3 else "")
            raise OddscapeError(
                f"{self.folder}: no {self.format} score file for {len(missing)} of {len(wanted)} pictures: "
                f"{shown} ({have})"
            )

    def read(self, name: str, size: Size | None = None) -> NDArray[np.floating]:
        """Read one picture's scores.

        Args:
            name: the picture's name.
            size: (H, W) that they must have; None: any.

        Returns:
            float16, float32 or float64 [H, W], as stored; of 16-bit PNG float32. No NaN.

        Raises:
            OddscapeError: no such file, one that cannot be read, or no floats [H, W] without NaN.
        """
        self.require([name])
        return read_score(self._paths[name], self.format, size)


def read_score(path: Path, format: str, size: Size | None = None) -> NDArray[np.floating]:
    """Read one score file (see :meth:`ScoreFolder.read`)."""
    try:
        stored = find_format(format).decode(path.read_bytes())
    except OddscapeError:
        raise
    except Exception as error:  # a decoder may raise anything on a damaged file
        raise OddscapeError(f"{path}: no readable {format} score file: {reason(error)}") from error
    if stored.dtype.kind != "f" or stored.dtype.itemsize > 8:
        raise OddscapeError(f"{path}: expected scores of a float type, not {stored.dtype}")
    if stored.ndim != 2 or not stored.size:
        raise OddscapeError(f"{path}: expected scores [H, W], not of shape {list(stored.shape)}")
    if size is not None and stored.shape != size:
        height, width = stored.shape
        raise OddscapeError(
            f"{path}: the scores are {format_size((height, width))}, expected {format_size(size)}"
        )
    if count := int(np.isnan(stored).sum()):
        raise OddscapeError(f"{path}: {count:,} of {stored.size:,} scores are NaN")
    return stored.astype(stored.dtype.newbyteorder("="), copy=False)


def reason(error: Exception) -> str:
    """What a decoder complains of, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _one_data_set(folder: Path) -> Path:
    if not folder.is_dir():
        raise OddscapeError(f"no folder {folder}; expected a folder of score files")
    folders = frame_folders(folder)
    if len(folders) > 1:
        several = ", ".join(f"{path.parent.name}/{path.name}" for path in folders)
        raise OddscapeError(
            f"{folder} holds scores of several methods or data sets ({several}): give one's folder"
        )
    return folders[0] if folders else folder


def _files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and not file.name.startswith(".")]


def _name(file: Path, folder: Path, suffix: str) -> str:
    return file.relative_to(folder).as_posix().removesuffix(suffix)


def _detect(folder: Path, files: list[Path]) -> str:
    names = [file.name for file in files if not file.name.endswith(_SEGMENTATION)]
    counts = {
        format: sum(name.endswith(kind.suffix) for name in names) for format, kind in SCORE_FORMATS.items()
    }
    # Fishyscapes' files are .npy, too: they are Fishyscapes' if all are.
    del counts["npy" if counts["fishyscapes"] == counts["npy"] else "fishyscapes"]
    found = {format: count for format, count in counts.items() if count}
    if not found:
        suffixes = ", ".join(f"*{kind.suffix} ({format})" for format, kind in SCORE_FORMATS.items())
        raise OddscapeError(f"{folder}: no score files; expected {suffixes}")
    if len(found) > 1:
        several = ", ".join(f"{count} of {format}" for format, count in found.items())
        raise OddscapeError(f"{folder} holds score files of several formats ({several}): keep one")
    return next(iter(found))

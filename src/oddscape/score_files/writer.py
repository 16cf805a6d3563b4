"""Writing the scores of many pictures into a folder."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from oddscape.errors import OddscapeError
from oddscape.files import written_atomically
from oddscape.score_files.formats import find_format
from oddscape.score_files.precision import PrecisionLoss, measure_loss, summarise_losses

_FLOATS = ("float16", "float32", "float64")


class ScoreWriter:
    """Writes score maps into one folder in one format, and remembers what their type took from them.

    Args:
        folder: where the files go; made when the first is written.
        format: a name in ``SCORE_FORMATS``.
        dtype: ``"float16"``, ``"float32"`` or ``"float64"``; None: the format's own type.

    Raises:
        OddscapeError: no such format, or not with this type.
    """

    def __init__(self, folder: Path, format: str = "npy", dtype: str | None = None) -> None:
        _check_dtype(format, dtype)
        # What a format needs and is not installed shall be missed now, not after the first picture.
        find_format(format).encode(np.zeros((1, 1), np.float32))
        self.folder, self.format, self.dtype = folder, format, dtype
        self.losses: dict[str, PrecisionLoss | None] = {}

    def write(self, name: str, score: NDArray[np.floating]) -> None:
        """Write one picture's scores (see :func:`write_score`)."""
        self.losses[name] = write_score(self.folder, name, score, self.format, self.dtype)

    @property
    def warning(self) -> str:
        """One line, ``"warning: …"`` or ``"note: …"``, on the precision lost so far; ``""`` where none is."""
        return summarise_losses(self.losses)


def write_score(
    folder: Path, name: str, score: NDArray[np.floating], format: str = "npy", dtype: str | None = None
) -> PrecisionLoss | None:
    """Write one picture's scores, whole or not at all.

    Args:
        folder: the folder of score files.
        name: the picture's name; ``"t5/12"`` becomes a file 12 in a folder t5.
        score: floats [H, W], higher = more anomalous; no NaN, and for ``png16`` none infinite.
        format: a name in ``SCORE_FORMATS``.
        dtype: ``"float16"``, ``"float32"`` or ``"float64"``; None: the format's own type.

    Returns:
        What the stored type merges or overflows; None where it loses nothing.

    Raises:
        OddscapeError: no such format or type, scores that are none, or a disk that refuses.
    """
    kind = find_format(format)
    _check_dtype(format, dtype)
    _check_score(name, score, finite=format == "png16")
    stored = dtype or kind.dtype or str(score.dtype)
    with np.errstate(over="ignore"):
        content = kind.encode(score if stored == "uint16" else score.astype(stored, copy=False))
    with written_atomically(score_path(folder, name, kind.suffix)) as partial:
        partial.write_bytes(content)
    return measure_loss(score, stored)


def score_path(folder: Path, name: str, suffix: str) -> Path:
    """Where the file of a picture lies.

    Raises:
        OddscapeError: the name is empty or leads out of the folder.
    """
    parts = PurePosixPath(name).parts
    if not parts or PurePosixPath(name).is_absolute() or ".." in parts:
        raise OddscapeError(f"{name!r} is no name of a picture: its file would not lie in {folder}")
    return folder / f"{name}{suffix}"


def _check_dtype(format: str, dtype: str | None) -> None:
    if dtype is None:
        return
    if format == "png16":
        raise OddscapeError(f"png16 stores levels of 16 bits: it takes no type, not {dtype!r} either")
    if dtype not in _FLOATS:
        raise OddscapeError(f"unknown type {dtype!r} for scores; known: {', '.join(_FLOATS)}")


def _check_score(name: str, score: NDArray[np.floating], *, finite: bool) -> None:
    if str(score.dtype) not in _FLOATS or score.ndim != 2 or not score.size:
        shape = "×".join(map(str, score.shape))
        raise OddscapeError(f"{name}: expected floats [H, W] as scores, not {score.dtype} [{shape}]")
    if np.isnan(score).any():
        raise OddscapeError(f"{name}: {int(np.isnan(score).sum()):,} of {score.size:,} scores are NaN")
    if finite and not np.isfinite(score).all():
        raise OddscapeError(f"{name}: a 16-bit PNG holds finite scores alone, not infinity")

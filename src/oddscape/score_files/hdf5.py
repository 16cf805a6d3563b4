"""SegmentMeIfYouCan's HDF5: one file a picture, dataset ``value``, gzip 9; and the folders they lie in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddscape.errors import OddscapeError

TOP_FOLDER = "anomaly_p"
"""The folder of all submissions: ``anomaly_p/<method>/<dataset>/<frame id>.hdf5``."""

COMPRESSION = "gzip 9"

_DATASET = "value"


def encode_hdf5(score: NDArray[Any]) -> bytes:
    """Lay an array out as SMIYC's HDF5 file.

    Raises:
        OddscapeError: h5py is not installed.
    """
    content = BytesIO()
    with _h5py().File(content, "w") as file:
        file.create_dataset(_DATASET, data=score, compression="gzip", compression_opts=9)
    return content.getvalue()


def decode_hdf5(content: bytes) -> NDArray[Any]:
    """Read the array of SMIYC's HDF5 file.

    Raises:
        OddscapeError: h5py is not installed.
        ValueError: it is no such file, is cut off, or has no dataset ``value``.
    """
    with _value(content) as value:
        return np.asarray(value[()])


def compression(content: bytes) -> str:
    """How the scores of an HDF5 file are compressed: ``"gzip 9"``, ``"lzf"``, ``"none"``."""
    with _value(content) as value:
        parts = (value.compression, value.compression_opts)
    return " ".join(str(part) for part in parts if part is not None) or "none"


def frame_folders(folder: Path) -> list[Path]:
    """The folders ``<method>/<dataset>`` that hold frames, wherever in the layout ``folder`` lies.

    Args:
        folder: what holds ``anomaly_p``, ``anomaly_p`` itself, one method's folder, or the folder of frames.
    """
    here = folder.resolve()
    if (here / TOP_FOLDER).is_dir():
        return _folders(here / TOP_FOLDER, "*/*")
    if here.name == TOP_FOLDER:
        return _folders(here, "*/*")
    return _folders(here, "*") if here.parent.name == TOP_FOLDER else [folder]


def _folders(top: Path, pattern: str) -> list[Path]:
    return sorted(path for path in top.glob(pattern) if path.is_dir() and any(path.rglob("*.hdf5")))


@contextmanager
def _value(content: bytes) -> Iterator[Any]:
    h5py = _h5py()
    with h5py.File(BytesIO(content), "r") as file:
        if not isinstance(file.get(_DATASET), h5py.Dataset):
            raise ValueError(f"no dataset {_DATASET!r}; it holds {', '.join(file) or 'nothing'}")
        yield file[_DATASET]


def _h5py() -> Any:
    try:
        return import_module("h5py")
    except ImportError:
        raise OddscapeError("HDF5 score files need h5py: pip install 'oddscape[scores]'") from None

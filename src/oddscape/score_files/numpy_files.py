"""Scores in numpy's own files: ``.npy`` with one array, ``.npz`` with one array or one called ``score``."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

_NAME = "score"


def encode_npy(score: NDArray[Any]) -> bytes:
    """Lay an array out as a ``.npy`` file."""
    content = BytesIO()
    np.save(content, score)
    return content.getvalue()


def decode_npy(content: bytes) -> NDArray[Any]:
    """Read the array of a ``.npy`` file.

    Raises:
        ValueError: it is no such file, is cut off, or holds objects.
    """
    loaded = np.load(BytesIO(content), allow_pickle=False)
    if isinstance(loaded, NpzFile):
        raise ValueError("a .npz archive under a .npy name")
    array: NDArray[Any] = loaded
    return array


def encode_npz(score: NDArray[Any]) -> bytes:
    """Lay an array out as a compressed ``.npz`` file, under the name ``score``."""
    content = BytesIO()
    np.savez_compressed(content, score=score)
    return content.getvalue()


def decode_npz(content: bytes) -> NDArray[Any]:
    """Read the array of a ``.npz`` file: its only one, else the one called ``score``.

    Raises:
        ValueError: it is no such file, is cut off, or does not say which array is the score.
    """
    loaded = np.load(BytesIO(content), allow_pickle=False)
    if not isinstance(loaded, NpzFile):
        raise ValueError("no .npz archive")
    with loaded as archive:
        name = archive.files[0] if len(archive.files) == 1 else _NAME
        if name not in archive.files:
            raise ValueError(
                f"holds {', '.join(archive.files) or 'nothing'}; expected one array, or {_NAME!r}"
            )
        array: NDArray[Any] = archive[name]
        return array

"""The formats of score files, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from oddscape.errors import OddscapeError
from oddscape.score_files.hdf5 import decode_hdf5, encode_hdf5
from oddscape.score_files.numpy_files import decode_npy, decode_npz, encode_npy, encode_npz
from oddscape.score_files.png16 import decode_png16, encode_png16


@dataclass(frozen=True)
class ScoreFormat:
    """One way of keeping the scores of one picture in one file.

    Args:
        suffix: what follows the picture's name in the file's.
        encode: scores [H, W] of the type to store → the file's content.
        decode: a file's content → what it holds, of the stored type; raises ``ValueError`` or whatever the
            decoder raises on a damaged file.
        dtype: what it stores unless told otherwise; None: the scores' own type.
    """

    suffix: str
    encode: Callable[[NDArray[Any]], bytes]
    decode: Callable[[bytes], NDArray[Any]]
    dtype: str | None = None


SCORE_FORMATS = {
    "npy": ScoreFormat(".npy", encode_npy, decode_npy),
    "npz": ScoreFormat(".npz", encode_npz, decode_npz),
    "smiyc": ScoreFormat(".hdf5", encode_hdf5, decode_hdf5, "float16"),
    "fishyscapes": ScoreFormat("_anomaly.npy", encode_npy, decode_npy, "float32"),
    "png16": ScoreFormat(".png", encode_png16, decode_png16, "uint16"),
}
"""Name → format. ``smiyc`` and ``fishyscapes`` are what these benchmarks' submissions consist of."""


def find_format(name: str) -> ScoreFormat:
    """Look a format up by name.

    Raises:
        OddscapeError: there is none of this name; the error lists the names.
    """
    if name not in SCORE_FORMATS:
        raise OddscapeError(f"unknown score format {name!r}; known: {', '.join(SCORE_FORMATS)}")
    return SCORE_FORMATS[name]

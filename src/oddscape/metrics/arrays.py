"""Maps from any tool, numpy or torch, as numpy arrays of one form."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from oddscape.errors import OddscapeError
from oddscape.labels import IGNORED

FloatArray: TypeAlias = NDArray[np.floating[Any]]
Maps: TypeAlias = NDArray[Any] | Tensor
"""One map [H, W] or a batch [N, H, W], numpy or torch on any device."""


def as_maps(values: Maps, name: str) -> NDArray[Any]:
    """Give one map [H, W] or a batch [N, H, W] as numpy [N, H, W].

    Raises:
        OddscapeError: it has another number of dimensions.
    """
    array = _from_torch(values) if isinstance(values, Tensor) else np.asarray(values)
    if array.ndim not in (2, 3):
        raise OddscapeError(f"{name} has shape {array.shape}: expected [H, W] or [N, H, W]")
    return array if array.ndim == 3 else array[None]


def as_float_maps(score: Maps) -> FloatArray:
    """Give scores as numpy [N, H, W], float16, float32 or float64; torch's bfloat16 becomes float32.

    Raises:
        OddscapeError: they are no floating-point numbers, or have another number of dimensions.
    """
    array = as_maps(score, "score")
    if array.dtype not in (np.float16, np.float32, np.float64):
        raise OddscapeError(f"score is {array.dtype}: expected floating-point numbers")
    return array


def as_score_maps(score: Maps) -> FloatArray:
    """As :func:`as_float_maps`, with half precision widened to float32, which loses nothing."""
    array = as_float_maps(score)
    return array.astype(np.float32) if array.dtype == np.float16 else array


def require_same_shape(**maps: NDArray[Any]) -> None:
    """Raise an OddscapeError that names the maps unless all have one shape."""
    if len({array.shape for array in maps.values()}) > 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in maps.items())
        raise OddscapeError(f"shapes differ: {shapes}")


def require_truth(truth: NDArray[Any], name: str = "truth") -> None:
    """Raise an OddscapeError unless anomaly truth [N, H, W] holds only 0 known, 1 anomaly and 255 ignored."""
    for picture in truth:
        allowed = sum(np.count_nonzero(picture == value) for value in (0, 1, IGNORED))
        if allowed != picture.size:
            found = sorted(set(np.unique(picture).tolist()) - {0, 1, IGNORED})
            raise OddscapeError(f"{name} holds {found[:5]}: expected 0 known, 1 anomaly, {IGNORED} ignored")


def scores_of(kind: int, score: FloatArray, truth: NDArray[Any]) -> FloatArray:
    """Give the scores of the pixels with one truth: 0 known or 1 anomaly.

    Raises:
        OddscapeError: one of them is NaN.
    """
    scores: FloatArray = score[truth == kind]
    # The maximum carries a NaN along and needs no array of its own.
    if scores.size and np.isnan(scores.max()):
        raise OddscapeError(f"score is NaN at {np.count_nonzero(np.isnan(scores))} pixels that count")
    return scores


def _from_torch(values: Tensor) -> NDArray[Any]:
    values = values.detach().cpu()
    # Of the 16-bit floats NumPy knows but one.
    array: NDArray[Any] = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    return array

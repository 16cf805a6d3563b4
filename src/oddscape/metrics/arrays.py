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
Floats: TypeAlias = NDArray[np.float64]
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


def as_equal_maps(**maps: Maps) -> list[NDArray[Any]]:
    """Give maps of one shape as numpy [N, H, W], in the order in which they are named.

    Raises:
        OddscapeError: their shapes differ, or one has another number of dimensions.
    """
    arrays = {name: as_maps(values, name) for name, values in maps.items()}
    if len({array.shape for array in arrays.values()}) > 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise OddscapeError(f"shapes differ: {shapes}")
    return list(arrays.values())


def as_scored_maps(score: Maps, truth: Maps, truth_name: str = "truth", **maps: Maps) -> list[NDArray[Any]]:
    """Give scores, anomaly truth and further maps of the same shape as numpy [N, H, W], in that order.

    Scores stay float16, float32 or float64; torch's bfloat16 becomes float32. They may still be NaN.

    Raises:
        OddscapeError: score is no floating-point number, shapes differ, one has another number of dimensions,
            or truth holds another value than 0 known, 1 anomaly and 255 ignored.
    """
    arrays = as_equal_maps(**{"score": score, truth_name: truth}, **maps)
    if arrays[0].dtype not in (np.float16, np.float32, np.float64):
        raise OddscapeError(f"score is {arrays[0].dtype}: expected floating-point numbers")
    _require_truth(arrays[1], truth_name)
    return arrays


def widened(score: FloatArray) -> FloatArray:
    """Give float16 as float32, which loses nothing, and other types as they are."""
    return score.astype(np.float32) if score.dtype == np.float16 else score


def scores_of(kind: int, score: FloatArray, truth: NDArray[Any]) -> FloatArray:
    """Give the scores, float32 or float64 [n], of the pixels with one truth: 0 known or 1 anomaly.

    Raises:
        OddscapeError: one of them is NaN.
    """
    scores = widened(score[truth == kind])
    # The maximum carries a NaN along and needs no array of its own.
    if scores.size and np.isnan(scores.max()):
        raise OddscapeError(f"score is NaN at {np.count_nonzero(np.isnan(scores))} pixels that count")
    return scores


def _require_truth(truth: NDArray[Any], name: str) -> None:
    for picture in truth:
        allowed = sum(np.count_nonzero(picture == value) for value in (0, 1, IGNORED))
        if allowed != picture.size:
            found = sorted(set(np.unique(picture).tolist()) - {0, 1, IGNORED})
            raise OddscapeError(f"{name} holds {found[:5]}: expected 0 known, 1 anomaly, {IGNORED} ignored")


def _from_torch(values: Tensor) -> NDArray[Any]:
    values = values.detach().cpu()
    # Of the 16-bit floats NumPy knows but one.
    array: NDArray[Any] = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    return array

"""The open-set decision on a picture whose threshold is known only later: what to keep, and how to decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oddscape.labels import IGNORED
from oddscape.metrics.arrays import FloatArray, widened
from oddscape.metrics.calibration import DEFAULT_BINS, confidence_bins

_CONFIDENCE_STEPS = 65535


@dataclass(frozen=True, eq=False)
class GroupedScores:
    """Counted scores of one picture, in order of their cells: true class, predicted class, confidence bin.

    Args:
        scores: float [n].
        sizes: int64 [K + 1, K, B], pixels in each cell; index K of the true classes is the anomaly. B is 1
            without confidence.
        confidence: uint16 [n], in steps of 1/65535; None without.
    """

    scores: FloatArray
    sizes: NDArray[np.int64]
    confidence: NDArray[np.uint16] | None

    @property
    def closed_matrix(self) -> NDArray[np.int64]:
        """Confusion matrix [K, K] of the known pixels, nothing called anomalous."""
        matrix: NDArray[np.int64] = self.sizes[:-1].sum(axis=2)
        return matrix


class Decision(NamedTuple):
    """What a threshold makes of a picture.

    Args:
        matrix: int64 [K + 1, K + 1], pixels by truth (row) and decision (column); index K is the anomaly.
        calibration: float64 [3, B], of the pixels accepted as known, by bins of confidence: how many, how
            many of them rightly named, and the sum of their confidence; None without confidence.
    """

    matrix: NDArray[np.int64]
    calibration: NDArray[np.float64] | None


def group_scores(
    score: FloatArray,
    predicted: NDArray[Any],
    truth: NDArray[Any],
    confidence: NDArray[Any] | None,
    num_classes: int,
) -> GroupedScores:
    """Group the scores of one picture [H, W] by truth (0 … K, 255 ignored), predicted class and confidence.

    Raises:
        OddscapeError: a counted confidence lies outside [0, 1] or is NaN.
    """
    counted = truth != IGNORED
    bins = 1 if confidence is None else DEFAULT_BINS
    shape = (num_classes + 1, num_classes, bins)
    # 16-bit integers are sorted by radix, in linear time.
    cells = truth[counted].astype(np.min_scalar_type(np.prod(shape) - 1))
    cells *= num_classes * bins
    cells += predicted[counted].astype(cells.dtype) * bins
    if confidence is not None:
        confidence = widened(confidence[counted])
        cells += confidence_bins(confidence, bins).astype(cells.dtype)
        confidence = np.rint(confidence * _CONFIDENCE_STEPS).astype(np.uint16)
    order = np.argsort(cells, kind="stable")
    sizes = np.bincount(cells, minlength=np.prod(shape)).reshape(shape)
    return GroupedScores(score[counted][order], sizes, None if confidence is None else confidence[order])


def decide(picture: GroupedScores, threshold: float) -> Decision:
    """Call the pixels with score > δ anomalous and accept the others as known.

    Args:
        picture: its scores.
        threshold: δ; of a picture without one, NaN, nothing is counted.
    """
    # As float64 on both sides: a Python float would be rounded to the type of the scores.
    accepts = picture.scores <= np.float64(threshold)
    accepted = _by_cell(accepts, picture.sizes)
    called = np.zeros_like(accepted) if np.isnan(threshold) else picture.sizes - accepted
    matrix = np.concatenate((accepted.sum(axis=2), called.sum(axis=(1, 2))[:, None]), axis=1)
    if picture.confidence is None:
        return Decision(matrix, None)
    confidence = _by_cell(np.where(accepts, picture.confidence, 0), picture.sizes) / _CONFIDENCE_STEPS
    right = np.diagonal(accepted[:-1]).sum(axis=1)
    return Decision(matrix, np.stack((accepted.sum(axis=(0, 1)), right, confidence.sum(axis=(0, 1)))))


def _by_cell(values: NDArray[Any], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sum values [n] that are ordered by cells, int64 of the shape of ``sizes``."""
    passed = np.concatenate(([0], np.cumsum(values, dtype=np.int64)))
    return np.diff(passed[np.cumsum(sizes)], prepend=0).reshape(sizes.shape)

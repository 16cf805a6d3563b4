"""Counts of float16 scores by their very value: a histogram over the 65,536 bit patterns loses nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddscape.errors import OddscapeError
from oddscape.labels import IGNORED
from oddscape.metrics.operating_points import OperatingPoints

PATTERNS = 1 << 16
_CHUNK = 1 << 17  # pixels whose widened patterns stay within the cache
_NEGATIVE_ZERO = 0x8000
_RISING = np.concatenate((np.arange(PATTERNS - 1, _NEGATIVE_ZERO - 1, -1), np.arange(_NEGATIVE_ZERO)))
"""The bit patterns in the order of the numbers that they stand for."""

HALF_VALUES = _RISING.astype(np.uint16).view(np.float16).astype(np.float64)
"""The score that each bin of a half histogram counts, rising; NaN at both ends, 0 twice (−0 unused)."""


def half_histogram(score: NDArray[np.float16], truth: NDArray[Any]) -> NDArray[np.int64]:
    """Count float16 scores by value and kind; the sum of two histograms is that of all their pixels.

    Args:
        score: float16, any shape.
        truth: the same shape; 0 known, 1 anomaly, 255 ignored.

    Returns:
        int64 [2, 65536], known then anomalous pixels with each score in ``HALF_VALUES``.

    Raises:
        OddscapeError: the score of a pixel that counts is NaN.
    """
    patterns, truth = score.reshape(-1).view(np.uint16), truth.reshape(-1)
    counts = np.zeros((3, PATTERNS), np.int64)  # all pixels, anomalous, ignored
    for start in range(0, patterns.size, _CHUNK):
        pattern, kind = patterns[start : start + _CHUNK], truth[start : start + _CHUNK]
        counts[0] += np.bincount(pattern, minlength=PATTERNS)
        for row, value in ((1, 1), (2, IGNORED)):
            # Nearly all pixels are known: to take the others away is quicker than to pick the known ones.
            chosen = kind == value
            if chosen.any():
                counts[row] += np.bincount(pattern[chosen], minlength=PATTERNS)
    histogram = np.stack((counts[0] - counts[1] - counts[2], counts[1]))
    histogram[:, 0] += histogram[:, _NEGATIVE_ZERO]
    histogram[:, _NEGATIVE_ZERO] = 0
    histogram = histogram[:, _RISING]
    broken = int(histogram[:, np.isnan(HALF_VALUES)].sum())
    if broken:
        raise OddscapeError(f"score is NaN at {broken} pixels that count")
    return histogram


def points_of_half(histogram: NDArray[np.int64]) -> OperatingPoints:
    """Give the exact operating points of a half histogram, int64 [2, 65536]."""
    used = histogram.any(axis=0)
    return points_of_counts(HALF_VALUES[used][::-1], *histogram[:, used][:, ::-1])


def points_of_counts(
    scores: NDArray[np.float64], known: NDArray[np.int64], anomalous: NDArray[np.int64]
) -> OperatingPoints:
    """Give the operating points of distinct scores [V], strictly falling, with their counts of pixels [V]."""
    false_positives, true_positives = known.cumsum(), anomalous.cumsum()
    held = np.flatnonzero(anomalous)
    return OperatingPoints(
        thresholds=scores[held],
        true_positives=true_positives[held],
        false_positives=false_positives[held],
        false_positives_above=(false_positives - known)[held],
        positives=int(true_positives[-1]) if len(scores) else 0,
        negatives=int(false_positives[-1]) if len(scores) else 0,
    )

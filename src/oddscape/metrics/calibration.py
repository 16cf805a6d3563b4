"""Calibration: whether pixels named with confidence c are named rightly in a share c of the cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oddscape.errors import OddscapeError
from oddscape.metrics.arrays import FloatArray, Maps, as_equal_maps
from oddscape.metrics.ratios import ratio

DEFAULT_BINS = 15
"""Equal bins of confidence, as Guo et al. take."""


@dataclass(frozen=True, eq=False)
class CalibrationResult:
    """How confidence and accuracy differ, over all pictures; fractions in [0, 1].

    Args:
        expected_error: expected calibration error, Σ (n_b / n) |accuracy_b − confidence_b|.
        maximum_error: the largest |accuracy_b − confidence_b| of a bin with pixels.
        accuracy: share of the pixels that are named rightly.
        confidence: mean confidence.
        edges: float64 [B + 1], 0 … 1; a bin holds its upper edge, the first bin 0 too.
        bin_accuracy: float64 [B], NaN for a bin without pixels.
        bin_confidence: float64 [B], mean confidence, NaN likewise.
        bin_pixels: int64 [B].
        each: float64 [pictures, 3, B], for every picture and bin the number of pixels, how many of them are
            named rightly, and the sum of their confidence: what :func:`expected_calibration_error` takes.
        undefined: why the figures are NaN; None where they are numbers.
    """

    expected_error: float
    maximum_error: float
    accuracy: float
    confidence: float
    edges: NDArray[np.float64]
    bin_accuracy: NDArray[np.float64]
    bin_confidence: NDArray[np.float64]
    bin_pixels: NDArray[np.int64]
    each: NDArray[np.float64]
    undefined: str | None


class CalibrationMetrics:
    """Accumulates confidence and whether it was right (Guo et al., ICML 2017).

    Args:
        bins: number of equal bins of confidence, B.
    """

    def __init__(self, bins: int = DEFAULT_BINS) -> None:
        self.bins = bins
        self._each: list[NDArray[np.float64]] = []

    def update(self, confidence: Maps, correct: Maps, counted: Maps) -> None:
        """Add one picture or a batch of pictures; all maps [H, W] or [N, H, W], numpy or torch.

        Args:
            confidence: any float type, in [0, 1], such as the posterior of the predicted class.
            correct: bool, whether the prediction is right.
            counted: bool, whether the pixel counts at all.

        Raises:
            OddscapeError: shapes differ, or a counted confidence is no number in [0, 1]. Then nothing
                has been added.
        """
        confidence, correct, counted = as_equal_maps(confidence=confidence, correct=correct, counted=counted)
        maps = zip(confidence, correct.astype(bool), counted.astype(bool), strict=True)
        self._each += [_bin_counts(c[kept], right[kept], self.bins) for c, right, kept in maps]

    def merge(self, other: CalibrationMetrics) -> None:
        """Add the pictures of another accumulator after one's own.

        Raises:
            OddscapeError: the two have different numbers of bins.
        """
        if other.bins != self.bins:
            raise OddscapeError(f"cannot merge {other.bins} bins of confidence into {self.bins}")
        self._each += other._each

    def compute(self) -> CalibrationResult:
        """Give the figures of everything added so far; undefined ones are NaN and say why."""
        return calibration_result(self._each, self.bins)


def confidence_edges(bins: int) -> NDArray[np.float64]:
    """Edges of equal bins of confidence, float64 [B + 1]."""
    return np.linspace(0, 1, bins + 1)


def confidence_bins(confidence: FloatArray, bins: int) -> NDArray[np.intp]:
    """The bin of each confidence in [0, 1], 0 … B−1; an edge belongs to the bin below it.

    Raises:
        OddscapeError: a confidence lies outside [0, 1] or is NaN.
    """
    # A NaN is carried along by both.
    if confidence.size and not 0 <= confidence.min() <= confidence.max() <= 1:
        raise OddscapeError(
            f"confidence from {confidence.min():g} to {confidence.max():g}: expected numbers in [0, 1]"
        )
    return np.searchsorted(confidence_edges(bins)[1:-1], confidence)


def expected_calibration_error(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected calibration error, Σ |correct_b − Σ confidence_b| / n, of sums over any pictures.

    Args:
        counts: float64 [..., 3, B], the sums of pixels, of correct ones and of confidence.

    Returns:
        float64 [...]; NaN without a pixel.
    """
    pixels, correct, confidence = np.moveaxis(counts, -2, 0)
    return ratio(np.abs(correct - confidence).sum(axis=-1), pixels.sum(axis=-1))


def calibration_result(each: Sequence[NDArray[np.float64]], bins: int) -> CalibrationResult:
    """Give the figures of pictures from their counts.

    Args:
        each: float64 [3, B] of each picture: pixels, correct ones, sum of confidence.
        bins: B.
    """
    pictures = np.stack([np.zeros((3, bins)), *each])[1:]
    pixels, correct, confidence = counts = pictures.sum(axis=0)
    total = float(pixels.sum())
    bin_accuracy, bin_confidence = ratio(correct, pixels), ratio(confidence, pixels)
    filled = pixels > 0
    gaps = np.abs(bin_accuracy - bin_confidence)[filled]
    return CalibrationResult(
        expected_error=float(expected_calibration_error(counts)),
        maximum_error=float(gaps.max()) if total else float("nan"),
        accuracy=float(ratio(correct.sum(), pixels.sum())),
        confidence=float(ratio(confidence.sum(), pixels.sum())),
        edges=confidence_edges(bins),
        bin_accuracy=bin_accuracy,
        bin_confidence=bin_confidence,
        bin_pixels=pixels.astype(np.int64),
        each=pictures,
        undefined=None if total else "no pixel counts",
    )


def _bin_counts(confidence: FloatArray, correct: NDArray[np.bool_], bins: int) -> NDArray[np.float64]:
    """Counts [3, B] of one picture's pixels [n]."""
    places = confidence_bins(confidence, bins)
    return np.stack(
        [
            np.bincount(places, minlength=bins),
            np.bincount(places[correct], minlength=bins),
            np.bincount(places, confidence, minlength=bins),
        ]
    ).astype(np.float64)

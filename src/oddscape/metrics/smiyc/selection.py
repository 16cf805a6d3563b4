"""Scores at given ranks, and ranks of given values, without sorting all scores.

Quantile bins ask for a few hundred ranks of two million scores. So scores are counted by the leading bits of
their float pattern, and only the bins that hold something asked for are sorted, a tenth of all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddscape.metrics.arrays import FloatArray
from oddscape.metrics.sorting import for_each, sort_block

_BITS = 18  # 512 bins for each doubling of a float32; more would leave the caches
_BINS = 1 << _BITS
_FEW = 1 << 17  # so many are sorted sooner than counted


@dataclass(frozen=True, eq=False)
class PartlySorted:
    """The sorted scores of some bins, and how many scores of other bins lie below each bin.

    Args:
        kept: float [K], rising; each bin's scores are all here or all left out.
        starts: int64 [B], the rank at which each bin starts.
        skipped: int64 [2¹⁸], scores left out in lower bins.
    """

    kept: FloatArray
    starts: NDArray[np.int64]
    skipped: NDArray[np.int64]

    def at(self, ranks: NDArray[np.intp]) -> FloatArray:
        """Scores at ranks (0 = lowest) that lie in kept bins."""
        bins = np.searchsorted(self.starts, ranks, side="right") - 1
        scores: FloatArray = self.kept[ranks - self.skipped[bins]]
        return scores

    def below(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Count the scores below finite values that lie in kept or empty bins, compared in float64."""
        least = _rounded_up(values, self.kept.dtype)
        counts: NDArray[np.int64] = np.searchsorted(self.kept, least) + self.skipped[_bins(least)]
        return counts


def fully_sorted(scores: FloatArray) -> PartlySorted:
    """Sort float32 or float64 [n], without NaN; any rank and any value may be asked for."""
    return PartlySorted(_sorted(scores), np.zeros(1, np.int64), np.zeros(_BINS, np.int64))


def partly_sorted(scores: FloatArray, ranks: NDArray[np.intp], values: NDArray[np.float64]) -> PartlySorted:
    """Sort what is needed to ask for some ranks and values.

    Args:
        scores: float32 or float64 [n], no NaN.
        ranks: that can be asked for, with any values between the scores at two successive ones.
        values: that can be asked for.
    """
    if scores.size <= _FEW:
        return fully_sorted(scores)
    bins = _bins(scores).astype(np.intp)  # or each use would convert them anew
    counts = np.bincount(bins, minlength=_BINS)
    starts = np.cumsum(counts) - counts
    wanted = np.zeros(_BINS, bool)
    wanted[np.searchsorted(starts, ranks, side="right") - 1] = True
    wanted[_bins(_rounded_up(values, scores.dtype))] = True
    counts[wanted] = 0
    return PartlySorted(_sorted(scores[wanted[bins]]), starts, np.cumsum(counts) - counts)


def _sorted(scores: FloatArray) -> FloatArray:
    if scores.size <= _FEW:
        return np.sort(scores)
    done: list[FloatArray] = []
    for_each(lambda some: done.append(sort_block(some)), [scores])
    return done[0]


def _bins(scores: FloatArray) -> NDArray[Any]:
    """The bin of each score, 0 … 2¹⁸−1: the leading bits of its pattern, which rise with the score."""
    width = 8 * scores.itemsize
    pattern = (scores + 0).view(f"i{scores.itemsize}")  # + 0 makes −0 a 0, which it equals
    pattern ^= (pattern >> (width - 1)) & np.iinfo(pattern.dtype).max  # negative floats fall as patterns rise
    pattern >>= width - _BITS
    pattern += _BINS // 2
    return pattern


def _rounded_up(values: NDArray[np.float64], dtype: np.dtype[Any]) -> FloatArray:
    """The least number of a type that is no less than each value: as many scores of the type lie below it."""
    near = values.astype(dtype)
    return np.where(near < values, np.nextafter(near, np.array(np.inf, dtype)), near)

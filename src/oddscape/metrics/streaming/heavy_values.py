"""Scores that a large share of one picture's pixels have in common, a saturated score above all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddscape.errors import OddscapeError
from oddscape.labels import IGNORED
from oddscape.metrics.arrays import FloatArray
from oddscape.metrics.streaming.value_counts import NO_VALUES, ValueCounts, counted

_CHUNK = 1 << 16  # pixels that are worked on at once, lest working memory grow with the picture
_BUCKETS = 1 << 16
_HEAVY_SHARE = 10  # heavier than 2⁻¹⁰ of the pixels that count
_HEAVY_LEAST = 64
_MULTIPLIER: dict[int, Any] = {4: np.uint32(0x9E3779B1), 8: np.uint64(0x9E3779B97F4A7C15)}


class HeavyValues:
    """The heavy scores of many pictures, within a limit; how heavy they must be rises as it demands.

    Rows are kept by score and by the power of two of the pixels in one picture, so that what falls below the
    demand is known however the pictures are ordered and parted.

    Args:
        limit: how many rows to keep.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._least_level = limit, 0
        self._levels: dict[int, ValueCounts] = {}

    def add(self, picture: ValueCounts) -> ValueCounts:
        """Add one picture's heavy scores and give back what is, or has become, too light to keep."""
        levels = np.log2(np.maximum(picture.counts.sum(axis=0), 1)).astype(int)
        for level in np.unique(levels):
            self._levels[level] = self._levels.get(level, NO_VALUES) + picture[levels == level]
        return self._overflow()

    def merge(self, other: HeavyValues) -> ValueCounts:
        """Add another's rows and give back what is, or has become, too light to keep."""
        for level, values in other._levels.items():
            self._levels[level] = self._levels.get(level, NO_VALUES) + values
        self._least_level = max(self._least_level, other._least_level)
        return self._overflow()

    def total(self) -> ValueCounts:
        """All that is kept."""
        return sum(self._levels.values(), NO_VALUES)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(values.nbytes for values in self._levels.values())

    def _overflow(self) -> ValueCounts:
        given_back = NO_VALUES
        while self._levels and (
            min(self._levels) < self._least_level or sum(map(len, self._levels.values())) > self._limit
        ):
            level = min(self._levels)
            self._least_level = max(self._least_level, level + 1)
            given_back = given_back + self._levels.pop(level)
        return given_back


def chunks(score: FloatArray, truth: NDArray[Any]) -> Iterator[tuple[FloatArray, NDArray[Any]]]:
    """Give the scores and kinds of the pixels that count, [n] each; −0 becomes 0."""
    for start in range(0, score.size, _CHUNK):
        part, kind = score[start : start + _CHUNK], truth[start : start + _CHUNK]
        counts = kind != IGNORED
        if not counts.all():
            part, kind = part[counts], kind[counts]
        if part.size:
            yield part + part.dtype.type(0), kind


def heavy_values(score: FloatArray, truth: NDArray[Any]) -> ValueCounts:
    """Count the scores [n] that more than 64 and more than a 1,024th of the pixels that count have.

    Takes the picture alone into account, so the sum over pictures depends on no order.

    Raises:
        OddscapeError: the score of a pixel that counts is NaN.
    """
    buckets, broken, size = np.zeros(_BUCKETS, np.int64), 0, 0
    for part, _ in chunks(score, truth):
        broken += int(np.count_nonzero(np.isnan(part))) if np.isnan(part.max()) else 0
        buckets += np.bincount(_bucket(part), minlength=_BUCKETS)
        size += part.size
    if broken:
        raise OddscapeError(f"score is NaN at {broken} pixels that count")
    least = max(_HEAVY_LEAST, size >> _HEAVY_SHARE)
    crowded = buckets > least
    if not crowded.any():
        return NO_VALUES
    values = NO_VALUES
    for part, kind in chunks(score, truth):
        chosen = crowded[_bucket(part)]
        for each in (0, 1):
            values = values + counted(each, part[chosen & (kind == each)])
    return values[values.counts.sum(axis=0) > least]


def _bucket(scores: FloatArray) -> NDArray[Any]:
    """One of 65,536 buckets by the bits of the score; equal scores share theirs, others rarely."""
    multiplier = _MULTIPLIER[scores.itemsize]
    hashed: NDArray[Any] = scores.view(multiplier.dtype) * multiplier
    buckets: NDArray[np.uint16] = (hashed >> type(multiplier)(8 * scores.itemsize - 16)).astype(np.uint16)
    return buckets

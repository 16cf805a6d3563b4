"""Constant-size counts of float scores in cells of the number line, mergeable by addition.

Two histograms count the same pixels. :class:`LinearCells` has equal cells over the scores' range, which
suit logits; :class:`PatternCells` has the same number of cells for each power of two, which suit what crowds
towards zero or spans many magnitudes. At every lower edge of either the number of pixels above is known, so
:func:`light_cells` may cut the line at the edges of both.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from oddscape.metrics.arrays import FloatArray

Counts: TypeAlias = NDArray[np.int64]
_LEAST_EXPONENT = -1000  # of the width: one over it has to be a float64
_SINGLE_EXPONENT = 100  # up to here one over it is a float32
_BLOCK = 1 << 14  # cells that are read at once
_CELL_NUMBER_BITS = 50  # cell numbers stay exact in float64


@dataclass(frozen=True, eq=False)
class Cells:
    """C disjoint cells low ≤ s < high that hold pixels, falling.

    Args:
        low: float64 [C], the lower edges.
        high: float64 [C], the upper edges.
        counts: int64 [2, C], known and anomalous pixels.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    counts: Counts


class LinearCells:
    """Equal cells on a dyadic grid: their width is a power of two, their edges are multiples of it.

    Where the range outgrows the cells, pairs are added and the width doubles. So the counts depend on the
    scores alone, never on their order or on how they were parted.
    """

    def __init__(self, cells: int) -> None:
        self.counts: Counts = np.zeros((2, cells), np.int64)
        self._low, self._high = math.inf, -math.inf
        self._exponent = _LEAST_EXPONENT
        self._first = 0

    def add(self, kind: int, scores: FloatArray, pixels: Counts | int = 1) -> None:
        """Count finite scores [n] of one kind, each once or as many times as ``pixels`` says."""
        if scores.size:
            self._cover(float(scores.min()), float(scores.max()))
            np.add.at(self.counts[kind], self._cell_numbers(scores) - self._first, pixels)

    def merge(self, other: LinearCells) -> None:
        """Add the counts of other cells of the same number; they stay as they are."""
        if other._low > other._high:
            return
        self._cover(other._low, other._high)
        for own, row in zip(self.counts, other.counts, strict=True):
            held = np.flatnonzero(row)
            numbers = held + other._first >> self._exponent - other._exponent
            np.add.at(own, numbers - self._first, row[held])

    def lower_edges(self, start: int, stop: int) -> NDArray[np.float64]:
        """Lower edges of the cells from the start-th highest on, falling."""
        highest = self._first + self.counts.shape[1] - 1
        edges: NDArray[np.float64] = np.ldexp((highest - np.arange(start, stop)) * 1.0, self._exponent)
        return edges

    def upper_edges(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Upper edges of the cells that scores lie in."""
        edges: NDArray[np.float64] = np.floor(np.ldexp(scores, -self._exponent)) + 1
        return np.ldexp(edges, self._exponent, out=edges)

    def _cell_numbers(self, scores: FloatArray) -> Counts:
        if abs(self._exponent) > _SINGLE_EXPONENT:
            scores = scores.astype(np.float64)
        scaled = scores * scores.dtype.type(2.0**-self._exponent)
        numbers = np.floor(scaled).astype(np.int64)
        # What is negative but so small that scaling makes it zero belongs below zero none the less.
        numbers -= (scaled == 0) & (scores < 0)
        return numbers

    def _cover(self, low: float, high: float) -> None:
        """Widen the range, and the cells with it as far as needed."""
        if self._low <= low and high <= self._high:
            return
        fresh = self._low > self._high
        self._low, self._high = min(low, self._low), max(high, self._high)
        cells = self.counts.shape[1]
        exponent, first, last = _grid(self._low, self._high, cells)
        if exponent == self._exponent and self._first <= first and last < self._first + cells:
            return
        first -= (cells - 1 - (last - first)) // 2  # room to grow on both sides
        if not fresh:
            self._move(exponent, first)
        self._exponent, self._first = exponent, first

    def _move(self, exponent: int, first: int) -> None:
        """Carry the counts over to cells that are as wide or 2, 4, 8 … times as wide."""
        for row in self.counts:
            held = np.flatnonzero(row)
            pixels = row[held]
            row[:] = 0
            np.add.at(row, (held + self._first >> exponent - self._exponent) - first, pixels)


def _grid(low: float, high: float, cells: int) -> tuple[int, int, int]:
    """Exponent of the least width that serves, and the numbers of the first and the last cell in use."""
    exponent = max(_LEAST_EXPONENT, math.frexp(max(-low, high))[1] - _CELL_NUMBER_BITS)
    while True:
        first, last = _cell_number(low, exponent), _cell_number(high, exponent)
        if last - first < cells:
            return exponent, first, last
        exponent += 1


def _cell_number(score: float, exponent: int) -> int:
    scaled = math.ldexp(score, -exponent)
    return -1 if scaled == 0 and score < 0 else math.floor(scaled)


class PatternCells:
    """Cells that share the leading bits of the score as float32, ordered as numbers are."""

    def __init__(self, cells: int) -> None:
        self.counts: Counts = np.zeros((2, cells), np.int64)
        self._shift = 33 - cells.bit_length()

    def add(self, kind: int, scores: FloatArray, pixels: Counts | int = 1) -> None:
        """Count finite scores [n] of one kind, each once or as many times as ``pixels`` says."""
        np.add.at(self.counts[kind], self._keys(scores), pixels)

    def merge(self, other: PatternCells) -> None:
        """Add the counts of other cells of the same number."""
        self.counts += other.counts

    def lower_edges(self, start: int, stop: int) -> NDArray[np.float64]:
        """Lower edges of the cells from the start-th highest on, falling."""
        return _number(self.counts.shape[1] - 1 - np.arange(start, stop) << self._shift)

    def upper_edges(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Upper edges of the cells that scores lie in."""
        return _number((self._keys(scores).astype(np.int64) + 1) << self._shift)

    def _keys(self, scores: FloatArray) -> NDArray[np.uint32]:
        return _ordered(_rounded_down(scores)) >> np.uint32(self._shift)


def _rounded_down(scores: FloatArray) -> NDArray[np.float32]:
    """The greatest float32 that is no greater; zero without a sign."""
    if scores.dtype == np.float32:
        return scores + np.float32(0)
    with np.errstate(over="ignore"):
        single = scores.astype(np.float32)
        lower = np.nextafter(single, np.float32(-np.inf))
    return np.where(single > scores, lower, single) + np.float32(0)


def _ordered(single: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Bit patterns as unsigned integers in the order of the numbers."""
    bits = single.view(np.uint32)
    return bits ^ ((single.view(np.int32) >> 31).view(np.uint32) | np.uint32(1 << 31))


_NEGATIVE_INFINITY, _ZERO, _INFINITY = 0x007FFFFF, 0x80000000, 0xFF800000


def _number(ordered: NDArray[np.int64]) -> NDArray[np.float64]:
    """The inverse of :func:`_ordered`; beyond the infinities, where the patterns of NaN are, an infinity."""
    ordered = np.clip(ordered, _NEGATIVE_INFINITY, _INFINITY)
    bits = np.where(ordered >= _ZERO, ordered - _ZERO, 0xFFFFFFFF - ordered)
    return bits.astype(np.uint32).view(np.float32).astype(np.float64)


def light_cells(linear: LinearCells, pattern: PatternCells) -> Iterator[Cells]:
    """Cut the line at the edges of both into the finest cells whose counts are known; falling, in blocks."""
    descents = _Descent(linear), _Descent(pattern)
    before, above = np.float64(np.inf), np.zeros((2, 1), np.int64)
    while not all(descent.done for descent in descents):
        boundary = max(descent.boundary for descent in descents)
        parts = [descent.take(boundary) for descent in descents]
        low = np.union1d(parts[0][0], parts[1][0])[::-1]
        if len(low):
            reached = np.empty((2, len(low)), np.int64)
            for edges, counts in parts:
                reached[:, np.searchsorted(-low, -edges)] = counts
            counts = np.diff(reached, axis=1, prepend=above)
            high = np.concatenate(([before], low[:-1]))
            for cells in (linear, pattern):
                high = np.minimum(high, np.where(np.isfinite(low), cells.upper_edges(low), np.inf))
            before, above = low[-1], reached[:, -1:]
            held = counts.any(axis=0)
            yield Cells(low[held], high[held], counts[:, held])


class _Descent:
    """Reads one histogram from the highest cell down."""

    def __init__(self, cells: LinearCells | PatternCells) -> None:
        self._cells, self._size = cells, int(cells.counts.shape[1])
        self._place, self._reached = 0, np.zeros((2, 1), np.int64)

    @property
    def done(self) -> bool:
        return self._place == self._size

    @property
    def boundary(self) -> float:
        """The edge that a block of cells leads down to."""
        stop = self._place + _BLOCK
        return float(self._cells.lower_edges(stop - 1, stop)[0]) if stop < self._size else -math.inf

    def take(self, boundary: float) -> tuple[NDArray[np.float64], Counts]:
        """Lower edges, of cells that hold pixels, down to a boundary; the pixels at or above each, [2, n]."""
        stop = min(self._place + _BLOCK, self._size)
        edges = self._cells.lower_edges(self._place, stop)
        edges = edges[edges >= boundary]
        counts = self._cells.counts[:, ::-1][:, self._place : self._place + len(edges)]
        held = counts.any(axis=0)
        reached = self._reached + counts[:, held].cumsum(axis=1)
        self._place += len(edges)
        self._reached = np.concatenate((self._reached, reached), axis=1)[:, -1:]
        return edges[held], reached

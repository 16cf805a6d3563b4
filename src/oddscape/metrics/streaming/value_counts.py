"""Pixels counted by their very score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oddscape.metrics.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class ValueCounts:
    """V distinct scores, rising, and the pixels that have each.

    Args:
        scores: float64 [V], strictly rising; infinite ones too, no NaN.
        counts: int64 [2, V], known and anomalous pixels.
    """

    scores: NDArray[np.float64]
    counts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, part: slice | NDArray[np.bool_]) -> ValueCounts:
        return ValueCounts(self.scores[part], self.counts[:, part])

    def __add__(self, other: ValueCounts) -> ValueCounts:
        """Count the pixels of both."""
        at = np.searchsorted(self.scores, other.scores)
        shared = self.scores[np.minimum(at, len(self) - 1)] == other.scores if len(self) else at < 0
        fresh = ~shared
        # A place and the number of fresh scores before it: where an inserted or a kept score ends up.
        scores = np.insert(self.scores, at[fresh], other.scores[fresh])
        counts = np.stack([np.insert(row, at[fresh], 0) for row in self.counts])
        counts[:, at + np.cumsum(fresh) - fresh] += other.counts
        return ValueCounts(scores, counts)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.scores.nbytes + self.counts.nbytes


NO_VALUES = ValueCounts(np.empty(0), np.empty((2, 0), np.int64))


def counted(kind: int, scores: FloatArray) -> ValueCounts:
    """Count scores [n] of one kind, 0 known or 1 anomaly, in any order."""
    distinct, pixels = np.unique(scores, return_counts=True)
    counts = np.zeros((2, len(distinct)), np.int64)
    counts[kind] = pixels
    return ValueCounts(distinct.astype(np.float64), counts)

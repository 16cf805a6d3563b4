"""How the scores of known and of anomalous pixels are distributed, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from oddscape.metrics.arrays import FloatArray

ScoreGroup: TypeAlias = tuple[FloatArray, NDArray[np.int64] | None]
"""Scores [n], and how many pixels have each; None: one each."""


@dataclass(frozen=True, eq=False)
class ScoreHistogram:
    """How the scores of both kinds of pixel are distributed, in B equal bins over their common range.

    Args:
        edges: float64 [B + 1]; a bin holds its lower edge, the last bin its upper edge too.
        anomalous: int64 [B], anomalous pixels in each bin.
        known: int64 [B], known pixels in each bin.
    """

    edges: NDArray[np.float64]
    anomalous: NDArray[np.int64]
    known: NDArray[np.int64]


def score_histogram(
    known: Sequence[ScoreGroup], anomalous: Sequence[ScoreGroup], bins: int
) -> ScoreHistogram:
    """Count scores of both kinds in equal bins over the range of the finite ones."""
    edges = np.linspace(*_finite_range([scores for scores, _ in [*known, *anomalous]]), bins + 1)
    return ScoreHistogram(edges, _binned(anomalous, edges), _binned(known, edges))


def _finite_range(pieces: Sequence[FloatArray]) -> tuple[float, float]:
    """The least and the greatest finite value; half a unit to both sides where there is but one or none."""
    low, high = np.inf, -np.inf
    for piece in pieces:
        finite = np.isfinite(piece)
        low = min(low, float(piece.min(where=finite, initial=np.inf)))
        high = max(high, float(piece.max(where=finite, initial=-np.inf)))
    middle = low if low == high else 0.0
    return (low, high) if low < high else (middle - 0.5, middle + 0.5)


def _binned(groups: Sequence[ScoreGroup], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Histogram of many arrays; infinite values fall into the outermost bins."""
    low, high, bins = float(edges[0]), float(edges[-1]), len(edges) - 1
    counts = np.zeros(bins, np.int64)
    for scores, pixels in groups:
        counts += np.histogram(np.clip(scores, low, high), bins, (low, high), weights=pixels)[0]
    return counts

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
    edges = _edges([scores for scores, _ in [*known, *anomalous]], bins)
    return ScoreHistogram(edges, _binned(anomalous, edges), _binned(known, edges))


def _edges(pieces: Sequence[FloatArray], bins: int) -> NDArray[np.float64]:
    """Equal bins over the range of the finite scores, or around it where it is too narrow to be cut."""
    low, high = np.inf, -np.inf
    for piece in pieces:
        finite = np.isfinite(piece)
        low = min(low, float(piece.min(where=finite, initial=np.inf)))
        high = max(high, float(piece.max(where=finite, initial=-np.inf)))
    low, high = (low, high) if low <= high else (0.0, 0.0)
    edges = np.linspace(low, high, bins + 1)
    if (edges[1:] > edges[:-1]).all():
        return edges
    margin = max(0.5, 1e-6 * abs(low))
    return np.linspace(low - margin, high + margin, bins + 1)


def _binned(groups: Sequence[ScoreGroup], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Histogram of many arrays; infinite values fall into the outermost bins."""
    low, high, bins = float(edges[0]), float(edges[-1]), len(edges) - 1
    # As numpy's own floats the ends keep numpy from rounding the edges between them to the scores' float32.
    ends = (edges[0], edges[-1])
    counts = np.zeros(bins, np.int64)
    for scores, pixels in groups:
        counts += np.histogram(np.clip(scores, low, high), bins, ends, weights=pixels)[0]
    return counts

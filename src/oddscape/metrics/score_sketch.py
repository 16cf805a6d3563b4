"""A picture's scores in a few kilobytes, from which figures pooled over any pictures can be made.

A sketch counts both kinds of pixel at some of the picture's own scores; the sketches of many pictures come
together in histograms over common bins. Nothing but the order of the scores matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from oddscape.metrics.arrays import FloatArray, Floats

# A sketch holds at most 4 · 128 scores, 10 kB; the common histogram has at most 2 · 4 · 256 + 3 bins.
_SKETCH_RANKS = 128
_COMMON_RANKS = 256


@dataclass(frozen=True, eq=False)
class ScoreSketch:
    """Counts of one picture's scores at D of its own scores; of those between, only how many there are.

    Args:
        values: float [D], strictly rising, from the least to the greatest score; may be infinite.
        at_least: uint32 [2, D], pixels with score ≥ value: known in row 0, anomalous in row 1.
        above: uint32 [2, D], pixels with score > value.
    """

    values: FloatArray
    at_least: NDArray[np.uint32]
    above: NDArray[np.uint32]

    @property
    def totals(self) -> list[int]:
        """All known and all anomalous pixels."""
        first: list[int] = self.at_least[:, 0].tolist() if self.values.size else [0, 0]
        return first


def sketch(anomalous: Sequence[FloatArray], known: Sequence[FloatArray]) -> ScoreSketch:
    """Sketch one picture's scores: evenly spread quantiles of both kinds, and more towards the highest.

    Args:
        anomalous: chunks of scores of anomalous pixels, float [n] each, in rising order, no NaN.
        known: chunks of scores of known pixels, likewise.
    """
    chunks = [*anomalous, *known]
    picked = [chunk[chunk.size - 1 - _ranks(chunk.size, _SKETCH_RANKS)] for chunk in chunks]
    values = np.unique(np.concatenate([np.empty(0, np.float16), *picked]))
    kinds = (known, anomalous)
    at_least = np.stack([_count_from(values, kind, "left") for kind in kinds])
    above = np.stack([_count_from(values, kind, "right") for kind in kinds])
    return _thinned(ScoreSketch(values, at_least, above))


def sketch_of_counts(
    values: FloatArray, anomalous: NDArray[np.integer[Any]], known: NDArray[np.integer[Any]]
) -> ScoreSketch:
    """Sketch one picture's scores from a histogram over single values, as one of float16 scores is.

    Args:
        values: float [B], strictly rising.
        anomalous: integers [B], anomalous pixels with each value.
        known: integers [B], known pixels with each value.
    """
    counts = np.stack((known, anomalous)).astype(np.uint32)
    at_least = np.cumsum(counts[:, ::-1], axis=1, dtype=np.uint32)[:, ::-1]
    return _thinned(ScoreSketch(values, at_least, at_least - counts))


def share_at_least(sketch: ScoreSketch, threshold: float) -> float:
    """Share of a picture's known pixels with a score ≥ threshold, interpolated between the sketch's scores.

    Exact at these scores; NaN where the picture has no known pixel or the threshold is NaN.
    """
    known = sketch.totals[0]
    if not known or np.isnan(threshold):
        return float("nan")
    following = int(np.searchsorted(sketch.values, threshold))
    if following == sketch.values.size:
        return 0.0
    value, count = float(sketch.values[following]), int(sketch.at_least[0, following])
    if following == 0 or value == threshold:
        return count / known
    before, above = float(sketch.values[following - 1]), int(sketch.above[0, following - 1])
    width = value - before
    part = (value - threshold) / width if np.isfinite(width) else 0.5
    return (count + part * (above - count)) / known


def pooled_counts(sketches: Sequence[ScoreSketch]) -> Floats:
    """Bring the sketches of many pictures to one histogram each over the same bins.

    The bins come from the sketches' pooled quantiles. They alternate between one single score and the open
    stretch to the next, so that ties stay ties. Where a picture's sketch has no score at the end of a bin,
    its count there is interpolated, linearly in the rank among the scores of all sketches.

    Returns:
        float64 [pictures, 2, bins], row 0 known and row 1 anomalous, bins from the highest score to the
        lowest: bin 0, 2, 4 … a single score, bin 1, 3, 5 … a stretch. At most 2,047 bins.
    """
    every = np.concatenate([np.empty(0, np.float32), *(s.values for s in sketches)])
    scores, places = np.unique(every, return_inverse=True)
    if not scores.size:
        return np.zeros((len(sketches), 2, 1))
    common = _common_scores(sketches, places, scores.size)
    # Score number n is place 2n, and what lies just above it place 2n + 1.
    wanted = np.stack((2 * common, 2 * common + 1), axis=1).ravel()
    own = np.split(places, np.cumsum([s.values.size for s in sketches])[:-1])
    curves = [_counts_at(wanted, s, place) for s, place in zip(sketches, own, strict=True)]
    return np.diff(np.stack(curves)[:, :, ::-1], axis=2)


def _ranks(count: int, each: int) -> NDArray[np.int64]:
    """Ranks from the highest of ``count`` scores, 0: some evenly spread, others denser towards 0."""
    if not count:
        return np.empty(0, np.int64)
    spread = np.concatenate((np.linspace(0, count - 1, each), np.geomspace(1, count, each) - 1))
    return np.unique(np.rint(spread).astype(np.int64))


def _count_from(
    values: FloatArray, chunks: Sequence[FloatArray], side: Literal["left", "right"]
) -> NDArray[np.uint32]:
    """How many scores of sorted chunks are ≥ (left) or > (right) each value."""
    counts = np.zeros(values.size, np.uint32)
    for chunk in chunks:
        counts += (chunk.size - np.searchsorted(chunk, values, side)).astype(np.uint32)
    return counts


def _thinned(full: ScoreSketch) -> ScoreSketch:
    """Keep the scores at the ranks of a sketch."""
    picked = [
        full.values.size - 1 - np.searchsorted(at_least[::-1], _ranks(total, _SKETCH_RANKS), "right")
        for at_least, total in zip(full.at_least, full.totals, strict=True)
    ]
    kept = np.unique(np.concatenate(picked))
    return ScoreSketch(full.values[kept], full.at_least[:, kept], full.above[:, kept])


def _common_scores(sketches: Sequence[ScoreSketch], places: NDArray[np.intp], size: int) -> NDArray[np.int64]:
    """Which of all sketches' scores, by number from the lowest, part the pooled pixels of both kinds."""
    kept = [np.array([0, size - 1])]
    for kind in (0, 1):
        within = [-np.diff(s.at_least[kind].astype(np.int64), append=0) for s in sketches]
        mass = np.bincount(places, np.concatenate(within), size)
        from_top = np.cumsum(mass[::-1])
        ranks = _ranks(int(from_top[-1]), _COMMON_RANKS)
        kept.append(size - 1 - np.searchsorted(from_top, ranks, "right"))
    return np.unique(np.concatenate(kept))


def _counts_at(wanted: NDArray[np.int64], sketch: ScoreSketch, places: NDArray[np.intp]) -> Floats:
    """Counts [2, len(wanted)] of a picture's pixels at or above places, known and anomalous."""
    if not places.size:
        return np.zeros((2, wanted.size))
    own = np.stack((2 * places, 2 * places + 1), axis=1).ravel()
    counts = np.stack((sketch.at_least, sketch.above), axis=2).reshape(2, -1)
    return np.stack([np.interp(wanted, own, kind) for kind in counts])

"""The two ways of pooling pictures: keeping every score, or counting in constant memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from oddscape.metrics.arrays import FloatArray, scores_of
from oddscape.metrics.operating_points import OperatingPoints, count_split
from oddscape.metrics.pixel_figures import Bounds, PixelFigures, pixel_figures, without_width
from oddscape.metrics.score_histogram import ScoreHistogram, score_histogram
from oddscape.metrics.score_sketch import ScoreSketch, sketch, sketch_of_counts
from oddscape.metrics.sorting import blocks, sort_blocks
from oddscape.metrics.streaming import HALF_VALUES, StreamingCounts, half_histogram, points_of_half


class Pooled(NamedTuple):
    """The figures of all pictures, how far they may be off, and the counts that they are made of."""

    figures: PixelFigures
    bounds: Bounds
    points: OperatingPoints


@dataclass(frozen=True, eq=False)
class CountedPicture:
    """One picture, counted but not yet pooled.

    Args:
        points: its exact operating points.
        sketch: its scores in a few kilobytes, for the bootstrap.
        kept: what the engine that counted it will add to its pool.
    """

    points: OperatingPoints
    sketch: ScoreSketch
    kept: Any


class Engine(Protocol):
    """What both engines do."""

    def count(self, score: FloatArray, truth: NDArray[Any]) -> CountedPicture:
        """Count one picture [H, W] and add nothing yet; raises OddscapeError where a counted score is NaN."""

    def add(self, picture: CountedPicture) -> None:
        """Add a picture that this engine counted."""

    def merge(self, other: Self) -> None:
        """Add the pictures of another engine of the same kind after one's own."""

    def compute(self, fpr_rule: str) -> Pooled:
        """Give the figures of everything added so far."""

    def histogram(self, bins: int) -> ScoreHistogram:
        """Count the scores of both kinds in equal bins."""

    def anomalous_scores(self) -> FloatArray | None:
        """Scores of all anomalous pixels, float [P], in the order in which they came; None: not kept."""


class ExactEngine:
    """Keeps each counted score, 4 bytes a pixel (8 where it came as float64)."""

    def __init__(self) -> None:
        self._anomalous: list[FloatArray] = []
        self._known: list[FloatArray] = []

    def count(self, score: FloatArray, truth: NDArray[Any]) -> CountedPicture:
        """Count one picture [H, W]; see :class:`Engine`."""
        anomalous, known = scores_of(1, score, truth), scores_of(0, score, truth)
        return CountedPicture(*_counted(anomalous, known), kept=(anomalous, known))

    def add(self, picture: CountedPicture) -> None:
        """Keep the scores of a picture."""
        anomalous, known = picture.kept
        self._anomalous.append(anomalous)
        self._known.append(known)

    def merge(self, other: ExactEngine) -> None:
        """Keep the scores of another engine after one's own."""
        self._anomalous += other._anomalous
        self._known += other._known

    def compute(self, fpr_rule: str) -> Pooled:
        """Give the exact figures."""
        anomalous = np.concatenate([*self._anomalous, np.empty(0, np.float32)])
        sorted_blocks = (block for known in self._known for block in blocks(known))
        points = count_split(anomalous, sorted_blocks, presorted=True)
        figures = pixel_figures(points, fpr_rule)
        return Pooled(figures, without_width(figures), points)

    def histogram(self, bins: int) -> ScoreHistogram:
        """Count the scores of both kinds in equal bins."""
        known, anomalous = ([(scores, None) for scores in kind] for kind in (self._known, self._anomalous))
        return score_histogram(known, anomalous, bins)

    def anomalous_scores(self) -> FloatArray:
        """Scores of all anomalous pixels, float [P], in the order in which they came."""
        return np.concatenate([*self._anomalous, np.empty(0, np.float32)])


class StreamingEngine:
    """Counts scores in constant memory; figures of single pictures are exact all the same.

    Args:
        memory: bytes that the counts and the work on them may take.
    """

    def __init__(self, memory: int) -> None:
        self._counts = StreamingCounts(memory)

    def count(self, score: FloatArray, truth: NDArray[Any]) -> CountedPicture:
        """Count one picture [H, W]; see :class:`Engine`."""
        if score.dtype == np.float16:
            histogram = half_histogram(score, truth)
            used = histogram.any(axis=0)
            known, anomalous = histogram[:, used]
            picked = sketch_of_counts(HALF_VALUES[used], anomalous, known)
            return CountedPicture(points_of_half(histogram), picked, kept=histogram)
        counted = _counted(scores_of(1, score, truth), scores_of(0, score, truth))
        return CountedPicture(*counted, kept=(score, truth))

    def add(self, picture: CountedPicture) -> None:
        """Count the scores of a picture."""
        if isinstance(picture.kept, tuple):
            self._counts.update(*picture.kept)
        else:
            self._counts.update_half(picture.kept)

    def merge(self, other: StreamingEngine) -> None:
        """Add the counts of another engine."""
        self._counts.merge(other._counts)

    def compute(self, fpr_rule: str) -> Pooled:
        """Give the figures with their certified intervals; curves take each cell of scores as one tie."""
        result = self._counts.compute(fpr_rule)
        figures = PixelFigures(*(getattr(result, name) for name in PixelFigures._fields))
        return Pooled(figures, result.bounds, self._counts.operating_points())

    def histogram(self, bins: int) -> ScoreHistogram:
        """Count the scores of both kinds in equal bins."""
        counts = self._counts.counts()
        known, anomalous = ([(counts.scores, pixels)] for pixels in counts.counts)
        return score_histogram(known, anomalous, bins)

    def anomalous_scores(self) -> None:
        """No score is kept."""
        return


ENGINES: dict[str, Callable[[int], Engine]] = {
    "exact": lambda _: ExactEngine(),
    "streaming": StreamingEngine,
}
"""The engines by name; each takes the memory, in bytes, that it may use."""


def _counted(anomalous: FloatArray, known: FloatArray) -> tuple[OperatingPoints, ScoreSketch]:
    """Count one picture's scores; the known ones are left sorted by blocks."""
    known_blocks, anomalous_blocks = sort_blocks(known), sort_blocks(anomalous.copy())
    points = count_split(anomalous, known_blocks, presorted=True)
    return points, sketch(anomalous_blocks, known_blocks)

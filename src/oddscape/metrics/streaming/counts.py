"""AP, AUROC, FPR95 and best F1 of any number of pixels in constant memory, each with a certified interval."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddscape.errors import OddscapeError
from oddscape.interval import Interval
from oddscape.metrics.arrays import FloatArray, Maps, as_scored_maps
from oddscape.metrics.fpr_rules import fpr, require_fpr_rule
from oddscape.metrics.operating_points import OperatingPoints
from oddscape.metrics.pixel_figures import Bounds, pixel_figures, without_width
from oddscape.metrics.streaming.certified import Ranking, certified_areas, points_around, ranked
from oddscape.metrics.streaming.certified_fpr import certified_fpr
from oddscape.metrics.streaming.half_precision import HALF_VALUES, PATTERNS, half_histogram, points_of_counts
from oddscape.metrics.streaming.heavy_values import HeavyValues, chunks, heavy_values
from oddscape.metrics.streaming.score_cells import Cells, LinearCells, PatternCells, light_cells
from oddscape.metrics.streaming.value_counts import NO_VALUES, ValueCounts, counted

DEFAULT_MEMORY = 64 * 2**20
_LEAST_MEMORY = 40 * 2**20
_BYTES_PER_CELL = 64  # of the linear cells, with all that goes with one and the arrays of compute()
_RECALL = 0.95
_NO_CELLS = Cells(np.empty(0), np.empty(0), np.empty((2, 0), np.int64))


@dataclass(frozen=True)
class StreamingResult:
    """Figures of all pixels, fractions in [0, 1]; each lies in its interval, exact where that has width 0.

    Args:
        average_precision: AP, the step sum; the middle of its interval.
        auroc: area under the ROC curve, ties as one point; the middle of its interval.
        fpr95: false-positive rate at 95 % recall.
        threshold: a score t at which the pixels with s ≥ t have that rate.
        best_f1: greatest 2TP / (2TP + FP + FN) that ``best_f1_threshold`` is known to reach.
        best_f1_threshold: a score t whose pixels with s ≥ t reach it.
        positives: anomalous pixels counted.
        negatives: known pixels counted.
        undefined: why the figures are NaN; None where they are numbers.
        bounds: the certified intervals.
    """

    average_precision: float
    auroc: float
    fpr95: float
    threshold: float
    best_f1: float
    best_f1_threshold: float
    positives: int
    negatives: int
    undefined: str | None
    bounds: Bounds


class StreamingCounts:
    """Accumulates score maps in constant memory; the figures depend on no order and no parting.

    float16 scores are counted by their very value. Of float32 and float64 scores the highest and the lowest
    32,768 distinct ones are counted by value too, and so are those that over a 1,024th of a picture's pixels
    share (a saturated score); all others by cell, see :mod:`oddscape.metrics.streaming.score_cells`.

    Args:
        memory: bytes that the counts and the work on them may take, at least 40 MiB.

    Raises:
        OddscapeError: ``memory`` is too small.
    """

    def __init__(self, memory: int = DEFAULT_MEMORY) -> None:
        if memory < _LEAST_MEMORY:
            raise OddscapeError(f"memory is {memory} bytes: expected at least {_LEAST_MEMORY}")
        cells = 1 << (memory // _BYTES_PER_CELL).bit_length() - 1
        self._half: NDArray[np.int64] = np.zeros((2, PATTERNS), np.int64)
        self._linear, self._pattern = LinearCells(cells), PatternCells(cells)
        self._extremes, self._per_end = NO_VALUES, cells // 32
        self._by_cell = False
        self._pending: list[ValueCounts] = []
        self._heavy = HeavyValues(cells // 64)

    @property
    def nbytes(self) -> int:
        """Bytes that the counts take now."""
        cells = self._half.nbytes + self._linear.counts.nbytes + self._pattern.counts.nbytes
        values = self._extremes.nbytes + sum(values.nbytes for values in self._pending)
        return cells + values + self._heavy.nbytes

    def update(self, score: Maps, truth: Maps) -> None:
        """Add one picture or a batch of pictures.

        Args:
            score: float16, float32 or float64 (or torch's bfloat16), [n], [H, W] or [N, H, W]; higher = more
                anomalous; infinite ones are scores like others.
            truth: the same shape; 0 known, 1 anomaly, 255 ignored. Scores of ignored pixels never matter.

        Raises:
            OddscapeError: shapes differ, score has another type, truth holds another value, or a counted
                score is NaN. Then nothing has been added.
        """
        score, truth = as_scored_maps(_as_picture(score), _as_picture(truth))
        if score.dtype == np.float16:
            self.update_half(half_histogram(score, truth))
            return
        pictures = [(s.reshape(-1), t.reshape(-1)) for s, t in zip(score, truth, strict=True)]
        # A list, so that a fault in the last picture is found before the first is added.
        heavy = [heavy_values(*picture) for picture in pictures]
        for picture, values in zip(pictures, heavy, strict=True):
            self._add_picture(*picture, values)

    def update_half(self, histogram: NDArray[np.int64]) -> None:
        """Add float16 pixels that are counted already, int64 [2, 65536] from ``half_histogram``."""
        self._half += histogram

    def merge(self, other: StreamingCounts) -> None:
        """Add the pictures of another accumulator.

        Raises:
            OddscapeError: the two have different memory.
        """
        if other._linear.counts.shape != self._linear.counts.shape:
            raise OddscapeError("cannot merge counts that were given different memory")
        other._settle()
        self._half += other._half
        self._linear.merge(other._linear)
        self._pattern.merge(other._pattern)
        self._add_values(other._extremes)
        self._add_values(self._heavy.merge(other._heavy))
        self._settle()
        self._by_cell |= other._by_cell

    def compute(self, fpr_rule: str = "first_above") -> StreamingResult:
        """Give the figures of everything added so far; undefined ones are NaN and say why.

        Raises:
            OddscapeError: there is no such rule.
        """
        require_fpr_rule(fpr_rule)
        self._settle()
        known, anomalous = self._totals()
        if not self._by_cell or not known or not anomalous:
            points = self.operating_points()
            figures = pixel_figures(points, fpr_rule)
            return StreamingResult(*figures, undefined=points.undefined, bounds=without_width(figures))
        areas = certified_areas(self._rankings(), anomalous, known)
        rates = certified_fpr(self._rankings(), anomalous, known, fpr_rule, _RECALL)
        points = points_around(self._rankings(), anomalous, known, _RECALL)
        rate, threshold = fpr(points, fpr_rule, _RECALL)
        return StreamingResult(
            average_precision=_middle(areas.average_precision),
            auroc=_middle(areas.auroc),
            fpr95=min(max(rate, rates.low), rates.high),
            threshold=threshold,
            best_f1=areas.best_f1.low,
            best_f1_threshold=areas.best_f1_threshold,
            positives=anomalous,
            negatives=known,
            undefined=None,
            bounds=Bounds(areas.average_precision, areas.auroc, rates, areas.best_f1),
        )

    def counts(self) -> ValueCounts:
        """Give all pixels by score, those that are counted by cell at the lower edge of theirs.

        It takes 24 bytes for each cell or score beyond the memory that was asked for.
        """
        exact, cells = self._exact(), list(self._light())
        low = np.concatenate([np.empty(0), *(block.low for block in cells)])
        counts = np.concatenate([np.empty((2, 0), np.int64), *(block.counts for block in cells)], axis=1)
        return exact + ValueCounts(low[::-1], counts[:, ::-1])

    def operating_points(self) -> OperatingPoints:
        """Give the operating points with each cell as one tie, for curves; see :meth:`counts`."""
        counts = self.counts()
        return points_of_counts(counts.scores[::-1], *counts.counts[:, ::-1])

    def _add_picture(self, score: FloatArray, truth: NDArray[Any], heavy: ValueCounts) -> None:
        self._add_values(self._heavy.add(heavy))
        for part, kind in chunks(score, truth):
            for each in (0, 1):
                scores = part[kind == each]
                if len(heavy) and scores.size:
                    at = np.searchsorted(heavy.scores, scores)
                    scores = scores[heavy.scores[np.minimum(at, len(heavy) - 1)] != scores]
                self._add_scores(each, scores)

    def _add_scores(self, kind: int, scores: FloatArray) -> None:
        """Count scores of one kind: by value those that may be among the extreme ones, by cell the rest."""
        if self._by_cell:
            low, high = self._extremes.scores[[self._per_end - 1, self._per_end]]
            inner = _surely_between(scores, low, high)
            if not inner.all():
                self._add_values(counted(kind, scores[~inner]))
                scores = scores[inner]
            self._add_to_cells(kind, scores)
        else:
            self._add_values(counted(kind, scores))

    def _add_values(self, values: ValueCounts) -> None:
        """Count pixels by value, for the time being."""
        if len(values):
            self._pending.append(values)
            if sum(map(len, self._pending)) > self._per_end:
                self._settle()

    def _settle(self) -> None:
        """Count by cell what is no longer, or was never, among the extreme scores."""
        extremes = self._extremes + sum(self._pending, NO_VALUES)
        self._pending.clear()
        inner = slice(self._per_end, len(extremes) - self._per_end)
        if inner.start < inner.stop:
            self._by_cell = True
            for kind, pixels in enumerate(extremes.counts[:, inner]):
                self._add_to_cells(kind, extremes.scores[inner][pixels > 0], pixels[pixels > 0])
            kept = np.r_[: inner.start, inner.stop : len(extremes)]
            extremes = ValueCounts(extremes.scores[kept], extremes.counts[:, kept])
        self._extremes = extremes

    def _add_to_cells(self, kind: int, scores: FloatArray, pixels: NDArray[np.int64] | int = 1) -> None:
        self._linear.add(kind, scores, pixels)
        self._pattern.add(kind, scores, pixels)

    def _exact(self) -> ValueCounts:
        """The pixels that are counted by value."""
        self._settle()
        used = self._half.any(axis=0)
        return ValueCounts(HALF_VALUES[used], self._half[:, used]) + self._extremes + self._heavy.total()

    def _light(self) -> Iterator[Cells]:
        """The pixels that are counted by cell, in falling blocks; they lie between the extreme ones."""
        if self._by_cell:
            low, high = self._extremes.scores[[self._per_end - 1, self._per_end]]
            low = np.nextafter(low, np.inf)
            for block in light_cells(self._linear, self._pattern):
                yield Cells(np.maximum(block.low, low), np.minimum(block.high, high), block.counts)

    def _rankings(self) -> Iterator[Ranking]:
        """All pixels in falling blocks."""
        exact = self._exact()
        for block in self._light():
            rest = int(np.searchsorted(exact.scores, block.low[-1])) if len(block.low) else len(exact)
            yield from _nonempty(ranked(exact[rest:], block))
            exact = exact[:rest]
        yield from _nonempty(ranked(exact, _NO_CELLS))

    def _totals(self) -> tuple[int, int]:
        """All known and all anomalous pixels."""
        known, anomalous = self._exact().counts.sum(axis=1) + self._linear.counts.sum(axis=1)
        return int(known), int(anomalous)


def _nonempty(ranking: Ranking) -> Iterator[Ranking]:
    if len(ranking.scores):
        yield ranking


def _as_picture(maps: Maps) -> Maps:
    """Pixels [n] as a picture [1, n], maps as they are."""
    return maps[None] if maps.ndim == 1 else maps


def _surely_between(scores: FloatArray, low: float, high: float) -> NDArray[np.bool_]:
    """Which scores lie between two numbers; rounding to their type may rule out some more."""
    with np.errstate(over="ignore"):
        bounds = np.array([low, high]).astype(scores.dtype)
    inner: NDArray[np.bool_] = scores > np.nextafter(bounds[0], np.inf)
    inner &= scores < np.nextafter(bounds[1], -np.inf)
    return inner


def _middle(interval: Interval) -> float:
    return (interval.low + interval.high) / 2

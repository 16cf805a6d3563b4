"""Bounds of the false-positive rate at a recall, by each rule, of a ranking with light pixels.

Every operating point lies in a box (see :mod:`oddscape.metrics.streaming.certified`): the false positives
are bounded by the boxes in which the rule's point may lie. A cell's end is an operating point that is known.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from oddscape.interval import Interval
from oddscape.metrics.streaming.certified import LIGHT, Ranking


class _Box(NamedTuple):
    """Where operating points lie: true positives from ``tp`` to ``tp_high``, false ones likewise."""

    tp: int
    tp_high: int
    fp: int
    fp_high: int


class _Cell(NamedTuple):
    """One cell, or one exact score outside all cells: its boxes and its counts."""

    boxes: list[_Box]
    anomalous: int
    known: int
    certain: bool

    @property
    def end(self) -> tuple[int, int]:
        """True and false positives down to its end."""
        return self.boxes[0].tp + self.anomalous, self.boxes[0].fp + self.known


class _Crossing(NamedTuple):
    """The cell in which the recall is reached, and those that follow."""

    cell: _Cell
    following: Iterator[_Cell]
    positives: int
    recall: float

    def distance(self, true_positives: int) -> float:
        return abs(true_positives / self.positives - self.recall)


def certified_fpr(
    rankings: Iterable[Ranking], positives: int, negatives: int, rule: str, recall: float
) -> Interval:
    """Bound the false-positive rate at a recall by a rule of ``FPR_RULES``.

    Args:
        rankings: all pixels, one block of rows below the other, no cell cut in two.
        positives: anomalous pixels in all of them, at least one.
        negatives: known pixels in all of them, at least one.
        rule: a name in ``FPR_RULES``.
        recall: between 0 and 1.
    """
    strict = rule in ("first_above", "interpolated")
    cells = _cells_from_recall(iter(rankings), positives, recall, strict=strict)
    low, high = _RULES[rule](_Crossing(next(cells), cells, positives, recall))
    return Interval(float(low / negatives), float(high / negatives))


def _cells_from_recall(
    rankings: Iterator[Ranking], positives: int, recall: float, *, strict: bool
) -> Iterator[_Cell]:
    """The cell in which the recall is reached, and those below it."""
    tp, fp = 0, 0
    for ranking in rankings:
        rates = (tp + ranking.anomalous.cumsum()) / positives
        reached = np.flatnonzero(rates > recall if strict else rates >= recall)
        if len(reached):
            row = int(reached[0])
            row -= max(0, int(ranking.inside[row]))
            tp, fp = tp + int(ranking.anomalous[:row].sum()), fp + int(ranking.known[:row].sum())
            yield from _cells(itertools.chain([ranking], rankings), row, tp, fp)
            return
        tp, fp = tp + int(ranking.anomalous.sum()), fp + int(ranking.known.sum())


def _cells(rankings: Iterable[Ranking], row: int, tp: int, fp: int) -> Iterator[_Cell]:
    """The cells from a row of the first ranking on, which begin with ``tp`` and ``fp`` above them."""
    for ranking in rankings:
        heads = [*(row + np.flatnonzero(ranking.inside[row:] <= LIGHT)), len(ranking.scores)]
        for start, stop in itertools.pairwise(heads):
            cell = _cell(ranking, start, stop, tp, fp)
            yield cell
            tp, fp = cell.end
        row = 0


def _cell(ranking: Ranking, start: int, stop: int, tp: int, fp: int) -> _Cell:
    light = bool(ranking.inside[start] == LIGHT)
    p, n = (int(ranking.anomalous[start]), int(ranking.known[start])) if light else (0, 0)
    boxes = [_Box(tp, tp + p, fp, fp + n)]
    for row in range(start + light, stop):
        last, gained, wrong = boxes[-1], int(ranking.anomalous[row]), int(ranking.known[row])
        boxes.append(_Box(last.tp + gained, last.tp_high + gained, last.fp + wrong, last.fp_high + wrong))
    return _Cell(boxes, boxes[-1].tp_high - tp, boxes[-1].fp_high - fp, certain=not light)


def _boxes_reaching(crossing: _Crossing, *, strict: bool) -> tuple[int, int]:
    """First and last of the cell's boxes in which the recall may first be reached."""
    rates = [(box.tp / crossing.positives, box.tp_high / crossing.positives) for box in crossing.cell.boxes]
    reached = [
        rate > crossing.recall if strict else rate >= crossing.recall for pair in rates for rate in pair
    ]
    return reached[1::2].index(True), [*reached[::2], True].index(True)


def _first(crossing: _Crossing, *, strict: bool) -> tuple[float, float]:
    first, last = _boxes_reaching(crossing, strict=strict)
    boxes = crossing.cell.boxes
    return boxes[first].fp, boxes[min(last, len(boxes) - 1)].fp_high


def _first_at_least(crossing: _Crossing) -> tuple[float, float]:
    return _first(crossing, strict=False)


def _first_above(crossing: _Crossing) -> tuple[float, float]:
    """From the first point on, equal steps of true *and* false positives are dropped: the run has to end.

    A cell that lies within the run as a whole holds both kinds in the proportion of the steps.
    """
    low, high = _first(crossing, strict=True)
    cell = crossing.cell
    if not cell.known:
        return low, high
    if not cell.certain:
        high = cell.end[1]
    step = (cell.anomalous, cell.known) if cell.certain else None
    for after in crossing.following:
        alike = step is None or after.anomalous * step[1] == after.known * step[0]
        if not (after.anomalous and after.known) or (after.certain and not alike):
            break
        high = after.end[1]
        if not alike:
            break
        step = after.anomalous, after.known
    return low, high


def _nearest(crossing: _Crossing) -> tuple[float, float]:
    """A point counts by its recall; of equal ones the last, which is the start of the next positive's box."""
    boxes, distance = list(crossing.cell.boxes), crossing.distance
    start, end = boxes[0].tp, crossing.cell.end[0]
    known_points = [distance(end)] + [distance(start)] * (start > 0)
    known_points += [max(distance(box.tp), distance(box.tp_high)) for box in boxes[1:]]
    if end < crossing.positives:
        if boxes[-1].tp == end:
            boxes.pop()
        after = next(cell for cell in crossing.following if cell.anomalous)
        boxes += [_Box(end, end, box.fp, box.fp_high) for box in after.boxes if box.tp == end]
    possible = [
        box for box in boxes if box.tp_high > 0 and _least_distance(box, crossing) <= min(known_points)
    ]
    return min(box.fp for box in possible), max(box.fp_high for box in possible)


def _least_distance(box: _Box, crossing: _Crossing) -> float:
    if box.tp / crossing.positives <= crossing.recall <= box.tp_high / crossing.positives:
        return 0.0
    return min(crossing.distance(box.tp), crossing.distance(box.tp_high))


def _interpolated(crossing: _Crossing) -> tuple[float, float]:
    """A line from a point in one box to a point in the next, where the recall lies between the boxes."""
    first, last = _boxes_reaching(crossing, strict=True)
    boxes = crossing.cell.boxes
    before, after = boxes[max(first - 1, 0)], boxes[min(last, len(boxes) - 1)]
    if first != last or first == 0:
        return before.fp, after.fp_high
    return (
        _on_line(crossing, before.tp_high, before.fp, after.tp_high, after.fp),
        _on_line(crossing, before.tp, before.fp_high, after.tp, after.fp_high),
    )


def _on_line(crossing: _Crossing, tp: int, fp: int, next_tp: int, next_fp: int) -> float:
    before = tp / crossing.positives
    return fp + (crossing.recall - before) / (next_tp / crossing.positives - before) * (next_fp - fp)


_RULES: dict[str, Callable[[_Crossing], tuple[float, float]]] = {
    "first_above": _first_above,
    "first_at_least": _first_at_least,
    "nearest": _nearest,
    "interpolated": _interpolated,
}

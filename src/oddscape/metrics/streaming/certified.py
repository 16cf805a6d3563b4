"""Figures of pixels whose order is known only from cell to cell, and the bounds that contain the exact ones.

A :class:`Ranking` holds, from the highest score to the lowest, pixels of a known score and *light* pixels,
of which only the cell low ≤ s < high is known. A light pixel may stand anywhere in its cell: above, below
or level with the others there. Every figure gets better where a positive rises or a negative falls, so the
bounds are those of the best and the worst order. Let a cell begin with S positives and F negatives above
it, hold p and n light ones, and exact scores j = 1 … m with P_j positives and N_j negatives down to the
j-th, P and N all in all.

- AUROC = 1 − Σ (negatives above a positive, level ones half) / (all positives · all negatives). Best: a
  light positive has F above it. Worst: F + n + N_m, and an exact score n more.
- AP = Σ over positives of the precision at their score / all positives. Best: light positives stand first,
  level with each other or with an exact score: max_j (S + p + P_j) / (S + p + P_j + F + N_j), where j = 0
  counts too. Worst: the i-th of them stands alone at f(S + i) with f(x) = x / (x + F + n + N_m). As f is
  concave, Σ_i f(S + i) ≥ p (f(S + 1) + f(S + p)) / 2, exact for p ≤ 2.
- F1 = 2TP / (TP + FP + all positives). At most that of S + p + P_j and F + N_j; at least that of S + P_j
  and F + n + N_j, and the very one at the end of the cell.
- FPR at a recall: every operating point in a cell lies in one of the boxes S + P_j ≤ TP ≤ S + P_j + p,
  F + N_j ≤ FP ≤ F + N_j + n with j = 0 … m; see :mod:`oddscape.metrics.streaming.certified_fpr`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oddscape.interval import Interval
from oddscape.metrics.operating_points import OperatingPoints
from oddscape.metrics.streaming.score_cells import Cells
from oddscape.metrics.streaming.value_counts import NO_VALUES, ValueCounts

ALONE, LIGHT = -1, 0
_ROUNDING = 1e-12  # far above what the sums can be rounded by


@dataclass(frozen=True, eq=False)
class Ranking:
    """R rows from the highest score to the lowest; a cell's light pixels stand before its exact scores.

    Args:
        scores: float64 [R], an exact score, or the lower edge of a cell for its light pixels.
        known: int64 [R], known pixels.
        anomalous: int64 [R], anomalous pixels.
        inside: int32 [R]: ``ALONE`` for an exact score outside all cells, ``LIGHT`` for light pixels, else
            how many rows above the light pixels of its cell stand.
    """

    scores: NDArray[np.float64]
    known: NDArray[np.int64]
    anomalous: NDArray[np.int64]
    inside: NDArray[np.int32]


def ranked(exact: ValueCounts, light: Cells) -> Ranking:
    """Put exact scores and light pixels in order."""
    rows = len(exact) + len(light.low)
    above = np.searchsorted(-light.high, -exact.scores[::-1])  # cells that begin above an exact score
    at_exact = np.arange(len(exact)) + above
    at_light = np.delete(np.arange(rows), at_exact)
    scores, counts, inside = np.empty(rows), np.empty((2, rows), np.int64), np.zeros(rows, np.int32)
    scores[at_exact], scores[at_light] = exact.scores[::-1], light.low
    counts[:, at_exact], counts[:, at_light] = exact.counts[:, ::-1], light.counts
    inside[at_exact] = ALONE
    held = np.flatnonzero(above)
    held = held[light.low[above[held] - 1] <= scores[at_exact[held]]]
    inside[at_exact[held]] = at_exact[held] - at_light[above[held] - 1]
    return Ranking(scores, counts[0], counts[1], inside)


class CertifiedAreas(NamedTuple):
    """What is summed, or the greatest, over all rows; ``best_f1_threshold`` reaches ``best_f1.low``."""

    average_precision: Interval
    auroc: Interval
    best_f1: Interval
    best_f1_threshold: float


def certified_areas(rankings: Iterable[Ranking], positives: int, negatives: int) -> CertifiedAreas:
    """Bound AP, AUROC and the best F1.

    Args:
        rankings: all pixels, one block of rows below the other, no cell cut in two.
        positives: anomalous pixels in all of them, at least one.
        negatives: known pixels in all of them, at least one.
    """
    sums, best_f1, worst_f1, threshold = np.zeros(4), 0.0, -1.0, np.nan
    true_positives, false_positives = 0, 0
    for ranking in rankings:
        block = _block(ranking, true_positives, false_positives)
        sums += _area_sums(block, negatives)
        best_f1 = max(best_f1, float(_f1(block.best_tp, block.best_fp, positives).max()))
        reached = _f1(block.worst_tp, block.worst_fp, positives)
        if reached.max() > worst_f1:
            worst_f1, threshold = float(reached.max()), float(ranking.scores[np.argmax(reached)])
        true_positives += int(ranking.anomalous.sum())
        false_positives += int(ranking.known.sum())
    ap_low, ap_high, wrong_low, wrong_high = sums / positives
    return CertifiedAreas(
        _padded(ap_low, ap_high),
        _padded(1 - wrong_high, 1 - wrong_low),
        Interval(worst_f1, best_f1),
        threshold,
    )


class _Block(NamedTuple):
    """Some rows, and the counts down to each in the best and in the worst order of its cell.

    For light rows the best is without the cell's exact scores, the worst is the cell's end.
    """

    known: NDArray[np.int64]
    anomalous: NDArray[np.int64]
    light: NDArray[np.bool_]
    inner: NDArray[np.intp]
    head: NDArray[np.intp]
    best_tp: NDArray[np.int64]
    best_fp: NDArray[np.int64]
    worst_tp: NDArray[np.int64]
    worst_fp: NDArray[np.int64]


def _block(ranking: Ranking, true_positives: int, false_positives: int) -> _Block:
    known, anomalous, inside = ranking.known, ranking.anomalous, ranking.inside
    tp, fp = true_positives + anomalous.cumsum(), false_positives + known.cumsum()
    light, inner = inside == LIGHT, np.flatnonzero(inside > 0)
    head = inner - inside[inner]
    best_fp, worst_tp, worst_fp = fp.copy(), tp.copy(), fp.copy()
    best_fp[light] -= known[light]
    best_fp[inner] -= known[head]
    worst_tp[inner] -= anomalous[head]
    np.add.at(worst_tp, head, anomalous[inner])
    np.add.at(worst_fp, head, known[inner])
    return _Block(known, anomalous, light, inner, head, tp, best_fp, worst_tp, worst_fp)


def _area_sums(block: _Block, negatives: int) -> NDArray[np.float64]:
    """Sums over the positives of least and greatest precision, and of least and greatest share above."""
    gained = block.anomalous
    best = block.best_tp / np.maximum(block.best_tp + block.best_fp, 1)
    np.maximum.at(best, block.head, best[block.inner])
    worst = block.worst_tp / np.maximum(block.worst_tp + block.worst_fp, 1)
    light = block.light
    first = block.best_tp[light] - gained[light] + 1
    worst[light] = (
        _share(first, block.worst_fp[light]) + _share(block.best_tp[light], block.worst_fp[light])
    ) / 2
    level = np.where(light, 0, block.known / 2)
    above_low, above_high = (block.best_fp - level) / negatives, (block.worst_fp - level) / negatives
    return np.array([np.sum(gained * each) for each in (worst, best, above_low, above_high)])


def _share(part: NDArray[np.int64], rest: NDArray[np.int64]) -> NDArray[np.float64]:
    share: NDArray[np.float64] = part / np.maximum(part + rest, 1)
    return share


def _f1(tp: NDArray[np.int64], fp: NDArray[np.int64], positives: int) -> NDArray[np.float64]:
    f1: NDArray[np.float64] = 2 * tp / (tp + fp + positives)
    return f1


def _padded(low: float, high: float) -> Interval:
    return Interval(max(0.0, float(low) - _ROUNDING), min(1.0, float(high) + _ROUNDING))


def points_around(
    rankings: Iterable[Ranking], positives: int, negatives: int, recall: float
) -> OperatingPoints:
    """Give the operating points near a recall with each cell as one tie, at its lower edge."""
    near: list[ValueCounts] = []
    above = np.zeros((2, 1), np.int64)
    beyond = 0
    for ranking in rankings:
        if len(near) == 2 and not beyond:
            above += near.pop(0).counts.sum(axis=1, keepdims=True)
        near.append(_ties(ranking))
        reached = int(above[1, 0]) + sum(int(block.counts[1].sum()) for block in near)
        beyond += reached > recall * positives
        if beyond == 2 and ranking.anomalous.any():
            break
    counts = sum(near, NO_VALUES)
    known, anomalous = above + counts.counts[:, ::-1].cumsum(axis=1)
    held = np.flatnonzero(counts.counts[1, ::-1])
    return OperatingPoints(
        thresholds=counts.scores[::-1][held],
        true_positives=anomalous[held],
        false_positives=known[held],
        false_positives_above=known[held] - counts.counts[0, ::-1][held],
        positives=positives,
        negatives=negatives,
    )


def _ties(ranking: Ranking) -> ValueCounts:
    scores, at = np.unique(ranking.scores, return_inverse=True)
    counts = np.zeros((2, len(scores)), np.int64)
    np.add.at(counts[0], at, ranking.known)
    np.add.at(counts[1], at, ranking.anomalous)
    return ValueCounts(scores, counts)

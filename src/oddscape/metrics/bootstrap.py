"""Confidence intervals by bootstrap over pictures or recordings, from a small sketch of each picture.

A replicate draws as many units as there are, with replacement (Efron 1979). What it needs of a picture are
counts, so that a thousand replicates are one product of matrices. Figures made of sums of counts take the
counts themselves; AP, AUROC, FPR95 and best F1 take a sketch of the picture's scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddscape.metrics.arrays import Floats
from oddscape.metrics.fpr_rules import require_fpr_rule
from oddscape.metrics.ratios import ratio
from oddscape.metrics.score_sketch import ScoreSketch, pooled_counts

# So many replicates at a time that what is computed of them stays in the cache.
_ROWS = 64


def resample(units: Sequence[str], replicates: int = 1000, seed: int = 0) -> Floats:
    """Draw units with replacement, as many as there are, for every replicate.

    The draw depends on nothing but the names of the units and the seed: not on the scores, the order of the
    pictures, the process or numpy's version. So the replicates of two runs over the same pictures are
    pairs.

    Args:
        units: the unit of each picture; pictures of one unit are drawn together.
        replicates: how many.
        seed: another seed, another draw.

    Returns:
        float64 [replicates, pictures], how often each picture counts. No replicate where there are fewer
        than two units: one unit says nothing about the next.
    """
    names, unit = np.unique(np.asarray(units, np.str_), return_inverse=True)
    if names.size < 2:
        return np.zeros((0, len(units)))
    # The raw bits are what numpy promises never to change.
    bits = np.random.PCG64(seed).random_raw((replicates, names.size))
    drawn = (bits % np.uint64(names.size)).astype(np.intp)
    rows = np.arange(replicates)[:, None] * names.size
    times = np.bincount((rows + drawn).ravel(), minlength=replicates * names.size)
    return times.reshape(replicates, names.size)[:, unit].astype(np.float64)


def bootstrap_scores(
    sketches: Sequence[ScoreSketch],
    weights: Floats,
    fpr_rule: str = "first_above",
    exact: Mapping[str, float] | None = None,
) -> dict[str, Floats]:
    """Replicate the figures pooled over all pixels.

    A stretch of the common histogram counts as evenly mixed: its precision is that of its middle, and a
    recall within it is reached at the share of its false positives. The FPR rule decides where the recall is
    reached at a single score; of ``first_above`` the points that scikit-learn drops are not known.

    Args:
        sketches: one of each picture.
        weights: float64 [replicates, pictures], from :func:`resample`.
        fpr_rule: a name in ``FPR_RULES``.
        exact: figures of all pictures by name. The replicates of those are moved by the exact figure minus
            the histogram's, so that their interval is about the exact one, and kept within [0, 1].

    Returns:
        ``average_precision``, ``auroc``, ``fpr95`` and ``best_f1``, each float64 [replicates]; NaN for a
        replicate without both kinds of pixel.

    Raises:
        OddscapeError: there is no such rule.
    """
    require_fpr_rule(fpr_rule)
    counts = pooled_counts(sketches)
    rows = np.concatenate((np.ones((1, len(sketches))), weights))
    parts = [
        _pooled_figures(np.tensordot(rows[start : start + _ROWS], counts, 1), fpr_rule)
        for start in range(0, len(rows), _ROWS)
    ]
    replicates = {}
    for name in _FIGURES:
        figure = np.concatenate([part[name] for part in parts])
        moved = (exact or {}).get(name, figure[0]) - figure[0]
        replicates[name] = np.clip(figure[1:] + moved, 0, 1)
    return replicates


def bootstrap_means(values: NDArray[Any], weights: Floats) -> Floats:
    """Replicate the mean over pictures of a figure that each picture has by itself.

    Args:
        values: float [pictures]; NaN where a picture is left out of the mean.
        weights: float64 [replicates, pictures], from :func:`resample`.

    Returns:
        float64 [replicates]; NaN for a replicate whose pictures are all left out.
    """
    defined = ~np.isnan(values)
    return ratio(weights @ np.where(defined, values, 0), weights @ defined)


def bootstrap_sums(counts: NDArray[Any], weights: Floats, statistic: Callable[[Floats], Floats]) -> Floats:
    """Replicate a figure that is made of counts summed over pictures.

    Args:
        counts: numbers [pictures, …], such as confusion matrices.
        weights: float64 [replicates, pictures], from :func:`resample`.
        statistic: makes of sums [n, …] the figures [n] of n replicates.

    Returns:
        float64 [replicates].
    """
    counts, starts = counts.astype(np.float64), range(0, len(weights), _ROWS)
    parts = [statistic(np.tensordot(weights[start : start + _ROWS], counts, 1)) for start in starts]
    return np.concatenate([np.empty(0), *parts])


_FIGURES = ("average_precision", "auroc", "fpr95", "best_f1")


def _pooled_figures(counts: Floats, fpr_rule: str) -> dict[str, Floats]:
    """The figures [n] of histograms [n, 2, bins]; NaN where one kind is missing."""
    figures = {name: np.full(len(counts), np.nan) for name in _FIGURES}
    defined = np.all(counts.sum(axis=2) > 0, axis=1)
    if not defined.any():
        return figures
    known, anomalous = np.moveaxis(counts[defined], 1, 0)
    hits, alarms = np.cumsum(anomalous, axis=1), np.cumsum(known, axis=1)
    positives, negatives = hits[:, -1:], alarms[:, -1:]
    figures["average_precision"][defined] = _average_precision(anomalous, known, hits, alarms)
    misplaced = anomalous * (alarms - known / 2) / negatives
    figures["auroc"][defined] = 1 - misplaced.sum(axis=1) / positives[:, 0]
    figures["fpr95"][defined] = _fpr(hits / positives, alarms / negatives, fpr_rule)
    figures["best_f1"][defined] = (2 * hits / (hits + alarms + positives)).max(axis=1)
    return figures


def _average_precision(anomalous: Floats, known: Floats, hits: Floats, alarms: Floats) -> Floats:
    """Σ ΔR · Pr, where the precision of a stretch is that of its middle."""
    hits, alarms = hits.copy(), alarms.copy()
    hits[:, 1::2] -= anomalous[:, 1::2] / 2
    alarms[:, 1::2] -= known[:, 1::2] / 2
    precision = np.divide(hits, hits + alarms, out=np.zeros_like(hits), where=hits > 0)
    total: Floats = (anomalous * precision).sum(axis=1) / anomalous.sum(axis=1)
    return total


def _fpr(recall: Floats, alarm_rate: Floats, rule: str, level: float = 0.95) -> Floats:
    """False-positive rate at a recall, from both at the lower end of every bin, [n, bins]."""
    rows = np.arange(len(recall))
    met = recall >= level if rule == "first_at_least" else recall > level
    at = np.argmax(met, axis=1)
    recall_before, before = (np.where(at > 0, of[rows, at - 1], 0) for of in (recall, alarm_rate))
    recall_after, after = recall[rows, at], alarm_rate[rows, at]
    share = (level - recall_before) / (recall_after - recall_before)
    between = before + share * (after - before)
    if rule == "interpolated":
        after = between
    elif rule == "nearest":
        after = np.where(
            level - recall_before < recall_after - level, before, _last_with(recall, alarm_rate, at)
        )
    found: Floats = np.where(at % 2 == 1, between, after)
    return found


def _last_with(recall: Floats, alarm_rate: Floats, at: NDArray[np.intp]) -> Floats:
    """The rate at the last bin whose recall is that of bin ``at``; full recall counts where first reached."""
    rows = np.arange(len(recall))
    more = recall > recall[rows, at][:, None]
    last = np.where(more.any(axis=1), np.argmax(more, axis=1) - 1, at)
    rate: Floats = alarm_rate[rows, last]
    return rate

"""What a threshold does on some pictures: shares of pixels and numbers of regions, with intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oddscape.confidence_bounds import poisson_interval
from oddscape.interval import Interval, interval
from oddscape.metrics.bootstrap import bootstrap_sums, resample
from oddscape.metrics.ratios import ratio
from oddscape.regions import AS_THEY_ARE, RegionRules, anomaly_mask, count_false_regions
from oddscape.scored_pictures import ScoredPicture

Floats = NDArray[np.float64]


class Estimate(NamedTuple):
    """A figure with its 95 % interval; NaN where it is undefined."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class ThresholdFigures:
    """Figures of a threshold with rules for regions, pooled over pictures.

    Intervals are percentiles of a bootstrap over pictures, or over recordings where these are named; that of
    the regions also spans the exact interval of a Poisson mean, as a few regions say little even where no
    picture repeats another.

    Args:
        rules: what was done to the pixels above the threshold.
        pictures: how many.
        units: how many the bootstrap draws from.
        known: known pixels.
        anomalous: anomalous pixels.
        fpr: share of known pixels that are called anomalous.
        false_regions: 8-connected regions without an anomalous pixel, a picture.
        tpr: share of anomalous pixels that are called so.
        f1: 2TP / (2TP + FP + FN).
    """

    rules: RegionRules
    pictures: int
    units: int
    known: int
    anomalous: int
    fpr: Estimate
    false_regions: Estimate
    tpr: Estimate
    f1: Estimate


def figures_at(
    pictures: Iterable[ScoredPicture], threshold: float, rules: RegionRules = AS_THEY_ARE
) -> tuple[ThresholdFigures, ...]:
    """Measure a threshold in one pass: alone, with each of the rules for regions, and with all of them.

    Raises:
        OddscapeError: the low threshold of hysteresis is above the threshold.
    """
    variants, units = variants_of(rules), list[str]()
    counts: list[list[tuple[int, ...]]] = [[] for _ in variants]
    for picture in pictures:
        units.append(picture.unit)
        for rows, variant in zip(counts, variants, strict=True):
            rows.append(_counts(picture, threshold, variant))
    weights = resample(units)
    return tuple(
        _figures(np.array(rows, np.int64), variant, units, weights)
        for rows, variant in zip(counts, variants, strict=True)
    )


def variants_of(rules: RegionRules) -> list[RegionRules]:
    """No rule, each rule by itself, and all of them."""
    return list(dict.fromkeys((AS_THEY_ARE, replace(rules, low=None), replace(rules, min_region=1), rules)))


def _counts(picture: ScoredPicture, threshold: float, rules: RegionRules) -> tuple[int, ...]:
    """Known and anomalous pixels, those of each that are called anomalous, and false regions."""
    called, anomaly = anomaly_mask(picture.score, threshold, rules), picture.truth == 1
    hits = int(np.count_nonzero(called & anomaly))
    known, anomalous = (int(np.count_nonzero(picture.truth == kind)) for kind in (0, 1))
    false = int(np.count_nonzero(called)) - hits
    return known, anomalous, false, hits, count_false_regions(called, anomaly)


def _figures(
    counts: NDArray[np.int64], rules: RegionRules, units: Sequence[str], weights: Floats
) -> ThresholdFigures:
    known, anomalous, *_, regions = counts.sum(axis=0).tolist()
    # A column of ones counts pictures, which replicates of recordings hold more or fewer of.
    counts = np.column_stack((counts, np.ones(len(counts), np.int64)))
    per_picture = _estimate(counts, weights, lambda s: ratio(s[:, 4], s[:, 5]))
    poisson = poisson_interval(regions)
    return ThresholdFigures(
        rules,
        pictures=len(counts),
        units=len(set(units)),
        known=known,
        anomalous=anomalous,
        fpr=_estimate(counts, weights, lambda s: ratio(s[:, 2], s[:, 0])),
        false_regions=_spanning(per_picture, poisson, len(counts)),
        tpr=_estimate(counts, weights, lambda s: ratio(s[:, 3], s[:, 1])),
        f1=_estimate(counts, weights, _f1),
    )


def _f1(sums: Floats) -> Floats:
    _, anomalous, false, hits, *_ = sums.T
    f1 = ratio(2 * hits, anomalous + false + hits)
    return np.where(anomalous > 0, f1, np.nan)


def _estimate(counts: NDArray[np.int64], weights: Floats, statistic: Any) -> Estimate:
    value = statistic(counts.sum(axis=0, dtype=np.float64)[None])[0]
    return Estimate(float(value), interval(bootstrap_sums(counts, weights, statistic)))


def _spanning(estimate: Estimate, poisson: Interval, pictures: int) -> Estimate:
    low = np.fmin(poisson.low / pictures, estimate.interval.low)
    high = np.fmax(poisson.high / pictures, estimate.interval.high)
    return Estimate(estimate.value, Interval(float(low), float(high)))

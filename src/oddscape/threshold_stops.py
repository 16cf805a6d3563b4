"""The thresholds at which a page's slider stops, with the rates that the whole data set has there."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oddscape.results import Curves, ScoreResult

MOST_STOPS = 255
"""So that a byte says of a pixel how many of them its score exceeds."""


class Stop(NamedTuple):
    """A threshold δ and the rates of the pixels with s > δ, fractions in [0, 1]; NaN where undefined."""

    threshold: float
    tpr: float
    fpr: float


def threshold_stops(result: ScoreResult) -> list[Stop]:
    """At most 255 thresholds of a score in rising order, each with its rates over all pixels.

    Results hold the rates of the pixels with s ≥ t; a detector calls those with s > δ anomalous, and so does
    a page. Each δ is therefore the number just below a t: where both call the same pixels, ties included.

    The rates are exact, but for the streaming engine's, whose cells of scores count as ties.
    They belong to the edges of the score's histogram, which cover its range evenly, and to scores of
    anomalous pixels spread over the ROC curve, among them those of FPR95 and of the best F1.
    """
    defined = not math.isnan(result.pooled.auroc)
    stops = [*_at_edges(result.curves, defined=defined), *(Stop(*rates) for rates in result.curves.rates)]
    below = _just_below([stop.threshold for stop in stops], _precision(result.curves))
    found = {
        threshold: stop._replace(threshold=threshold) for threshold, stop in zip(below, stops, strict=True)
    }
    return [found[threshold] for threshold in sorted(found)][:MOST_STOPS]


def stop_for(stops: list[Stop], score: float) -> int:
    """Number of the stop whose pixels are those with at least a score: the highest threshold below it.

    The middle one where the score is NaN.
    """
    if math.isnan(score):
        return len(stops) // 2
    return max(0, sum(stop.threshold < score for stop in stops) - 1)


def score_levels(score: NDArray[np.floating], stops: list[Stop]) -> NDArray[np.uint8]:
    """How many stops each pixel's score exceeds, uint8 of the shape of ``score``.

    ``levels > i`` holds just where ``score > stops[i].threshold``: at a stop nothing is lost.
    """
    thresholds = np.array([stop.threshold for stop in stops])
    levels: NDArray[np.uint8] = np.searchsorted(thresholds, score, "left").astype(np.uint8)
    return levels


def _at_edges(curves: Curves, *, defined: bool) -> list[Stop]:
    # A bin holds its lower edge: the pixels at or above an edge are those of all bins from there on.
    known, anomaly = ([*accumulate(shares[::-1])][::-1] for shares in (curves.known, curves.anomaly))
    rates = zip(curves.score_edges, anomaly, known, strict=False)
    return [Stop(edge, min(tpr, 1.0) if defined else math.nan, min(fpr, 1.0)) for edge, tpr, fpr in rates]


def _precision(curves: Curves) -> type[np.float32 | np.float64]:
    """Of the scores: single, as detectors give them, unless one of files needs more."""
    # The ends are the lowest and the highest score of all: one tells where anomalies saturate.
    ends = [*curves.score_edges[:1], *curves.score_edges[-1:]]
    scores = np.array([*(rates[0] for rates in curves.rates), *ends])
    with np.errstate(over="ignore"):
        return np.float32 if (scores.astype(np.float32) == scores).all() else np.float64


def _just_below(scores: list[float], precision: type[np.float32 | np.float64]) -> list[float]:
    """The greatest numbers of a precision below scores, which need not be of it."""
    rounded = np.array(scores).astype(precision)
    lower = np.nextafter(rounded, precision(-np.inf))
    below: list[float] = np.where(rounded < np.array(scores), rounded, lower).tolist()
    return below

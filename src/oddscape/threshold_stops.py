"""The thresholds at which a page's slider stops, with the rates that the whole data set has there."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oddscape.results import Curves, ScoreResult

MOST_STOPS = 255
"""So that a byte says of a pixel how many of them its score reaches."""


class Stop(NamedTuple):
    """A threshold t and the rates of the pixels with s ≥ t, fractions in [0, 1]; NaN where undefined."""

    threshold: float
    tpr: float
    fpr: float


def threshold_stops(result: ScoreResult) -> list[Stop]:
    """At most 255 thresholds of a score in rising order, each with its rates over all pixels.

    The rates are exact, but for the streaming engine's, whose cells of scores count as ties.
    They are the edges of the score's histogram, which cover its range evenly, and scores of anomalous pixels
    spread over the ROC curve, among them the thresholds of FPR95 and of the best F1.
    """
    defined = not math.isnan(result.pooled.auroc)
    found = {stop.threshold: stop for stop in _at_edges(result.curves, defined=defined)}
    for rates in result.curves.rates:
        found[rates[0]] = Stop(*rates)
    return [found[threshold] for threshold in sorted(found)][:MOST_STOPS]


def score_levels(score: NDArray[np.floating], stops: list[Stop]) -> NDArray[np.uint8]:
    """How many stops each pixel's score reaches, uint8 of the shape of ``score``.

    ``levels > i`` holds just where ``score >= stops[i].threshold``: at a stop nothing is lost.
    """
    thresholds = np.array([stop.threshold for stop in stops])
    levels: NDArray[np.uint8] = np.searchsorted(thresholds, score, "right").astype(np.uint8)
    return levels


def _at_edges(curves: Curves, *, defined: bool) -> list[Stop]:
    # A bin holds its lower edge: the pixels at or above an edge are those of all bins from there on.
    known, anomaly = ([*accumulate(shares[::-1])][::-1] for shares in (curves.known, curves.anomaly))
    rates = zip(curves.score_edges, anomaly, known, strict=False)
    return [Stop(edge, min(tpr, 1.0) if defined else math.nan, min(fpr, 1.0)) for edge, tpr, fpr in rates]

"""True and false-positive rates at a few thresholds, for a slider that moves through them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from oddscape.metrics.operating_points import OperatingPoints

_RATES_PER_AXIS = 60


def rates_by_threshold(points: OperatingPoints, wanted: Sequence[float] = ()) -> NDArray[np.float64]:
    """Rates at scores of anomalous pixels, even over both axes of the ROC curve, denser at few false alarms.

    Args:
        points: counts of the pixels.
        wanted: thresholds that are to be among them, where they are finite scores of anomalous pixels.

    Returns:
        float64 [n, 3]: score t, TPR and FPR of the pixels with score ≥ t, rising in t; empty where
        ``points.undefined``. There are at most 180 scores (60 at even steps of TPR, 60 at even steps of FPR
        and 60 at ever smaller ones towards FPR 0), besides the wanted ones.
    """
    if points.undefined:
        return np.empty((0, 3))
    true, false = points.recall, points.false_positives / points.negatives
    even, few = np.linspace(0, 1, _RATES_PER_AXIS), np.geomspace(1e-5, 1, _RATES_PER_AXIS)
    rising = points.thresholds[::-1]
    kept = [np.searchsorted(true, even), np.searchsorted(false, even), np.searchsorted(false, few)]
    kept.append(points.thresholds.size - 1 - np.searchsorted(rising, np.asarray(wanted, rising.dtype)))
    index = np.unique(np.concatenate(kept).clip(0, points.thresholds.size - 1))[::-1]
    index = index[np.isfinite(points.thresholds[index])]
    return np.stack((points.thresholds[index].astype(np.float64), true[index], false[index]), axis=1)

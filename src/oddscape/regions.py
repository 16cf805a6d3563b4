"""From a score map and a threshold to anomalous regions: minimum size, hysteresis, boxes, outlines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from oddscape.errors import OddscapeError
from oddscape.outlines import Outline, outlines

Scores = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]

_EIGHT_CONNECTED = np.ones((3, 3), bool)


@dataclass(frozen=True)
class RegionRules:
    """What is done to the pixels above a threshold before they are called anomalous.

    Args:
        min_region: 8-connected regions of fewer pixels are dropped; 1 drops none.
        low: of hysteresis (Canny, TPAMI 1986): pixels above this lower threshold are anomalous, too, where
            they connect to one above the threshold. None: no hysteresis.

    Raises:
        OddscapeError: a size below 1, or a low threshold that is not a finite number.
    """

    min_region: int = 1
    low: float | None = None

    def __post_init__(self) -> None:
        if self.min_region < 1:
            raise OddscapeError(f"regions of at least {self.min_region} pixels: expected 1 or more")
        if self.low is not None and not np.isfinite(self.low):
            raise OddscapeError(f"low threshold of hysteresis is {self.low}: expected a finite number")

    def __str__(self) -> str:
        said = [f"hysteresis from {self.low:g}"] if self.low is not None else []
        if self.min_region > 1:
            said.append(f"regions ≥ {self.min_region} px")
        return ", ".join(said) or "none"


AS_THEY_ARE = RegionRules()
"""No minimum size and no hysteresis."""


def check_rules(rules: RegionRules, threshold: float | None) -> RegionRules:
    """Give rules back if they go with a threshold.

    Raises:
        OddscapeError: the low threshold of hysteresis is above it, or there are rules and it is None.
    """
    if threshold is None and rules != AS_THEY_ARE:
        raise OddscapeError(f"rules for regions ({rules}) need a threshold, and this detector has none")
    if threshold is not None and rules.low is not None:
        _check_order(rules.low, threshold)
    return rules


def _check_order(low: float, high: float) -> None:
    if low > high:
        raise OddscapeError(f"the low threshold of hysteresis, {low:g}, is above the threshold, {high:g}")


class Box(NamedTuple):
    """Rows top ≤ y < bottom and columns left ≤ x < right."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True)
class Region:
    """An 8-connected region of anomalous pixels.

    Args:
        box: the smallest that holds it.
        area: its pixels.
        mean_score: over its pixels.
        max_score: over its pixels.
        mask: bool [bottom − top, right − left], which pixels of the box are its own.
    """

    box: Box
    area: int
    mean_score: float
    max_score: float
    mask: Mask = field(repr=False, compare=False)

    @property
    def outlines(self) -> tuple[Outline, ...]:
        """Its outer outline, and those of its holes: corners (x, y) along the edges of pixels, exactly."""
        return outlines(self.mask, self.box.left, self.box.top)


def anomaly_mask(score: Scores, threshold: float, rules: RegionRules = AS_THEY_ARE) -> Mask:
    """Tell which pixels are anomalous: those above the threshold, after the rules for regions.

    Hysteresis comes first, so that the minimum size is that of the grown region.

    Args:
        score: float [H, W], higher = more anomalous.
        threshold: δ; a pixel is above it where its score is greater.
        rules: minimum size and hysteresis.

    Returns:
        bool [H, W].

    Raises:
        OddscapeError: the low threshold of hysteresis is above δ.
    """
    if rules.low is None:
        return without_small(score > threshold, rules.min_region)
    return without_small(hysteresis(score, rules.low, threshold), rules.min_region)


def hysteresis(score: Scores, low: float, high: float) -> Mask:
    """Keep the 8-connected regions of pixels above ``low`` in which one is above ``high``.

    Args:
        score: float [H, W].
        low: the lower threshold.
        high: the upper threshold.

    Returns:
        bool [H, W].

    Raises:
        OddscapeError: ``low`` is above ``high``.
    """
    _check_order(low, high)
    seeds = score > high
    if not seeds.any():
        return seeds
    labels, count = _labelled(score > low)
    kept = np.zeros(count + 1, bool)
    kept[labels[seeds]] = True
    return kept[labels]


def without_small(mask: Mask, min_region: int) -> Mask:
    """Drop the 8-connected regions of fewer pixels than ``min_region``; bool [H, W]."""
    if min_region <= 1 or not mask.any():
        return mask
    labels, _ = _labelled(mask)
    kept = np.bincount(labels.ravel()) >= min_region
    kept[0] = False
    return kept[labels]


def find_regions(score: Scores, mask: Mask) -> list[Region]:
    """Describe the 8-connected regions of a mask, in the order of their first pixels, row by row.

    Args:
        score: float [H, W].
        mask: bool [H, W], as from :func:`anomaly_mask`.
    """
    labels, _ = _labelled(mask)
    return [
        _region(score, labels, number, box)
        for number, box in enumerate(ndimage.find_objects(labels), start=1)
    ]


def _region(score: Scores, labels: NDArray[np.int32], number: int, box: tuple[slice, ...]) -> Region:
    own = labels[box] == number
    scores = score[box][own]
    ys, xs = box
    mean = float(scores.mean(dtype=np.float64))
    return Region(Box(ys.start, xs.start, ys.stop, xs.stop), scores.size, mean, float(scores.max()), own)


def count_false_regions(mask: Mask, anomaly: Mask) -> int:
    """Count the 8-connected regions of a mask that hold no truly anomalous pixel.

    Args:
        mask: bool [H, W], pixels called anomalous.
        anomaly: bool [H, W], truly anomalous pixels.
    """
    if not mask.any():
        return 0
    labels, count = _labelled(mask)
    true = np.unique(labels[anomaly & mask])
    return count - true.size


def _labelled(mask: Mask) -> tuple[NDArray[np.int32], int]:
    """Number the 8-connected regions 1, 2, …, and tell how many there are; 0 where there is none."""
    labels = np.empty(mask.shape, np.int32)
    count = ndimage.label(mask, _EIGHT_CONNECTED, output=labels)
    return labels, int(count)

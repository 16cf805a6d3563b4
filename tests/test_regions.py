"""Regions against loops over their pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from oddscape.errors import OddscapeError
from oddscape.regions import (
    Region,
    RegionRules,
    anomaly_mask,
    count_false_regions,
    find_regions,
    hysteresis,
    without_small,
)

SHAPE = (5, 6)
MAPS = arrays(np.float32, SHAPE, elements=st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0]))
MASKS = arrays(np.bool_, SHAPE)


def flooded(mask):
    """Its 8-connected regions as lists of pixels, found pixel by pixel."""
    left, regions = set(zip(*np.nonzero(mask), strict=True)), []
    while left:
        region, border = [], [min(left)]
        left.remove(border[0])
        while border:
            y, x = border.pop()
            region.append((y, x))
            beside = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= beside
            border += beside
        regions.append(region)
    return regions


def painted(regions):
    mask = np.zeros(SHAPE, bool)
    for pixel in (pixel for region in regions for pixel in region):
        mask[pixel] = True
    return mask


@given(MAPS, st.integers(1, 6))
def test_small_regions_go(score, size):
    mask = score > 0
    kept = without_small(mask, size)
    np.testing.assert_array_equal(kept, painted(r for r in flooded(mask) if len(r) >= size))
    np.testing.assert_array_equal(without_small(kept, size), kept)


@given(MAPS, st.sampled_from([-2.0, 0.0, 0.5]), st.sampled_from([0.5, 1.0, 3.0]))
def test_hysteresis_keeps_regions_with_a_seed(score, low, high):
    kept = hysteresis(score, low, high)
    expected = painted(r for r in flooded(score > low) if any(score[p] > high for p in r))
    np.testing.assert_array_equal(kept, expected)
    assert not ((score > high) & ~kept).any()


@given(MAPS, st.integers(1, 6), st.sampled_from([None, -1.0, 0.0]))
def test_a_higher_threshold_calls_no_further_pixel(score, size, low):
    rules = RegionRules(size, low)
    lower, higher = (anomaly_mask(score, threshold, rules) for threshold in (0.0, 0.5))
    assert not (higher & ~lower).any()


@given(MAPS)
def test_each_region_is_described(score):
    mask = score > 0
    expected = []
    for region in flooded(mask):
        (ys, xs), scores = zip(*region, strict=True), [float(score[p]) for p in region]
        box = (min(ys), min(xs), max(ys) + 1, max(xs) + 1)
        expected.append(Region(box, len(region), pytest.approx(np.mean(scores)), max(scores), mask))
    assert find_regions(score, mask) == expected


@given(MASKS, MASKS)
def test_false_regions_hold_no_anomaly(mask, anomaly):
    false = [region for region in flooded(mask) if not any(anomaly[p] for p in region)]
    assert count_false_regions(mask, anomaly) == len(false)


def test_rules_that_cannot_be():
    with pytest.raises(OddscapeError, match="regions of at least 0 pixels: expected 1 or more"):
        RegionRules(0)
    with pytest.raises(OddscapeError, match="low threshold of hysteresis is nan"):
        RegionRules(low=float("nan"))
    with pytest.raises(OddscapeError, match="of hysteresis, 2, is above the threshold, 1"):
        anomaly_mask(np.zeros((2, 2), np.float32), 1.0, RegionRules(low=2))

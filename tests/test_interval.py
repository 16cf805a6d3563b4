"""Intervals of bootstrap replicates."""

import numpy as np
import pytest

from oddscape.errors import OddscapeError
from oddscape.interval import few_units, interval, paired_difference, undefined_replicates


def test_interval_holds_the_middle_share_of_what_is_defined():
    replicates = np.append(np.arange(1001) / 1000, [np.nan] * 50)[::-1]
    assert interval(replicates) == pytest.approx((0.025, 0.975))
    assert interval(replicates, 0.5) == pytest.approx((0.25, 0.75))
    assert undefined_replicates(replicates) == 50


def test_a_replicate_undefined_in_either_method_is_left_out():
    a, b = np.array([0.5, np.nan, 0.7, 0.9]), np.array([0.4, 0.2, np.nan, 0.6])
    found = paired_difference(a, b, level=0.5)
    assert found.mean == pytest.approx(0.2)
    assert found.interval == pytest.approx((0.15, 0.25))
    assert np.isnan(paired_difference(np.empty(0), np.empty(0)).mean)


def test_replicates_of_other_numbers_are_no_pairs():
    with pytest.raises(OddscapeError, match="no pairs: 3 and 2 of them"):
        paired_difference(np.zeros(3), np.zeros(2))


def test_few_units_draw_a_caution():
    assert few_units(20) == ""
    assert few_units(19, "recording").startswith("intervals from 19 recordings only")
    assert few_units(1) == "no interval: 1 picture cannot be resampled"
    assert few_units(0) == "no interval: 0 pictures cannot be resampled"

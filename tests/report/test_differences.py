from dataclasses import replace

import numpy as np
import pytest

from oddscape.errors import OddscapeError
from oddscape.interval import Interval
from oddscape.report.columns import Column
from oddscape.report.differences import Difference, difference, find_baseline, paired_groups, require_pairs
from oddscape.report.sections import sections

AP = Column("AP", "pooled.average_precision")


def test_the_interval_is_of_the_paired_replicates(closed_set_drawn, densehybrid_drawn):
    (section,) = sections([closed_set_drawn, densehybrid_drawn])
    baseline, _, row = section.rows
    found = difference(AP, row, baseline)
    name = "pooled.average_precision"
    paired = np.subtract(row.result.replicates[name], baseline.result.replicates[name])
    assert found.value == pytest.approx(0.6333 - 0.2111)
    assert found.interval == pytest.approx(tuple(np.quantile(paired, [0.025, 0.975])))
    # Pictures make both figures rise and fall together: each alone is far less certain.
    assert found.interval.width < 0.5 * AP.interval(row).width
    assert found.verdict == "better"


@pytest.mark.parametrize(
    ("low", "high", "higher_is_better", "verdict"),
    [
        (0.1, 0.2, True, "better"),
        (0.1, 0.2, False, "worse"),
        (-0.2, -0.1, True, "worse"),
        (-0.2, -0.1, False, "better"),
        (-0.1, 0.2, True, ""),
        (0.0, 0.2, True, ""),
    ],
)
def test_a_verdict_needs_an_interval_without_zero(low, high, higher_is_better, verdict):
    assert Difference(0.1, Interval(low, high), higher_is_better).verdict == verdict


def test_without_replicates_there_is_no_verdict(closed_set):
    (section,) = sections([closed_set])
    found = difference(AP, section.rows[1], section.rows[0])
    assert (found.interval, found.verdict, found.interval_text) == (None, "", "")
    assert found.text == "+11.11"
    assert paired_groups(section) == []


@pytest.mark.parametrize(
    ("name", "index"),
    [
        (None, 0),
        ("closed-set", 0),
        ("closed-set:energy", 1),
        ("DenseHybrid", 2),
        ("DenseHybrid:densehybrid", 2),
    ],
)
def test_the_baseline_is_found_by_name(closed_set, densehybrid, name, index):
    (section,) = sections([closed_set, densehybrid])
    assert find_baseline(section, name).index == index


def test_an_unknown_baseline_is_none(closed_set):
    (section,) = sections([closed_set])
    assert find_baseline(section, "closed-set:entropy") is None


def test_other_units_are_no_pairs(closed_set_drawn, densehybrid_drawn):
    (section,) = sections([closed_set_drawn, replace(densehybrid_drawn, units=3, unit="recording")])
    with pytest.raises(
        OddscapeError, match="closed-set come from 30 pictures, of DenseHybrid from 3 recordings"
    ):
        require_pairs(section)

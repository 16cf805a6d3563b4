import re
from dataclasses import replace

import pytest

from oddscape.report.curves import UNIT
from oddscape.report.reliability import closed_reliability, open_reliability
from oddscape.report.sections import sections


@pytest.mark.parametrize("draw", [closed_reliability, open_reliability])
def test_dots_stand_where_confidence_meets_accuracy(track, draw):
    (section,) = sections([track])
    drawn = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', draw(section))
    expected = [UNIT.at((confidence, accuracy)) for confidence, accuracy, _ in track.calibration.bins]
    assert [tuple(map(float, dot)) for dot in drawn] == [pytest.approx(point, abs=0.06) for point in expected]


def test_the_error_is_said(track):
    (section,) = sections([track])
    assert "erfnet · msp: ECE 4.32" in closed_reliability(section)
    assert "erfnet · msp: ECE 6.54" in open_reliability(section)


def test_nothing_is_drawn_of_nothing(closed_set, track):
    (section,) = sections([closed_set])
    assert closed_reliability(section) is None
    assert open_reliability(section) is None
    (empty,) = sections([replace(track, calibration=replace(track.calibration, bins=[]))])
    assert closed_reliability(empty) is None

import re
from dataclasses import replace

import pytest

from oddscape.report import curves
from oddscape.report.curves import UNIT
from oddscape.report.sections import sections


def curve_points(svg: str) -> list[tuple[float, float]]:
    (path,) = re.findall(r'<path d="M([^"]*)" class="curve', svg)
    return [tuple(map(float, point.split())) for point in path.split("L")]


@pytest.mark.parametrize(
    ("draw", "field"), [(curves.roc, "roc"), (curves.precision_recall, "precision_recall")]
)
def test_curves_pass_through_their_points(densehybrid, draw, field):
    (section,) = sections([densehybrid])
    expected = [UNIT.at(point) for point in getattr(densehybrid.scores[0].curves, field)]
    drawn = curve_points(draw(section))
    assert [pytest.approx(point, abs=0.06) for point in expected] == drawn


def test_precision_recall_shows_the_share_of_anomalies(densehybrid):
    (section,) = sections([densehybrid])
    _, y = UNIT.at((0, 0.02))
    assert f'd="M52.0 {y:.1f}L424.0 {y:.1f}" class="reference"' in curves.precision_recall(section)


def test_roc_marks_fpr95(densehybrid):
    (section,) = sections([densehybrid])
    x, y = UNIT.at((0.4321, 0.95))
    assert f'cx="{x:.1f}" cy="{y:.1f}"' in curves.roc(section)


def test_histogram_shows_both_kinds_and_the_threshold(densehybrid):
    (section,) = sections([densehybrid])
    svg = curves.histogram(section.rows[0])
    assert svg.count('class="area') == 2
    assert "δ = 1.5" in svg


def test_histogram_cuts_empty_ends(densehybrid):
    score = densehybrid.scores[0]
    padded = replace(
        score.curves,
        score_edges=[-9.0, *score.curves.score_edges, 9.0],
        known=[0.0005, *score.curves.known, 0.0],
        anomaly=[0.0, *score.curves.anomaly, 0.0002],
    )
    (plain,) = sections([densehybrid])[0].rows
    (wide,) = sections([replace(densehybrid, scores=[replace(score, curves=padded)])])[0].rows
    assert curves.histogram(wide) == curves.histogram(plain)


def test_undefined_rows_draw_nothing(undefined):
    (section,) = sections([undefined])
    assert curves.histogram(section.rows[0]) is None
    assert 'class="curve' not in curves.roc(section)
    assert "<circle" not in curves.roc(section)

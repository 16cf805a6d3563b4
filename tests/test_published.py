"""Published figures as data."""

import math

import pytest

from oddscape.protocols import PROTOCOLS
from oddscape.published import published, published_under


def test_every_row_names_its_source_and_a_protocol():
    for row in published():
        assert row.protocol in PROTOCOLS
        assert row.method
        assert row.source


def test_figures_are_fractions_or_not_given():
    for row in published():
        figures = (row.average_precision, row.fpr95, row.auroc, row.best_f1, row.siou, row.ppv, row.f1_star)
        assert all(math.isnan(figure) or 0 <= figure <= 1 for figure in figures)
        assert not math.isnan(row.average_precision)


def test_a_row_as_it_stands_in_its_source():
    row = next(row for row in published_under("streethazards-13") if row.method == "DiCNet")
    assert (row.average_precision, row.fpr95, row.auroc) == pytest.approx((0.162, 0.176, 0.934), abs=1e-12)
    assert published_under("town") == []
    counts = {
        name: len(published_under(name)) for name in ("roadanomaly21", "roadobstacle21", "lost-and-found")
    }
    assert counts == {"roadanomaly21": 48, "roadobstacle21": 45, "lost-and-found": 21}

import math
import re
from dataclasses import replace

from oddscape.report.matrix import best_open_set, confusion_matrix, matrix_figures
from oddscape.report.sections import sections


def test_cells_say_the_share_of_the_row():
    svg = confusion_matrix(["road", "car"], [[75, 25], [0, 8]], "what")
    assert "road taken for road: 75 pixels, 75.00 %" in svg
    assert "road taken for car: 25 pixels, 25.00 %" in svg
    assert "car taken for car: 8 pixels, 100.00 %" in svg
    assert re.findall(r'class="cell-label[ a-z]*"[^>]*>(\d+)<', svg) == ["75", "25", "100"]
    assert svg.count('class="cell hit"') == 2


def test_a_class_that_does_not_occur_has_no_shares():
    svg = confusion_matrix(["road", "car"], [[1, 0], [0, 0]], "what")
    assert svg.count("the class does not occur") == 2
    assert "nan" not in svg


def test_the_closed_and_the_open_set_of_each_network(track):
    (section,) = sections([track])
    closed, opened = matrix_figures(section)
    assert (closed.title, opened.title) == ("erfnet", "erfnet · msp")
    assert "road taken for sky: 5 pixels" in closed.drawing
    assert "anomaly taken for road: 4 pixels" in opened.drawing


def test_the_open_set_is_that_of_the_best_score(track):
    score = track.scores[0]
    scores = [
        replace(score, score=name, open_set=replace(score.open_set, open_miou=miou))
        for name, miou in (("a", math.nan), ("b", 0.4), ("c", 0.3))
    ]
    (section,) = sections([replace(track, scores=scores)])
    assert best_open_set(section.rows).result.score == "b"


def test_no_matrix_no_figure(closed_set):
    (section,) = sections([closed_set])
    assert matrix_figures(section) == []
    assert best_open_set(section.rows) is None

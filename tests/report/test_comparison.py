import math
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from oddscape.errors import OddscapeError
from oddscape.published import PublishedRow, published_under
from oddscape.report.comparison import difference_tables, published_tables
from oddscape.report.sections import sections


def printed(blocks, styles: bool = False, width: int = 80) -> str:
    console = Console(width=width, record=True, file=StringIO())
    for block in blocks:
        console.print(block)
    return console.export_text(styles=styles)


@pytest.fixture
def section(closed_set_drawn, densehybrid_drawn):
    return sections([closed_set_drawn, densehybrid_drawn])[0]


def test_every_other_row_is_set_against_the_baseline(section):
    text = printed(difference_tables(section, section.rows[1]))
    assert "Differences to closed-set · energy" in text
    rows = [
        line.split()[1:4]
        for line in text.splitlines()
        if line.split()[:1] in (["closed-set"], ["DenseHybrid"])
    ]
    assert rows == [["msp", "−11.11", "▼"], ["densehybrid", "+31.11", "▲"]]
    assert "points of percent" in text


def test_no_mark_where_the_interval_holds_zero(section):
    text = printed(difference_tables(section, section.rows[0]))
    (row,) = (line.split() for line in text.splitlines() if line.split()[1:2] == ["energy"])
    # FPR95 and AUROC are the same for both scores.
    assert row == ["closed-set", "energy", "+11.11", "▲", "+0.00", "+0.00"]


def test_better_and_worse_have_colours(section):
    text = printed(difference_tables(section, section.rows[1]), styles=True)
    assert "\x1b[32m+31.11 ▲" in text
    assert "\x1b[31m−11.11 ▼" in text


def test_wide_groups_are_parted(track):
    score = track.scores[0]
    names = [f"smiyc.{name}" for name in ("average_precision", "fpr95", "best_f1")]
    names += [f"components.{name}" for name in ("siou", "ppv", "f1")]
    drawn = {name: [0.1, 0.2, 0.3] for name in names}
    scores = [replace(score, replicates=drawn), replace(score, score="energy", replicates=drawn)]
    (section,) = sections([replace(track, scores=scores)])
    text = printed(difference_tables(section, section.rows[0]))
    assert "…" not in text
    assert text.count("SegmentMeIfYouCan's own figures") == 2
    assert text.count("erfnet energy") == 2


def test_without_replicates_there_are_no_tables(closed_set):
    (section,) = sections([closed_set])
    assert difference_tables(section, section.rows[0]) == []


def test_other_units_are_refused(closed_set_drawn, densehybrid_drawn):
    (section,) = sections([closed_set_drawn, replace(densehybrid_drawn, units=9)])
    with pytest.raises(
        OddscapeError, match="no paired difference: intervals of closed-set come from 30 pictures"
    ):
        difference_tables(section, section.rows[0])


def test_published_figures_name_their_source():
    text = " ".join(printed(published_tables("roadanomaly21", published_under("roadanomaly21"))).split())
    assert "PUBLISHED figures near roadanomaly21" in text
    assert "UNO yes [1] 96.33 1.98 92.84 68.51 55.77 62.61" in text
    assert "published by others, not measured here, and on the split that the source names" in text
    assert "[1] SegmentMeIfYouCan leaderboard, AnomalyTrack test, April 2026" in text


def test_published_figures_that_nobody_gives_have_no_column():
    nan = math.nan
    row = PublishedRow("p", "[bold]m", None, 0.5, nan, nan, nan, nan, nan, nan, "there")
    text = printed(published_tables("p", [row]))
    assert [line.split() for line in text.splitlines() if "[bold]m" in line] == [
        ["[bold]m", "?", "[1]", "50.00"]
    ]
    assert "FPR95" not in text

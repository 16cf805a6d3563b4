"""Means, deviations and worst runs, and how they are written."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from oddscape.errors import OddscapeError
from oddscape.protocols import PROTOCOLS
from oddscape.report.page import render_page
from oddscape.report.summary import Spread, markdown, summarise, terminal_table
from oddscape.results import Curves, Figures, Results, ScoreResult


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9), st.booleans())
def test_a_spread_is_what_numpy_says(values, higher):
    spread = Spread.of(values, higher_is_better=higher)
    assert spread.mean == pytest.approx(np.mean(values), abs=1e-12)
    assert spread.deviation == pytest.approx(np.std(values, ddof=1), abs=1e-9)
    assert spread.worst == (np.min(values) if higher else np.max(values))


def test_a_single_run_has_no_deviation_and_an_undefined_run_no_mean():
    assert (Spread.of([0.123]).text, Spread.of([0.123]).worst_text) == ("12.3", "")
    assert (Spread.of([0.1, math.nan]).text, Spread.of([0.1, math.nan]).worst_text) == ("–", "")


def results(model, figures, *, pictures=("a",)):
    """Results with the given AP, AUROC and FPR95 of each score."""
    scores = [
        ScoreResult(
            score=name,
            formula=name,
            saw_outliers=False,
            pooled=Figures(*values),
            per_picture=Figures(*values),
            threshold=0.0,
            curves=Curves([], [], [], [], []),
            picture_average_precision=[values[0]],
        )
        for name, values in figures.items()
    ]
    return Results(PROTOCOLS["masks"], [], model, "", None, [*pictures], {}, 90, 10, scores)


FOUND = {
    "one": [
        results("one, seed 0", {"msp": (0.50, 0.80, 0.30), "energy": (0.60, 0.80, 0.20)}),
        results("one, seed 4", {"msp": (0.54, 0.80, 0.40), "energy": (0.62, 0.80, 0.10)}),
    ],
    "two": [
        results("two, seed 0", {"msp": (0.61, 0.80, 0.50)}),
        results("two, seed 4", {"msp": (0.61, 0.80, 0.50)}),
    ],
}


def test_the_table_names_protocol_and_seeds_and_shows_the_best_in_bold():
    text = markdown(summarise(FOUND, (0, 4)))
    lines = text.splitlines()
    assert lines[0] == f"# {PROTOCOLS['masks'].title}"
    assert lines[2].startswith("Mean ± standard deviation (n − 1) over seeds 0, 4, and the worst run")
    assert lines[4:9] == [
        "| method | score | saw outliers | runs | AP | FPR95 | AUROC |",
        "|---|---|---|---|---|---|---|",
        "| one | msp | no | 2 | 52.0 ± 2.8 (50.0) | 35.0 ± 7.1 (40.0) | 80.0 ± 0.0 (80.0) |",
        "| one | energy | no | 2 | **61.0 ± 1.4** (60.0) | **15.0 ± 7.1** (20.0) | 80.0 ± 0.0 (80.0) |",
        "| two | msp | no | 2 | **61.0 ± 0.0** (61.0) | 50.0 ± 0.0 (50.0) | 80.0 ± 0.0 (80.0) |",
    ]
    assert "- protocol: masks" in lines
    assert "- pictures: 1" in lines


def test_the_terminal_shows_the_same_in_80_columns():
    console = Console(width=80, force_terminal=False)
    with console.capture() as captured:
        console.print(*terminal_table(summarise(FOUND, (0, 4))), sep="\n")
    said = " ".join(captured.get().split())
    for words in ("one msp no 52.0 ± 2.8 35.0 ± 7.1", "50.0 40.0 80.0", "protocol: masks", "over seeds 0, 4"):
        assert words in said
    assert max(map(len, captured.get().splitlines())) <= 80


def test_the_page_begins_with_the_table_and_its_protocol():
    summary = summarise(FOUND, (0, 4))
    page = render_page(summary.section.runs, [], summary=summary)
    _, _, shown = page.partition("<h3>Figures over seeds 0, 4</h3>")
    table, runs = shown.split('<h3 id="part-1-figures">Figures of each run</h3>')
    rows = [re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", row)) for row in table.split("<tr>")[3:]]
    assert rows == [
        " one msp no 52.0 ± 2.8 worst 50.0 35.0 ± 7.1 worst 40.0 80.0 ± 0.0 worst 80.0 ",
        " one energy no 61.0 ± 1.4 worst 60.0 15.0 ± 7.1 worst 20.0 80.0 ± 0.0 worst 80.0 ",
        " two msp no 61.0 ± 0.0 worst 61.0 50.0 ± 0.0 worst 50.0 80.0 ± 0.0 worst 80.0 ",
    ]
    assert re.findall(r' best">([\d. ±]+)<', table) == ["61.0 ± 1.4", "15.0 ± 7.1", "61.0 ± 0.0"]
    assert summary.reading in table
    assert page.index("<dt>protocol</dt>") < page.index("Figures over seeds")
    assert "one, seed 4" in runs


def test_runs_on_other_pictures_do_not_share_a_table():
    other = {**FOUND, "two": [replace(run, pictures=["b"]) for run in FOUND["two"]]}
    with pytest.raises(OddscapeError, match=r"other data, .* than the rest: two, seed 0, two, seed 4$"):
        summarise(other, (0, 4))


def test_a_single_seed_is_called_one():
    one = {name: runs[:1] for name, runs in FOUND.items()}
    lines = markdown(summarise(one, (0,))).splitlines()
    assert lines[2] == "A single run each, of seed 0; in percent. Best in bold."
    assert "| one | msp | no | 1 | 50.0 | 30.0 | 80.0 |" in lines

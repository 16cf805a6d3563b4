from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from oddscape.errors import OddscapeError
from oddscape.protocols import PROTOCOLS
from oddscape.report import results_table


def printed(results, styles: bool = False) -> str:
    console = Console(width=180, record=True, file=StringIO())
    console.print(results_table(results))
    return console.export_text(styles=styles)


def row_of(text: str, score: str) -> list[str]:
    return next(cells for cells in map(str.split, text.splitlines()) if cells[1:2] == [score])


def test_holds_headline_figures_in_percent(closed_set, densehybrid):
    text = printed([closed_set, densehybrid])
    assert row_of(text, "msp") == [
        *("closed-set", "msp", "no", "21.11", "43.21", "90.00", "51.23", "23.45", "59.00", "7.77")
    ]
    assert row_of(text, "densehybrid")[2:4] == ["yes", "63.33"]


def test_per_picture_protocol_shows_means(closed_set):
    text = printed([replace(closed_set, protocol=PROTOCOLS["streethazards"])])
    assert row_of(text, "msp")[3:5] == ["16.11", "34.56"]
    assert "mean over pictures" in text


def test_names_the_protocol_and_its_overrides(overridden):
    text = " ".join(printed([overridden]).split())
    for words in (
        "The synthetic town, test",
        "protocol: town",
        "split test",
        "raw 14 anomaly",
        "pooled over all pixels",
        "first recall above 95 %",
        "inference size: 1024×512",
        "pictures: 3",
        "left out of per-picture means: 1",
        "anomalous pixels: 2.00 %",
        "OVERRIDE: evaluation size 64×32 instead of the labels' size",
    ):
        assert words in text


def test_every_figure_can_be_read_in_eighty_columns(closed_set, densehybrid):
    console = Console(width=80, record=True, file=StringIO())
    console.print(results_table([closed_set, densehybrid]))
    text = console.export_text()
    assert row_of(text, "msp") == row_of(printed([closed_set, densehybrid]), "msp")
    assert "…" not in text


def test_best_of_each_column_is_bold(closed_set, densehybrid):
    styled = printed([closed_set, densehybrid], styles=True)
    assert "\x1b[1m63.33\x1b[0m" in styled
    assert "\x1b[1m32.22\x1b[0m" not in styled


def test_a_single_row_has_no_best(one_row):
    assert "\x1b[1m21.11" not in printed([one_row(0.2111)], styles=True)


def test_columns_without_figures_are_left_out(one_row):
    text = printed([one_row(0.2111)])
    assert "mIoU" not in text
    assert "gap" not in text


@pytest.mark.parametrize(("ap", "auroc"), [(0.0205, 0.6), (0.5, 0.49)])
def test_marks_rows_at_chance_level(one_row, ap, auroc):
    text = printed([one_row(ap, auroc)])
    assert "! net · msp: no better than chance, flipped sign?" in " ".join(text.split())
    assert row_of(text, "msp")[1:4] == ["msp", "!", "no"]


def test_a_good_row_is_not_marked(closed_set):
    assert "chance" not in printed([closed_set])


def test_undefined_figures_say_why(undefined):
    text = printed([undefined])
    assert row_of(text, "msp")[3:6] == ["–", "–", "–"]
    assert "AP, FPR95, AUROC undefined: there is no anomalous pixel" in " ".join(text.split())
    assert "undefined: there is only one fold" in " ".join(text.split())


def test_brackets_in_names_are_no_markup(one_row):
    assert "[bold]net" in printed([one_row(0.3, model="[bold]net")])


def test_refuses_to_mix_protocols(closed_set, overridden):
    with pytest.raises(OddscapeError, match="one protocol"):
        results_table([closed_set, overridden])
    with pytest.raises(OddscapeError, match="one protocol"):
        results_table([])

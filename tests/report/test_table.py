import math
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from oddscape.errors import OddscapeError
from oddscape.interval import Interval
from oddscape.protocols import PROTOCOLS
from oddscape.report.table import results_tables
from oddscape.results import CalibrationFigures, Figures


def printed(results, styles: bool = False, width: int = 180) -> str:
    console = Console(width=width, record=True, file=StringIO())
    for table in results_tables(results):
        console.print(table)
    return console.export_text(styles=styles)


def rows_of(text: str, score: str) -> list[list[str]]:
    """The cells of a score's rows, a row for each table."""
    return [cells for cells in map(str.split, text.splitlines()) if cells[1:2] == [score]]


def intervals_of(text: str, score: str) -> list[list[str]]:
    """What stands on the line below a score's rows, a list for each table."""
    lines = text.splitlines()
    return [lines[i + 1].split() for i, line in enumerate(lines) if line.split()[1:2] == [score]]


def test_holds_headline_figures_in_percent(closed_set, densehybrid):
    text = printed([closed_set, densehybrid])
    assert rows_of(text, "msp") == [
        ["closed-set", "msp", "no", "21.11", "43.21", "90.00"],
        ["closed-set", "msp", "51.23", "23.45", "59.00", "7.77"],
    ]
    assert rows_of(text, "densehybrid")[0][2:4] == ["yes", "63.33"]


def test_per_picture_protocol_shows_means(closed_set):
    text = printed([replace(closed_set, protocol=PROTOCOLS["streethazards"])])
    assert rows_of(text, "msp")[0][3:5] == ["16.11", "34.56"]
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
        "left out of per-picture means: 1 (no anomalous pixel)",
        "region of interest: all pixels whose label is not ignored",
        "each fold's δ is the first recall above 95 % on the other folds",
        "engine: exact",
        "anomalous pixels: 2.00 %",
        "OVERRIDE: evaluation size 64×32 instead of the labels' size",
    ):
        assert words in text


def test_every_figure_can_be_read_in_eighty_columns(closed_set, densehybrid):
    text = printed([closed_set, densehybrid], width=80)
    assert rows_of(text, "msp") == rows_of(printed([closed_set, densehybrid]), "msp")
    assert "…" not in text


def test_everything_can_be_read_in_eighty_columns(track):
    wide, narrow = printed([track]), printed([track], width=80)
    assert rows_of(narrow, "msp") == rows_of(wide, "msp")
    assert "…" not in narrow


def test_a_table_for_each_group_of_figures(track):
    text = printed([track])
    assert rows_of(text, "msp") == [
        ["erfnet", "msp", "?", "27.14", "43.21", "90.00", "41.41"],
        ["erfnet", "msp", "27.27", "69.69", "37.37", "19.19", "16.16", "13.13"],
        ["erfnet", "msp", "51.23", "23.45", "59.00", "7.77"],
        ["erfnet", "msp", "12.12", "56.56", "4.32", "6.54"],
        ["erfnet", "msp", "3.03", "–"],
    ]
    titles = (
        "pooled over all pixels",
        "SegmentMeIfYouCan's own figures",
        "open set",
        "mistakes and",
        "by size",
    )
    assert all(title in text for title in titles)


def test_an_interval_stands_below_its_figure(closed_set_drawn):
    text = printed([closed_set_drawn])
    assert intervals_of(text, "energy")[0] == ["22–41", "33–52", "80–99"]
    assert "95 % intervals: bootstrap over 30 pictures" in " ".join(text.split())


def test_intervals_from_few_pictures_draw_a_warning(track, closed_set_drawn):
    assert "! intervals from 10 pictures only: fewer than 20" in " ".join(printed([track]).split())
    assert "fewer than 20" not in printed([closed_set_drawn])


def test_recordings_are_called_so(closed_set_drawn):
    text = " ".join(printed([replace(closed_set_drawn, unit="recording", units=4)]).split())
    assert "bootstrap over 4 recordings" in text
    assert "intervals from 4 recordings only" in text


def test_the_closed_set_has_an_interval(track):
    assert intervals_of(printed([track]), "msp")[2] == ["55–63"]


def test_sizes_say_how_many_anomalies_and_their_recall(track):
    text = printed([track])
    assert "n\u00a0=\u00a07" in text
    assert intervals_of(text, "msp")[-1] == ["52.52", "–"]


def test_component_sizes_are_told(track):
    text = " ".join(printed([track]).split())
    assert "where the pixel F1 is best; predicted below 500 pixels dropped, true below 100 ignored" in text
    assert "cFPR and eFPR: at each picture's own threshold for 95 %" in text


def test_classes_that_never_occur_are_named(track):
    assert "! classes of which no counted pixel was seen: sky" in " ".join(printed([track]).split())


def streaming(run, low, high):
    certified = {"pooled.average_precision": Interval(low, high)}
    return replace(run, engine="streaming", scores=[replace(run.scores[0], certified=certified)])


def test_a_certified_interval_is_shown_where_digits_are_uncertain(one_row):
    text = " ".join(printed([streaming(one_row(0.2111), 0.21091, 0.21126)]).split())
    assert "! net · msp: certified: AP in 21.09–21.13" in text
    assert "uncertain digits have a certified range" in text


def test_engines_may_differ(one_row):
    runs = [one_row(0.3), streaming(one_row(0.2111, model="other"), 0.211101, 0.211102)]
    text = " ".join(printed(runs).split())
    assert "engine: exact; other streaming: exact to the digits printed" in text


def test_certain_digits_are_said_to_be_exact(one_row):
    text = " ".join(printed([streaming(one_row(0.2111), 0.211101, 0.211102)]).split())
    assert "engine: streaming: exact to the digits printed" in text
    assert "! no figures by size of net: the streaming engine keeps no scores" in text
    assert "certified" not in text


def test_best_of_each_column_is_bold(closed_set, densehybrid):
    styled = printed([closed_set, densehybrid], styles=True)
    assert "\x1b[1m63.33\x1b[0m" in styled
    assert "\x1b[1m32.22\x1b[0m" not in styled


def test_a_single_row_has_no_best(one_row):
    assert "\x1b[1m21.11" not in printed([one_row(0.2111)], styles=True)


def test_columns_without_figures_are_left_out(one_row):
    text = printed([replace(one_row(0.2111), protocol=PROTOCOLS["masks"])])
    assert len(rows_of(text, "msp")) == 1
    assert not [word for word in ("mIoU", "gap", "F1", "sIoU", "cFPR", "ECE") if word in text]


@pytest.mark.parametrize(("ap", "auroc"), [(0.0205, 0.6), (0.5, 0.49)])
def test_marks_rows_at_chance_level(one_row, ap, auroc):
    text = printed([one_row(ap, auroc)])
    assert "! net · msp: no better than chance, flipped sign?" in " ".join(text.split())
    assert rows_of(text, "msp")[0][1:4] == ["msp", "!", "no"]


def test_a_good_row_is_not_marked(closed_set):
    assert "chance" not in printed([closed_set])


def test_undefined_figures_say_why(undefined):
    text = printed([undefined])
    assert rows_of(text, "msp")[0][3:6] == ["–", "–", "–"]
    assert "AP, FPR95, AUROC, F1 undefined: there is no anomalous pixel" in " ".join(text.split())
    assert "undefined: there is only one fold" in " ".join(text.split())


def test_a_figure_that_only_others_have_is_not_computed(closed_set, densehybrid):
    closed = replace(closed_set, scores=[replace(closed_set.scores[0], open_set=None)])
    text = " ".join(printed([closed, densehybrid]).split())
    assert "! closed-set · msp: open-mIoU, anomaly IoU, gap undefined: not computed" in text


def test_a_constant_score_is_said_to_be_one(one_row):
    run = one_row(0.02, 0.5)
    constant = replace(run, scores=[replace(run.scores[0], distinct_scores=1)])
    text = printed([constant])
    assert "! net · msp: a constant score: every counted pixel has the same" in text
    assert "flipped sign?" not in text
    assert rows_of(text, "msp")[0][1:3] == ["msp", "!"]


def test_names_the_ways_in_which_the_network_saw_pictures(closed_set):
    ways = ["mean over scales 0.5, 1", "windows of 96×64 overlapping by 50 %"]
    text = " ".join(printed([replace(closed_set, inference=ways)]).split())
    assert f"inference size: 1024×512 ({'; '.join(ways)})" in text


def test_of_score_files_the_inference_size_and_open_set_are_not_known(closed_set):
    files = replace(closed_set, source="score files", inference_size=None)
    files = replace(files, scores=[replace(files.scores[0], open_set=None)])
    text = " ".join(printed([files]).split())
    assert "inference size: ?" in text
    assert "! no open-mIoU of closed-set: score files name no classes" in text


def test_where_nothing_can_be_drawn_no_bootstrap_is_told(one_row):
    text = " ".join(printed([replace(one_row(0.5), units=1)]).split())
    assert "! no interval: 1 picture cannot be resampled" in text
    assert "bootstrap over" not in text


@pytest.mark.parametrize(("distinct", "warns"), [(1, True), (256, True), (257, False)])
def test_a_score_of_few_values_draws_a_warning(one_row, distinct, warns):
    run = one_row(0.5)
    text = printed([replace(run, scores=[replace(run.scores[0], distinct_scores=distinct)])])
    assert (f"few different scores ({distinct} seen)" in text) is warns
    assert "constant" not in text


def test_undefined_calibration_says_why(track):
    nowhere = CalibrationFigures(math.nan, math.nan, math.nan, [], "no pixel is labelled")
    text = " ".join(printed([replace(track, calibration=nowhere)]).split())
    assert "! erfnet · msp: closed ECE undefined: no pixel is labelled" in text


def test_replicates_without_a_figure_are_told(closed_set_drawn):
    score = closed_set_drawn.scores[0]
    drawn = score.replicates["pooled.fpr95"]
    patchy = replace(score, replicates={"pooled.fpr95": [math.nan] * 8 + drawn[8:]})
    text = " ".join(printed([replace(closed_set_drawn, scores=[patchy])]).split())
    assert "FPR95 undefined in 8 of 200 replicates, left out of the interval" in text


def test_a_mean_figure_at_chance_is_told_too(one_row):
    run = one_row(0.5)
    mean = replace(run.scores[0], per_picture=Figures(0.4, 0.45, 0.9))
    assert "mean AUROC 45.00" in printed([replace(run, scores=[mean])])


def test_pictures_left_out_are_counted_by_reason(one_row):
    left_out = {"a": "no anomalous pixel", "b": "no known pixel", "c": "no anomalous pixel"}
    text = " ".join(printed([replace(one_row(0.3), left_out=left_out)]).split())
    assert "left out of per-picture means: 3 (2 no anomalous pixel, 1 no known pixel)" in text


def test_brackets_in_names_are_no_markup(one_row):
    assert "[bold]net" in printed([one_row(0.3, model="[bold]net")])


def test_refuses_to_mix_protocols(closed_set, overridden):
    with pytest.raises(OddscapeError, match="one protocol"):
        results_tables([closed_set, overridden])
    with pytest.raises(OddscapeError, match="one protocol"):
        results_tables([])

"""``oddscape compare``: what it prints of results files, and how it fails."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from oddscape.cli import main
from oddscape.commands.compare import compare
from oddscape.errors import OddscapeError
from oddscape.illustrations import Gallery, Illustration, beside
from oddscape.packed_maps import pack_map
from oddscape.protocols import PROTOCOLS
from oddscape.results import Curves, Figures, Results, ScoreResult
from oddscape.threshold_stops import threshold_stops


def results(
    model: str, ap: float, *, seed: int = 1, protocol: str = "roadanomaly21", units: int = 30
) -> Results:
    pictures = np.random.default_rng(0).normal(0, 0.05, 200)
    drawn = (ap + pictures + np.random.default_rng(seed).normal(0, 0.002, 200)).tolist()
    figures = Figures(ap, 0.9, 0.3)
    score = ScoreResult(
        score="msp",
        formula="−max_k p_k",
        saw_outliers=False,
        pooled=figures,
        per_picture=figures,
        threshold=0.5,
        picture_average_precision=[ap],
        curves=Curves([[0.0, 0.0], [1.0, 1.0]], [[0.0, 1.0], [1.0, 0.1]], [0.0, 1.0], [1.0], [1.0]),
        replicates={"pooled.average_precision": drawn},
    )
    return Results(
        protocol=PROTOCOLS[protocol],
        overrides=[],
        model=model,
        weights="w.pth",
        inference_size=None,
        pictures=["a"],
        left_out={},
        known_pixels=90,
        anomalous_pixels=10,
        scores=[score],
        units=units,
        fingerprint="f00d",
    )


@pytest.fixture
def file(tmp_path):
    """Save results, and give the file."""

    def save(name: str, run: Results):
        path = tmp_path / name
        run.save(path)
        return path

    return save


@pytest.fixture
def printed(capsys, monkeypatch):
    """Run the comparison; give the words that it prints, one space between them."""
    monkeypatch.setenv("COLUMNS", "160")

    def call(*files, **options) -> str:
        compare(*files, **options)
        return " ".join(capsys.readouterr().out.split())

    return call


def test_one_table_and_paired_differences(file, printed):
    text = printed(file("a.json", results("one", 0.4)), file("b.json", results("two", 0.5, seed=2)))
    assert "one msp no 40.00 30.00 90.00 two msp no 50.00 30.00 90.00" in text
    assert "Differences to one · msp" in text
    assert "two msp +10.00 ▲" in text
    assert "must not be compared" not in text


def test_the_baseline_can_be_chosen(file, printed):
    files = file("a.json", results("one", 0.4)), file("b.json", results("two", 0.5, seed=2))
    text = printed(*files, baseline="two:msp")
    assert "Differences to two · msp" in text
    assert "one msp −10.00 ▼" in text


def test_different_protocols_stand_apart_and_a_line_says_so(file, printed):
    files = (
        file("a.json", results("one", 0.4)),
        file("b.json", results("two", 0.5, protocol="roadobstacle21")),
    )
    text = printed(*files)
    assert text.startswith(
        "2 parts that must not be compared, for protocol, overrides or data differ: "
        "1. roadanomaly21, 2. roadobstacle21"
    )
    assert "Differences" not in text
    assert (
        text.index("AnomalyTrack")
        < text.index("one msp")
        < text.index("ObstacleTrack")
        < text.index("two msp")
    )


@pytest.mark.parametrize(
    "change", [{"fingerprint": "beef"}, {"overrides": ["x = y instead of z"]}, {"known_pixels": 1}]
)
def test_other_data_or_overrides_stand_apart(file, printed, change):
    other = replace(results("two", 0.5), **change)
    assert "2 parts that must not be compared" in printed(
        file("a.json", results("one", 0.4)), file("b.json", other)
    )


def test_a_baseline_of_one_part_is_missed_in_the_other(file, printed):
    files = (
        *(file(f"{name}.json", results(name, 0.4)) for name in ("one", "two")),
        *(file(f"{name}.json", results(name, 0.4, protocol="roadobstacle21")) for name in ("three", "four")),
    )
    text = printed(*files, baseline="two")
    assert "Differences to two · msp" in text
    assert "no differences here: two has no figures under this protocol" in text


def test_networks_of_one_name_are_told_apart_by_their_file(file, printed):
    text = printed(file("a.json", results("net", 0.4)), file("b.json", results("net", 0.5, seed=2)))
    assert "Differences to net (a) · msp" in text
    assert "net (b) msp +10.00 ▲" in text


def test_published_figures_have_a_table_of_their_own(file, printed):
    text = printed(file("a.json", results("one", 0.4)), published=True)
    assert text.index("one msp") < text.index("PUBLISHED figures near roadanomaly21") < text.index("UNO yes")
    assert "not measured here" in text


def test_published_figures_of_a_protocol_are_shown_once(file, printed):
    run = results("one", 0.4)
    files = file("a.json", run), file("b.json", replace(run, overrides=["evaluation size 2×1"]))
    assert printed(*files, published=True).count("PUBLISHED figures near roadanomaly21") == 1


def test_a_file_given_twice_is_refused(file, fails):
    path = file("a.json", results("one", 0.4))
    assert fails(path, path) == f"oddscape: {path} is given twice\n"


def test_where_nothing_is_published_a_line_says_so(file, printed):
    text = printed(file("a.json", results("one", 0.4, protocol="town")), published=True)
    assert "no published figures near protocol town" in text


def test_without_replicates_a_line_says_so(file, printed):
    runs = [results("one", 0.4), results("two", 0.5)]
    bare = [replace(run, scores=[replace(run.scores[0], replicates={})], units=0) for run in runs]
    text = printed(*(file(f"{run.model}.json", run) for run in bare))
    assert "no differences here: no two rows have replicates" in text


def test_a_page_with_curves_and_differences(file, printed, tmp_path):
    files = file("a.json", results("one", 0.4)), file("b.json", results("two", 0.5, seed=2))
    text = printed(*files, report=tmp_path / "page", published=True)
    assert f"report: {tmp_path / 'page' / 'index.html'}" in text
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert page.count('class="curve colour-1') >= 2
    assert "Differences to one · msp" in page
    assert "UNO" in page


@pytest.fixture
def fails(capsys):
    """Run the command line; give the one line that it fails with."""

    def call(*arguments) -> str:
        with pytest.raises(SystemExit) as stop:
            main(["compare", *map(str, arguments)])
        assert stop.value.code not in (0, None)
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        return err

    return call


def beside_results(file, run: Results, **changes) -> None:
    """Write pictures of a run beside its results."""
    thresholds = [stop.threshold for stop in threshold_stops(run.scores[0])]
    two = pack_map(np.zeros((2, 2), np.uint8))
    it = Illustration("a", (2, 2), (2, 2), "photograph of " + run.model, two, two)
    gallery = Gallery(
        run.model, "msp", run.fingerprint, thresholds, thresholds[0], [], [], {"a": "YQ=="}, [it]
    )
    replace(gallery, **changes).save(beside(file))


def test_the_page_has_the_pictures_that_lie_beside_the_results(file, printed, tmp_path):
    runs = [results("net", 0.4), results("net", 0.5, seed=2)]
    files = [file("a.json", runs[0]), file("b.json", runs[1])]
    for path, run in zip(files, runs, strict=True):
        beside_results(path, run)
    printed(*files, report=tmp_path)
    page = (tmp_path / "index.html").read_text()
    (maps,) = re.findall(r'<script type="application/json" id="maps-1-0">(.*?)</script>', page)
    assert json.loads(maps)["photograph"] == "photograph of net"
    assert list(json.loads(maps)["rows"]) == ["0", "1"]  # networks of one name are told apart


def test_pictures_of_another_evaluation_are_left_out_and_a_line_says_so(file, printed, tmp_path):
    run = results("one", 0.4)
    path = file("a.json", run)
    beside_results(path, run, fingerprint="other pictures")
    text = printed(path, report=tmp_path / "page")
    assert f"{tmp_path}/a.pictures: pictures of another evaluation, left out" in text
    assert "maps-1-0" not in (tmp_path / "page" / "index.html").read_text()


def test_the_command_line_compares(file, capsys):
    main(["compare", str(file("a.json", results("one", 0.4))), "--published"])
    assert "PUBLISHED" in capsys.readouterr().out


def test_other_units_are_refused(file, fails):
    paths = file("a.json", results("one", 0.4)), file("b.json", results("two", 0.5, units=3))
    expected = "no paired difference: intervals of one come from 30 pictures, of two from 3 pictures"
    assert expected in fails(*paths)


def test_an_unknown_baseline_names_those_there_are(file, fails):
    path = file("a.json", results("one", 0.4))
    message = fails(path, "--baseline", "three")
    assert message == "oddscape: no baseline 'three' in these results; there are one:msp\n"


def test_no_files(fails):
    assert "give one or more results files" in fails()


def test_a_missing_file(fails, tmp_path):
    assert "cannot read results from" in fails(tmp_path / "nowhere.json")


def test_a_file_of_another_version(file, fails):
    path = file("a.json", results("one", 0.4))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 1}))
    assert "has results version 1; this reads 2: evaluate again" in fails(path)


def test_one_row_needs_no_torch(file):
    path = file("a.json", replace(results("one", 0.4), units=0))
    code = (
        "import sys; from pathlib import Path; from oddscape.commands.compare import compare; "
        f"compare(Path({str(path)!r})); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0


def test_the_error_is_one_of_oddscape(tmp_path):
    with pytest.raises(OddscapeError):
        compare(tmp_path / "nowhere.json")

"""Results as a file."""

import json
import math
from dataclasses import replace

import pytest

from oddscape.errors import OddscapeError
from oddscape.protocols import PROTOCOLS
from oddscape.results import Curves, Figures, FoldFigures, OpenSetFigures, Results, ScoreResult

NAN = math.nan


def score_result(name, open_set=None):
    return ScoreResult(
        score=name,
        formula="−max_k f_k",
        saw_outliers=False,
        pooled=Figures(0.5, 0.75, 0.25),
        per_picture=Figures(NAN, NAN, NAN, undefined="no picture holds both kinds of pixel"),
        threshold=NAN,
        picture_average_precision=[0.5, NAN],
        curves=Curves([[0.0, 1.0]], [[0.0, 1.0]], [0.0, 1.0], [1.0], [1.0]),
        open_set=open_set,
    )


@pytest.fixture
def results():
    folds = [FoldFigures("t5", 3, 1.5, 0.25, 0.125), FoldFigures("t6", 4, NAN, NAN, NAN)]
    return Results(
        protocol=replace(PROTOCOLS["town"], evaluation_size=(180, 320)),
        overrides=["evaluation size 320×180 instead of the labels' size"],
        model="erfnet",
        weights="w.pth",
        inference_size=(512, 1024),
        pictures=["t5/0", "t6/ä"],
        left_out={"t6/ä": "no anomalous pixel"},
        known_pixels=90,
        anomalous_pixels=10,
        scores=[
            score_result("max_logit"),
            score_result("energy", OpenSetFigures(0.25, 0.125, NAN, folds, "why")),
        ],
        closed_miou=NAN,
        class_iou={"road": 0.5, "fence": NAN},
        seconds=1.5,
        environment={"torch": "2"},
    )


def test_what_is_saved_is_what_is_loaded(results, tmp_path):
    results.save(tmp_path / "made" / "results.json")
    again = Results.load(tmp_path / "made" / "results.json")
    # NaN is not equal to itself; its representation is.
    assert repr(again) == repr(results)


def test_sizes_of_their_own_stay_none(results, tmp_path):
    by_side = replace(results, inference_size=432)
    by_side.save(tmp_path / "by_side.json")
    assert Results.load(tmp_path / "by_side.json").inference_size == 432
    own = replace(results, inference_size=None, protocol=PROTOCOLS["masks"])
    own.save(tmp_path / "r.json")
    again = Results.load(tmp_path / "r.json")
    assert again.inference_size is None
    assert again.protocol == PROTOCOLS["masks"]


def test_files_from_before_ways_of_inference_were_recorded_are_read(results, tmp_path):
    ways = ["mean over the picture and its mirror image"]
    replace(results, inference=ways).save(tmp_path / "r.json")
    document = json.loads((tmp_path / "r.json").read_text())
    assert document.pop("inference") == ways
    (tmp_path / "r.json").write_text(json.dumps(document))
    assert Results.load(tmp_path / "r.json").inference == []


def test_the_file_is_strict_json_with_a_version(results, tmp_path):
    results.save(tmp_path / "r.json")
    document = json.loads((tmp_path / "r.json").read_text(), parse_constant=pytest.fail)
    assert (document["format"], document["version"]) == ("oddscape results", 2)
    assert document["closed_miou"] is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot read results from"),
        ("[1]", "is no Oddscape results file"),
        ('{"format": "coco"}', "is no Oddscape results file"),
        (
            '{"format": "oddscape results", "version": 99}',
            "has results version 99; this reads 2: evaluate again",
        ),
        (
            '{"format": "oddscape results", "version": 2}',
            r"is no whole Oddscape results file: required field missing @ \$\.protocol",
        ),
    ],
)
def test_a_file_of_another_kind_is_one_clear_line(tmp_path, text, message):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(OddscapeError, match=message) as error:
        Results.load(tmp_path / "r.json")
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(OddscapeError, match=r"cannot read results from .*nowhere\.json"):
        Results.load(tmp_path / "nowhere.json")


def test_lists_of_numbers_have_a_line_each(results, tmp_path):
    drawn = replace(results.scores[0], replicates={"pooled.auroc": [0.1, math.nan, 0.3]})
    curly = replace(results, scores=[drawn], overrides=["[ {odd  \n names} ]", "[]"])
    curly.save(tmp_path / "results.json")
    assert '"pooled.auroc": [0.1,null,0.3]\n' in (tmp_path / "results.json").read_text()
    assert Results.load(tmp_path / "results.json").overrides == curly.overrides


def test_a_score_is_found_by_name(results):
    assert results.of("energy") is results.scores[1]
    with pytest.raises(OddscapeError, match=r"no score 'msp' in these results; there are \['max_logit'"):
        results.of("msp")


def test_the_share_of_anomalous_pixels(results):
    assert results.anomaly_share == 0.1


def test_the_protocol_says_which_figures_head_the_table(results):
    result = results.scores[0]
    assert result.headline(PROTOCOLS["town"]) is result.pooled
    assert result.headline(PROTOCOLS["streethazards"]) is result.per_picture

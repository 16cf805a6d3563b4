"""Where results go, which they are, and how a run begins."""

import json

import pytest
import torch

from oddscape.detector import Detector
from oddscape.errors import OddscapeError
from oddscape.models import create_model
from oddscape.predicting.inputs import find_inputs
from oddscape.predicting.outcomes import FAILURES
from oddscape.predicting.pictures import join_regions
from oddscape.predicting.record import ANY_TIME
from oddscape.predicting.results import begin_results, choose_results
from oddscape.score_files import ScoreWriter


@pytest.fixture
def detector():
    torch.manual_seed(0)
    return Detector(create_model("small_ladder", 4), threshold=1.0)


def test_what_is_written_without_a_word(detector, tmp_path):
    results = choose_results(detector, tmp_path, None, videos=True)
    assert results.kinds == ("classes", "open-set", "score", "heat", "overlay", "regions")
    assert results.video_kinds == ("overlay", "heat", "regions")
    assert choose_results(detector, tmp_path, None).video_kinds == ()
    undecided = choose_results(detector.deciding_by(None), tmp_path, None)
    assert undecided.kinds == ("classes", "score", "heat", "overlay")


def test_boxes_need_a_threshold(detector, tmp_path):
    assert choose_results(detector, tmp_path, None, boxes=True).boxes
    with pytest.raises(OddscapeError, match="--boxes are drawn around anomalous regions, which need a thres"):
        choose_results(detector.deciding_by(None), tmp_path, None, boxes=True)


def test_a_run_begins_in_each_of_its_folders(detector, tmp_path):
    out, scores = tmp_path / "out", tmp_path / "scores"
    results = choose_results(detector, out, ScoreWriter(scores, "npy", None))
    assert results.folders == (out, scores)
    out.mkdir()
    (out / FAILURES).touch()
    begun = begin_results(results, detector, [tmp_path])
    assert begun.spans != ANY_TIME
    assert sorted(path.name for path in out.iterdir()) == ["legend.png", "predict.json"]
    assert [path.name for path in scores.iterdir()] == [".predict.json"]
    said = json.loads((out / "predict.json").read_text())
    assert (said["threshold"], said["every"], said["boxes"]) == (1.0, 1, False)
    with pytest.raises(OddscapeError, match=r"threshold 1\.0, now 2\.0"):
        begin_results(results, detector.deciding_by(2.0), [tmp_path])


def test_regions_of_all_pictures_but_those_that_failed_come_together(detector, prediction, tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.png").touch()
    inputs = find_inputs([tmp_path])
    results = choose_results(detector, tmp_path / "out", None, ("regions",))
    first, second, _ = inputs.pictures  # of the third there is no file
    for picture in (first, second):
        results.write(picture, prediction)
    regions, file = join_regions(inputs, results, {first})
    assert (regions, file) == (3, tmp_path / "out" / "regions.json")
    (image,) = json.loads(file.read_text())["images"]
    assert image["file_name"] == second.path.as_posix()

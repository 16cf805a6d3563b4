"""``oddscape fit``, and the file that it writes in ``evaluate`` and ``predict``."""

import json

import pytest

from oddscape.models import create_model, save_checkpoint
from oddscape.scores.fitted.files import load_scores


@pytest.fixture
def fitted(run, weights, streethazards_folder, tmp_path):
    out = tmp_path / "fitted.safetensors"
    given = ("--dataset", "streethazards", "--data", streethazards_folder, "--weights", weights)
    status, said, error = run("fit", *given, "--score", "sml", "--score", "knn@neighbours=2", "--out", out)
    assert (status, error) == (0, "")
    assert f"fitted sml, knn@neighbours=2: {out}" in said
    return out


def test_takes_the_training_split(fitted):
    assert load_scores(fitted)["sml"].formula.endswith("; fitted to 8 pictures of streethazards")


def test_bad_input_ends_in_one_line(run, weights, streethazards_folder, tmp_path):
    given = ("--dataset", "streethazards", "--data", streethazards_folder, "--weights", weights)
    status, _, error = run("fit", *given, "--score", "smm", "--out", tmp_path / "no.safetensors")
    assert (status, error) == (
        1,
        "oddscape: unknown score to fit 'smm'; "
        "known: sml, mahalanobis, mahalanobis_diagonal, knn, vim, gmm\n",
    )
    status, _, error = run("fit", *given, "--reader", "split", "--out", tmp_path / "no.safetensors")
    assert (status, error) == (1, "oddscape: --reader split: expected NAME=VALUE, as in split=test\n")
    assert not (tmp_path / "no.safetensors").exists()


def test_evaluate_takes_the_file(run, weights, fitted, streethazards_folder, tmp_path):
    given = ("--protocol", "streethazards", "--data", streethazards_folder, "--weights", weights)
    out, report = tmp_path / "results.json", tmp_path / "report"
    names = ("--score", "sml+smoothing", "--score", "knn@neighbours=2", "--score", "msp")
    status, _, error = run(
        *("evaluate", *given, "--fitted", fitted, *names),
        *("--out", out, "--report", report, "--report-pictures", 2),
    )
    assert (status, error) == (0, "")
    scores = {score["score"]: score for score in json.loads(out.read_text())["scores"]}
    assert list(scores) == ["sml+smoothing", "knn@neighbours=2", "msp"]
    assert "fitted to 8 pictures of streethazards" in scores["sml+smoothing"]["formula"]
    assert (report / "index.html").exists()
    run("evaluate", *given, "--fitted", fitted, "--out", out)
    assert {"sml", "knn@neighbours=2", "energy"} <= {
        s["score"] for s in json.loads(out.read_text())["scores"]
    }
    status, _, error = run("evaluate", *given, "--score", "sml")
    assert (status, error.count("\n")) == (1, 1)
    assert "score 'sml' learns from known data and is not among those that are fitted (none)" in error


def test_predict_takes_the_file(run, weights, fitted, streethazards_folder, tmp_path):
    pictures = streethazards_folder / "test/images/test/t5"
    given = (pictures, "--weights", weights, "--scores-to", tmp_path / "scores", "--fitted", fitted)
    status, said, _ = run("predict", *given, "--score", "knn@neighbours=2")
    assert (status, "4 of 4 pictures" in said) == (0, True)
    status, _, error = run("predict", *given, "--score", "vim")
    assert (status, "score 'vim' learns from known data" in error) == (1, True)


def test_another_network_is_refused_at_once(run, fitted, streethazards_folder, tmp_path):
    path = tmp_path / "other.safetensors"
    save_checkpoint(create_model("small_ladder", 9), path, {"model": "small_ladder", "num_classes": "9"})
    given = ("--data", streethazards_folder, "--weights", path, "--fitted", fitted)
    status, _, error = run("evaluate", "--protocol", "streethazards", *given)
    assert status == 1
    assert error == (
        "oddscape: this score is fitted to a network with 12 classes; this network has 9 classes\n"
    )

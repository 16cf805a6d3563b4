"""``oddscape detector save``, and its file in ``predict`` and ``evaluate``."""

import json

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from oddscape.detector import Detector
from oddscape.models import checkpoint_metadata, create_model
from oddscape.regions import RegionRules
from oddscape.score_files import ScoreFolder

OPTIONS = ("--score", "energy@temperature=2+smoothing", "--size", "64x64", "--flip", "--threshold", "-2.5")


@pytest.fixture
def saved(run, weights, tmp_path):
    path = tmp_path / "detector.safetensors"
    status, said, error = run("detector", "save", path, "--weights", weights, *OPTIONS)
    assert (status, error) == (0, "")
    assert said == f"energy@temperature=2+smoothing of small_ladder, threshold -2.5: {path}\n"
    return path


def test_predict_does_what_the_options_did(run, weights, saved, masks_folder, tmp_path):
    weights.rename(tmp_path / "away.safetensors")
    pictures = masks_folder / "images"
    status, _, error = run(
        "predict", pictures, "--detector", saved, "--device", "cpu", "--out", tmp_path / "one"
    )
    assert (status, error) == (0, "")
    run(
        "predict", pictures, "--weights", tmp_path / "away.safetensors", *OPTIONS, "--out", tmp_path / "other"
    )
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(files) == 4 * 6 + 3
    files.remove("predict.json")  # it tells when each was made
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_rules_for_regions_are_kept_and_can_be_told_otherwise(run, saved, masks_folder, tmp_path):
    ruled = tmp_path / "ruled.safetensors"
    run("detector", "save", ruled, "--detector", saved, "--min-region", 30)
    assert Detector.load(ruled).rules == RegionRules(30)
    for name, options, rules in (
        ("own", (), RegionRules(30)),
        ("told", ("--min-region", 5, "--hysteresis", -2.6), RegionRules(5, -2.6)),
    ):
        asked = (masks_folder / "images", "--detector", ruled, "--out", tmp_path / name, *options)
        assert run("predict", *asked, "--write", "anomaly")[0] == 0
        detector = Detector.load(saved).deciding_by(-2.5, rules)
        expected = detector.predict(masks_folder / "images" / "a.png").anomaly
        np.testing.assert_array_equal(Image.open(tmp_path / name / "a_anomaly.png"), expected)


def test_evaluate_does_what_the_options_did(run, weights, saved, streethazards_folder, tmp_path):
    given = ("evaluate", "--protocol", "streethazards", "--data", streethazards_folder)
    run(*given, "--weights", weights, *OPTIONS[:-2], "--out", tmp_path / "other.json")
    status, _, error = run(
        *given, "--detector", saved, "--out", tmp_path / "one.json", "--report", tmp_path / "report"
    )
    assert (status, error) == (0, "")
    one, other = (json.loads((tmp_path / name).read_text()) for name in ("one.json", "other.json"))
    assert one["scores"] == other["scores"]
    assert [score["score"] for score in one["scores"]] == ["energy@temperature=2+smoothing"]
    for key in ("model", "inference_size", "inference"):
        assert one[key] == other[key]
    assert one["weights"] == "detector.safetensors"
    assert (tmp_path / "report" / "index.html").exists()


def test_a_fitted_score_goes_with_it(run, weights, streethazards_folder, tmp_path):
    fitted, saved = tmp_path / "fitted.safetensors", tmp_path / "detector.safetensors"
    data = ("--data", streethazards_folder)
    run("fit", "--dataset", "streethazards", *data, "--weights", weights, "--score", "sml", "--out", fitted)
    given = ("--weights", weights, "--fitted", fitted, "--score", "sml+smoothing")
    status, said, _ = run("detector", "save", saved, *given)
    assert (status, said) == (0, f"sml+smoothing of small_ladder, no threshold: {saved}\n")
    fitted.unlink()
    out = tmp_path / "results.json"
    status, _, error = run(
        "evaluate", "--protocol", "streethazards", *data, "--detector", saved, "--out", out
    )
    assert (status, error) == (0, "")
    (score,) = json.loads(out.read_text())["scores"]
    assert score["score"] == "sml+smoothing"
    assert "fitted to 8 pictures of streethazards" in score["formula"]


def test_says_whether_outliers_were_seen(run, weights, streethazards_folder, tmp_path):
    save_file(load_file(weights), weights, checkpoint_metadata(weights) | {"method": "entropy-maximisation"})
    saved, out = tmp_path / "detector.safetensors", tmp_path / "results.json"
    run("detector", "save", saved, "--weights", weights)
    run(
        *("evaluate", "--protocol", "streethazards", "--data", streethazards_folder),
        *("--detector", saved, "--out", out),
    )
    assert json.loads(out.read_text())["scores"][0]["saw_outliers"] is True


@pytest.mark.parametrize(
    "beside",
    [
        ("--model", "small_ladder"),
        ("--weights", "w.safetensors"),
        ("--score", "energy"),
        ("--fitted", "f.safetensors"),
        ("--threshold", 1),
        ("--size", "64x64"),
        ("--flip",),
    ],
)
def test_what_it_brings_is_refused_beside_it(
    run, saved, masks_folder, streethazards_folder, tmp_path, beside
):
    commands = [("predict", masks_folder / "images", "--out", tmp_path / "out")]
    if "--threshold" not in beside:
        commands.append(("evaluate", "--protocol", "streethazards", "--data", streethazards_folder))
    for command in commands:
        status, _, error = run(*command, "--detector", saved, *beside)
        assert (status, error.count("\n")) == (1, 1)
        assert "--detector brings its network, score, threshold and size: leave out --model" in error


def test_a_network_of_ones_own_file(run, masks_folder, tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text(
        "import torch\nfrom torch import nn\n\n\ndef network(width=4):\n    torch.manual_seed(0)\n"
        "    return nn.Sequential(nn.Conv2d(3, width, 4, 4), nn.ReLU(), nn.Conv2d(width, 12, 1))\n"
    )
    saved, own = tmp_path / "detector.safetensors", ("--model", f"{mine}:network", "--model-options.width", 6)
    run("detector", "save", saved, *own)
    predict = ("predict", masks_folder / "images", "--detector", saved, "--scores-to", tmp_path / "scores")
    status, _, error = run(*predict)
    assert status == 1
    assert error.endswith(f"give it, as in Detector.load(path, net=…) or --model {mine}:network\n")
    assert run(*predict, *own)[0] == 0
    net = create_model(f"{mine}:network", width=6)
    expected = Detector.load(saved, net).predict(masks_folder / "images" / "a.png")
    np.testing.assert_array_equal(ScoreFolder(tmp_path / "scores").read("a"), expected.score)


def test_all_that_a_file_to_be_given_away_says(run, weights, tmp_path):
    names = ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian")
    told = {"method": "densehybrid", "classes": json.dumps([*names, "bicyclist", "tram"])}
    save_file(load_file(weights), weights, checkpoint_metadata(weights) | told)
    saved = tmp_path / "detector.safetensors"
    run(
        *("detector", "save", saved, "--weights", weights, "--size", 432, "--half"),
        *("--source", "trained here", "--licence", "CC0"),
    )
    said = checkpoint_metadata(saved)
    facts = ("model", "method", "source", "licence")
    assert [said[key] for key in facts] == ["small_ladder", "densehybrid", "trained here", "CC0"]
    detector = Detector.load(saved)
    assert (detector.size, detector.label_space.classes[-1]) == (432, "tram")
    assert saved.stat().st_size < 0.55 * weights.stat().st_size


@pytest.mark.usefixtures("street_lite")
def test_the_shipped_detector_is_evaluated_by_its_name(run, masks_folder, tmp_path):
    given = ("evaluate", "--protocol", "masks", "--data", masks_folder, "--out", tmp_path / "results.json")
    assert "--weights FILE is needed" in run(*given)[2]
    status, _, error = run(*given, "--detector", "street-lite")
    assert (status, error) == (0, "")
    results = json.loads((tmp_path / "results.json").read_text())
    assert (results["model"], results["weights"]) == ("densehybrid_lite_ladder", "street-lite")
    assert results["inference_size"] == 64
    assert [score["score"] for score in results["scores"]] == ["densehybrid"]
    assert "64 on the shorter side" in run("compare", tmp_path / "results.json")[1]


def test_each_kind_of_file_for_its_own_option(run, weights, saved, masks_folder, tmp_path):
    predict = ("predict", masks_folder / "images", "--out", tmp_path / "out")
    _, _, error = run(*predict, "--weights", saved)
    assert error == f"oddscape: {saved} holds a detector: give it as --detector {saved}\n"
    _, _, error = run(*predict, "--detector", weights)
    assert error == (
        f"oddscape: {weights} holds weights of small_ladder (see --weights, odd.load_checkpoint), "
        "and no detector\n"
    )
    status, _, error = run("detector", "save", tmp_path / "detector.pth", "--weights", weights)
    assert (status, "ends in .safetensors" in error) == (1, True)
    status, _, error = run(
        "evaluate",
        "--protocol",
        "masks",
        "--data",
        masks_folder,
        "--detector",
        saved,
        "--scores-from",
        tmp_path,
    )
    assert (status, "--scores-from takes no network" in error) == (1, True)

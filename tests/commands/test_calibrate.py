"""``oddscape calibrate``: its file, its table, its errors."""

import json

import numpy as np
import pytest
from PIL import Image

from oddscape.detector import Detector
from oddscape.models import checkpoint_metadata
from oddscape.regions import RegionRules


@pytest.fixture
def pictures(tmp_path):
    """Two recordings of five pictures each, 32x32."""
    rng = np.random.default_rng(0)
    for number in range(10):
        path = tmp_path / "drive" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(path)
    return tmp_path / "drive"


@pytest.fixture
def calibrate(run, weights, tmp_path):
    """Run the command for the small network; give what ``run`` gives and the file."""

    def call(*arguments):
        out = tmp_path / "detector.safetensors"
        return *run("calibrate", out, "--weights", weights, "--device", "cpu", *arguments), out

    return call


def test_a_budget_of_pixels_on_plain_pictures(calibrate, run, pictures, masks_folder, tmp_path):
    check = ("--check", masks_folder / "images")
    status, printed, error, out = calibrate("--pictures", pictures, "--false-alarms", 0.1, *check)
    assert (status, error) == (0, "")
    detector, said = Detector.load(out), checkpoint_metadata(out)
    record = json.loads(said["calibration"])
    assert f"threshold {detector.threshold:g}: share of false pixels ≤ 0.1 with 0.95 confidence" in printed
    assert printed.endswith(f"detector: {out}\n")
    assert (record["chosen_on"]["data"], record["chosen_on"]["pictures"]) == ("drive", 10)
    assert record["chosen_on"]["figures"]["none"]["fpr"][0] < record["bound"] <= 0.1
    assert record["checked_on"]["pictures"] == 4
    above = [detector.predict(path).anomaly.mean() for path in (masks_folder / "images").iterdir()]
    assert record["checked_on"]["figures"]["none"]["fpr"][0] == pytest.approx(np.mean(above))
    assert said["model"] == "small_ladder"
    predicted = run("predict", pictures / "a", "--detector", out, "--out", tmp_path / "out")
    assert predicted[0] == 0


def test_false_regions_an_hour_and_rules_for_regions(calibrate, pictures):
    rule = ("--false-regions-per-hour", 4000, "--frames-per-second", 0.5)
    status, printed, error, out = calibrate("--pictures", pictures, *rule, "--min-region", 3)
    assert (status, error) == (0, "")
    assert "regions ≥ 3 px" in printed
    assert "kept with the detector: regions ≥ 3 px" in printed
    assert Detector.load(out).rules == RegionRules(3)
    record = json.loads(checkpoint_metadata(out)["calibration"])
    assert record["bound"] <= 4000
    assert (record["min_region"], record["hysteresis"]) == (3, None)


def test_rules_for_regions_stay_with_the_detector(calibrate, run, pictures, tmp_path):
    _, _, _, first = calibrate("--pictures", pictures, "--false-alarms", 0.1, "--min-region", 3)
    again, asked = tmp_path / "again.safetensors", ("--pictures", pictures, "--false-alarms", 0.2)
    run("calibrate", again, "--detector", first, *asked)
    assert Detector.load(again).rules == RegionRules(3)
    run("calibrate", again, "--detector", first, *asked, "--min-region", 1, "--hysteresis", -1e6)
    assert Detector.load(again).rules == RegionRules(1, -1e6)


def test_recordings_are_drawn_whole(calibrate, pictures):
    _, _, error, _ = calibrate("--pictures", pictures, "--false-alarms", 0.1, "--recordings")
    assert "2 pictures or recordings with known pixels bound no share of false pixels" in error


def test_labelled_pictures_chosen_on_and_checked_on(calibrate, masks_folder, streethazards_folder):
    chosen_on = ("--dataset", "masks", "--data", masks_folder)
    check = ("--check-protocol", "streethazards", "--check-data", streethazards_folder)
    status, printed, error, out = calibrate(*chosen_on, "--recall", 0.9, *check)
    assert (status, error) == (0, "")
    assert "TPR ≥ 0.9" in printed
    record = json.loads(checkpoint_metadata(out)["calibration"])
    assert record["chosen_on"]["figures"]["none"]["tpr"][0] >= 0.9
    assert record["checked_on"]["pictures"] == 8
    status, printed, _, out = calibrate("--protocol", "masks", "--data", masks_folder, "--best-f1")
    assert status == 0
    assert "best F1" in printed


@pytest.mark.usefixtures("street_lite")
def test_the_shipped_detector_gets_a_threshold_of_ones_own(run, pictures, tmp_path):
    out = tmp_path / "mine.safetensors"
    status, _, error = run("calibrate", out, "--pictures", pictures, "--false-alarms", 0.2)
    assert (status, error) == (0, "")
    assert Detector.load(out).threshold != 0.5
    assert checkpoint_metadata(out)["licence"] == "for tests [of these]"


ONE_RULE = "one rule chooses the threshold: give one of --false-alarms, "


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), ONE_RULE),
        (("--best-f1", "--recall", 0.9), "got --recall and --best-f1"),
        (("--false-regions-per-hour", 1), "--false-regions-per-hour needs --frames-per-second"),
        (("--best-f1", "--frames-per-second", 1), "--frames-per-second is for --false-regions-per-hour"),
        (("--best-f1",), "no anomalous pixel in 10 pictures"),
        (("--false-alarms", 1e-9), "a share of 1e-09 false pixels cannot be promised"),
        (("--false-alarms", 0.1, "--threshold", 1), "--threshold is what calibrate chooses: leave it out"),
        (("--false-alarms", 0.1, "--data", "."), "--data and --reader are for --protocol and --dataset"),
        (("--false-alarms", 0.1, "--protocol", "masks"), "give what the threshold is chosen on"),
        (
            ("--false-alarms", 0.1, "--check-data", "."),
            "--check-protocol NAME and --check-data DIR go together",
        ),
        (("--false-alarms", 0.1, "--min-region", 0), "regions of at least 0 pixels: expected 1 or more"),
        (("--false-alarms", 0.1, "--hysteresis", 1e9), "low threshold of hysteresis, 1e+09, is above"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(calibrate, pictures, arguments, message):
    status, printed, error, out = calibrate("--pictures", pictures, *arguments)
    assert (status, printed, error.count("\n")) == (1, "", 1)
    assert message in error
    assert not out.exists()


def test_an_interruption_leaves_nothing(calibrate, pictures, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("oddscape.thresholds.check_threshold", interrupted)
    check = ("--check", pictures)
    status, _, error, out = calibrate("--pictures", pictures, "--false-alarms", 0.1, *check)
    assert (status, error) == (130, "oddscape: interrupted\n")
    assert not [path for path in out.parent.iterdir() if "detector" in path.name]

"""Scores that ``oddscape predict`` writes for others to evaluate."""

import errno
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from oddscape.detector import Detector
from oddscape.models import create_model, load_checkpoint, save_checkpoint
from oddscape.score_files import SCORE_FORMATS, ScoreFolder


@pytest.fixture
def predict(run, masks_folder, weights):
    """Predict four pictures; give exit status, standard output and standard error."""

    def call(*options):
        pictures = masks_folder / "images"
        return run("predict", pictures, "--weights", weights, "--score", "msp", *options)

    return call


@pytest.mark.parametrize("format", SCORE_FORMATS)
def test_scores_alone_are_written_and_read_by_the_pictures_names(
    predict, masks_folder, weights, tmp_path, format
):
    if format == "smiyc":
        pytest.importorskip("h5py", reason="h5py is not installed (the extra 'scores')")
    folder = tmp_path / "scores"
    status, printed, _ = predict("--scores-to", folder, "--score-format", format)
    assert (status, printed) == (0, f"4 of 4 pictures: {folder}\n")
    assert {path.name for path in folder.iterdir()} == {f"{n}{SCORE_FORMATS[format].suffix}" for n in "abcd"}
    stored = ScoreFolder(folder)
    assert (stored.format, stored.names) == (format, ("a", "b", "c", "d"))
    net = create_model("small_ladder", 12)
    load_checkpoint(net, weights)
    expected = Detector(net, "msp").predict(masks_folder / "images" / "b.png").score
    np.testing.assert_allclose(stored.read("b", (32, 48)), expected, atol=5e-4)


def test_scores_and_pictures_can_be_written_at_once(predict, tmp_path):
    status, printed, err = predict("--scores-to", tmp_path / "scores", "--out", tmp_path / "out")
    assert (status, err) == (0, "")
    assert printed == f"4 of 4 pictures: {tmp_path / 'out'} and {tmp_path / 'scores'}\n"
    assert len(list((tmp_path / "out").iterdir())) == 4 * 4 + 1  # and a legend
    scores = ScoreFolder(tmp_path / "scores")
    np.testing.assert_array_equal(scores.read("a"), np.load(tmp_path / "out" / "a_score.npy"))


def test_the_precision_lost_is_said_once(predict, tmp_path):
    status, _, err = predict("--scores-to", tmp_path / "scores", "--score-dtype", "float16")
    assert status == 0
    assert ScoreFolder(tmp_path / "scores").read("a").dtype == np.float16
    assert err.startswith("warning: 4 of 4 score maps lose precision, the most in ")
    assert "float16 keeps" in err
    assert err.count("\n") == 1


def test_scores_are_called_as_the_data_sets_call_their_scenes(predict, masks_folder, tmp_path):
    images = masks_folder / "images"
    for name in ("02_Street_000002_000180_leftImg8bit", "0001_rgb"):
        Image.new("RGB", (48, 32)).save(images / f"{name}.png")
    assert predict("--scores-to", tmp_path / "scores", "--out", tmp_path / "out")[0] == 0
    assert ScoreFolder(tmp_path / "scores").names[:2] == ("0001", "02_Street_000002_000180")
    assert (tmp_path / "out" / "0001_rgb_heat.png").is_file()
    Image.new("RGB", (48, 32)).save(images / "0001.png")
    assert "2 pictures are called '0001'" in predict("--scores-to", tmp_path / "again")[2]


def test_without_a_word_of_where_everything_goes_to_predictions(predict, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, printed, _ = predict()
    assert (status, printed) == (0, "4 of 4 pictures: predictions\n")
    assert (tmp_path / "predictions" / "a_overlay.png").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--out", "x", "--scores-to", "x"), "--out and --scores-to are both x: the scores need a folder"),
        (
            ("--scores-to", "x", "--score-format", "tiff"),
            "unknown score format 'tiff'; known: npy, npz, smiyc",
        ),
        (("--scores-to", "x", "--score-dtype", "int8"), "--score-dtype"),
        (("--scores-to", "x", "--score-format", "png16", "--score-dtype", "float16"), "takes no type"),
    ],
)
def test_bad_options_are_one_line_and_write_nothing(predict, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    status, printed, err = predict(*options)
    assert (status != 0, printed) == (True, "")
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_a_picture_that_does_not_decode_has_no_score_and_the_others_have(predict, masks_folder, tmp_path):
    (masks_folder / "images" / "b.png").write_bytes(b"no picture")
    status, printed, err = predict("--scores-to", tmp_path / "scores")
    assert (status, printed) == (1, f"3 of 4 pictures: {tmp_path / 'scores'}\n")
    assert "b.png: does not decode" in err
    assert ScoreFolder(tmp_path / "scores").names == ("a", "c", "d")


def test_of_many_bad_pictures_some_are_named(predict, masks_folder, tmp_path):
    for picture in (masks_folder / "images").iterdir():
        picture.write_bytes(b"no picture")
    status, printed, err = predict("--scores-to", tmp_path / "scores")
    assert (status, printed) == (1, f"0 of 4 pictures: {tmp_path / 'scores'}\n")
    assert err.endswith("; and 1 more\n")


def test_a_full_disk_ends_it_with_the_first_picture_and_nothing_half_written(predict, tmp_path, monkeypatch):
    asked = []

    def full(path, _content):
        asked.append(path)
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    status, _, err = predict("--scores-to", tmp_path / "scores")
    assert (status, err) == (1, f"oddscape: cannot write {tmp_path}/scores/a.npy: No space left on device\n")
    assert len(asked) == 1
    assert list((tmp_path / "scores").iterdir()) == []


def test_ctrl_c_leaves_whole_files_alone(predict, tmp_path, monkeypatch):
    write_bytes = Path.write_bytes

    def interrupted(path, content):
        write_bytes(path, content[:10] if "b.npy" in path.name else content)
        if "b.npy" in path.name:
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    status, _, err = predict("--scores-to", tmp_path / "scores")
    assert (status, err) == (130, "oddscape: interrupted\n")
    assert [path.name for path in (tmp_path / "scores").iterdir()] == ["a.npy"]


def test_a_network_that_computes_nan_is_one_line_and_no_file(run, tmp_path):
    net = create_model("small_ladder", 12)
    with torch.no_grad():
        [parameter.fill_(torch.nan) for parameter in net.parameters()]
    known = {"model": "small_ladder", "num_classes": "12"}
    weights, picture = tmp_path / "nan.safetensors", tmp_path / "p.png"
    save_checkpoint(net, weights, known)
    Image.new("RGB", (48, 32)).save(picture)
    status, _, err = run("predict", picture, "--weights", weights, "--scores-to", tmp_path / "scores")
    assert status == 1
    assert "p.png: the score 'energy' of this network is not a number (NaN)" in err
    assert not (tmp_path / "scores").exists()


# ── The detector that comes with Oddscape ───────────────────────────────────────────────────────────────────


def test_without_weights_the_shipped_ones_are_used_and_named(run, street_lite, masks_folder, tmp_path):
    picture, out = masks_folder / "images" / "a.png", tmp_path / "out"
    status, printed, err = run("predict", picture, "--out", out, "--device", "cpu", "--threads", 1)
    assert (status, err) == (0, "")
    assert printed == (
        "weights: street-lite, which comes with Oddscape; licence: for tests [of these]\n"
        f"1 of 1 pictures: {out}\n"
    )
    kinds = ("classes.png", "heat.png", "overlay.png", "score.npy")
    assert {file.name for file in out.iterdir()} == {"legend.png", *(f"a_{kind}" for kind in kinds)}
    expected = Detector.load(street_lite).predict(picture)
    np.testing.assert_array_equal(np.load(out / "a_score.npy"), expected.score)
    painted = np.array(Image.open(out / "a_classes.png"))
    np.testing.assert_array_equal(painted, expected.label_space.paint(expected.classes))


@pytest.mark.usefixtures("street_lite")
@pytest.mark.parametrize(
    "option", [("--score", "msp"), ("--threshold", 1), ("--size", 432), ("--num-classes", 11), ("--flip",)]
)
def test_options_of_a_network_want_one(run, masks_folder, tmp_path, option):
    status, printed, err = run("predict", masks_folder / "images", "--out", tmp_path / "out", *option)
    assert (status, printed) == (1, "")
    assert err == (
        "oddscape: --weights FILE is needed beside these options: street-lite, which comes with Oddscape, "
        "brings its own score, threshold and size\n"
    )
    assert not (tmp_path / "out").exists()


def test_shipped_weights_that_are_missing_are_one_line(run, street_lite, masks_folder, tmp_path):
    street_lite.unlink()
    status, printed, err = run("predict", masks_folder / "images", "--out", tmp_path / "out")
    assert (status, printed) == (1, "")
    assert err == (
        f"oddscape: street-lite, which comes with Oddscape, is missing: no {street_lite}; "
        "give --weights FILE or --detector FILE\n"
    )
    assert not (tmp_path / "out").exists()


def test_the_shorter_side_is_a_size(predict, tmp_path):
    predict("--size", 64, "--scores-to", tmp_path / "side")
    predict("--size", "96x64", "--scores-to", tmp_path / "both")
    side, both = (ScoreFolder(tmp_path / name).read("a") for name in ("side", "both"))
    np.testing.assert_array_equal(side, both)
    status, _, err = predict("--size", "64x", "--scores-to", tmp_path / "bad")
    assert (status, "or the shorter side, as in 432" in err) == (1, True)

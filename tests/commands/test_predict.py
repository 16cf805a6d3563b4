"""``oddscape predict``: scores for others to evaluate, results as files, resume, videos."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from oddscape.detector import Detector
from oddscape.models import create_model, load_checkpoint, save_checkpoint
from oddscape.predicting.video_files import VideoFacts, opened_video, written_video
from oddscape.regions import RegionRules
from oddscape.score_files import SCORE_FORMATS, ScoreFolder
from oddscape.town import TownCounts, make_town


@pytest.fixture
def predict(run, masks_folder, weights):
    """Predict four pictures; give exit status, standard output and standard error."""

    def call(*options):
        pictures = masks_folder / "images"
        return run("predict", pictures, "--weights", weights, "--score", "msp", *options)

    return call


def shown(folder):
    """Names of the files in a folder; the record of what made scores is hidden."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


@pytest.mark.parametrize("format", SCORE_FORMATS)
def test_scores_alone_are_written_and_read_by_the_pictures_names(
    predict, masks_folder, weights, tmp_path, format
):
    if format == "smiyc":
        pytest.importorskip("h5py", reason="h5py is not installed (the extra 'scores')")
    folder = tmp_path / "scores"
    status, printed, _ = predict("--scores-to", folder, "--score-format", format)
    assert (status, printed) == (0, f"4 of 4 pictures: {folder}\n")
    assert shown(folder) == [f"{n}{SCORE_FORMATS[format].suffix}" for n in "abcd"]
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
    assert len(list((tmp_path / "out").iterdir())) == 4 * 4 + 2  # a legend, and what made them
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
    assert shown(tmp_path / "scores") == []
    assert not list((tmp_path / "scores").glob(".*.partial"))


def test_ctrl_c_leaves_whole_files_alone(predict, tmp_path, monkeypatch):
    write_bytes = Path.write_bytes

    def interrupted(path, content):
        write_bytes(path, content[:10] if "b.npy" in path.name else content)
        if "b.npy" in path.name:
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    status, _, err = predict("--scores-to", tmp_path / "scores")
    assert (status, err) == (130, "oddscape: interrupted\n")
    assert shown(tmp_path / "scores") == ["a.npy"]
    assert not list((tmp_path / "scores").glob(".*.partial"))


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
    assert shown(tmp_path / "scores") == []


# ── The detector that comes with Oddscape ───────────────────────────────────────────────────────────────────


def test_without_weights_the_shipped_ones_are_used_and_named(run, street_lite, masks_folder, tmp_path):
    picture, out = masks_folder / "images" / "a.png", tmp_path / "out"
    status, printed, err = run("predict", picture, "--out", out, "--device", "cpu", "--threads", 1)
    assert (status, err) == (0, "")
    assert printed == (
        "weights: street-lite, which comes with Oddscape; licence: for tests [of these]\n"
        f"1 of 1 pictures: {out}\n"
        f"{len(Detector.load(street_lite).predict(picture).regions)} anomalous regions: {out}/regions.json\n"
    )
    kinds = ("classes.png", "heat.png", "open-set.png", "overlay.png", "regions.json", "score.npy")
    of_the_run = ("legend.png", "predict.json", "regions.json")
    assert shown(out) == sorted((*of_the_run, *(f"a_{kind}" for kind in kinds)))
    expected = Detector.load(street_lite).predict(picture)
    np.testing.assert_array_equal(np.load(out / "a_score.npy"), expected.score)
    with Image.open(out / "a_classes.png") as classes:
        np.testing.assert_array_equal(classes, expected.classes)
        np.testing.assert_array_equal(classes.convert("RGB"), expected.label_space.paint(expected.classes))


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


# ── Where results go ────────────────────────────────────────────────────────────────────────────────────────


def contents(folder):
    """Every file below a folder by its path there, but the record, which tells when it was begun."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith("predict.json")
    }


@pytest.fixture
def many(tmp_path):
    """Thirty pictures in two folders, some called alike."""
    rng = np.random.default_rng(0)
    for number in range(30):
        path = tmp_path / "many" / "ab"[number % 2] / f"{number // 2}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (48, 64, 3), np.uint8)).save(path)
    return tmp_path / "many"


@pytest.fixture
def command(weights):
    """What comes after the pictures: a detector with a threshold and rules."""
    return ("--weights", weights, "--threshold", -2.4975, "--min-region", 20, "--device", "cpu")


def test_folders_keep_their_structure_and_all_regions_come_together(run, many, command, tmp_path):
    out = tmp_path / "out"
    status, printed, err = run("predict", many, *command, "--out", out, "--write", "regions, anomaly")
    assert (status, err) == (0, "")
    coco = json.loads((out / "regions.json").read_text())
    assert (
        printed
        == f"30 of 30 pictures: {out}\n{len(coco['annotations'])} anomalous regions: {out}/regions.json\n"
    )
    assert coco["images"][3]["file_name"] == (many / "a" / "3.png").as_posix()
    areas = {image["id"]: 0 for image in coco["images"]}
    for annotation in coco["annotations"]:
        assert annotation["area"] >= 20
        areas[annotation["image_id"]] += annotation["area"]
    for image in coco["images"]:
        name = Path(image["file_name"]).relative_to(many).with_suffix("")
        assert np.count_nonzero(Image.open(out / f"{name}_anomaly.png")) == areas[image["id"]]
    assert len(coco["annotations"]) > 30


def test_workers_change_nothing(run, many, command, tmp_path):
    for name, workers in (("one", 1), ("three", 3)):
        assert run("predict", many, *command, "--out", tmp_path / name, "--workers", workers)[0] == 0
    assert contents(tmp_path / "one") == contents(tmp_path / "three")
    run("predict", many, *command, "--out", tmp_path / "batch", "--workers", 2, "--batch", 4)
    one, batch = contents(tmp_path / "one"), contents(tmp_path / "batch")
    assert one.keys() == batch.keys()
    np.testing.assert_allclose(
        np.load(tmp_path / "one" / "a" / "3_score.npy"),
        np.load(tmp_path / "batch" / "a" / "3_score.npy"),
        atol=1e-4,
    )


@pytest.mark.parametrize("where", ["out", "scores"])
def test_what_the_input_holds_of_results_is_no_input(run, many, command, where):
    option = ("--out", many / "results") if where == "out" else ("--scores-to", many / "results")
    for _ in range(2):
        assert "30 of 30 pictures" in run("predict", many, *command, *option)[1]


# ── Resume ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_killed_in_the_middle_and_resumed_it_is_as_if_nothing_had_been(run, many, command, tmp_path):
    out = tmp_path / "out"
    asked = [str(part) for part in ("predict", many, *command, "--workers", 2, "--out")]
    process = subprocess.Popen([sys.executable, "-m", "oddscape", *asked, str(out)])
    while len(list(out.rglob("*_regions.json"))) < 4:
        assert process.poll() is None
        time.sleep(0.002)
    process.kill()
    process.wait()
    done = contents(out)
    assert "b/14_regions.json" not in done
    status, printed, _ = run(*asked, out)
    before = int(re.search(r"\((\d+) done before\)", printed)[1])
    assert (status, 2 <= before < 30) == (0, True)
    assert printed.startswith(f"30 of 30 pictures ({before} done before): {out}\n")
    assert run(*asked, tmp_path / "uninterrupted")[0] == 0
    assert contents(out) == contents(tmp_path / "uninterrupted")


def test_what_is_done_and_whole_stays_and_the_rest_is_done_again(run, many, command, tmp_path):
    asked = ("predict", many, *command, "--out", tmp_path / "out", "--scores-to", tmp_path / "scores")
    run(*asked)
    assert "(30 done before)" in run(*asked)[1]
    expected = contents(tmp_path / "out")
    heat, scores = tmp_path / "out" / "a" / "3_heat.png", tmp_path / "scores" / "b" / "5.npy"
    heat.write_bytes(heat.read_bytes()[:-1])
    scores.unlink()
    assert "(28 done before)" in run(*asked)[1]
    assert scores.exists()
    assert contents(tmp_path / "out") == expected
    (many / "a" / "0.png").write_bytes((many / "b" / "0.png").read_bytes())
    assert "(29 done before)" in run(*asked)[1]


def test_results_of_two_detectors_do_not_mix(run, many, weights, tmp_path):
    asked = ("predict", many / "a", "--weights", weights, "--threshold", 0, "--out", tmp_path / "out")
    assert run(*asked)[0] == 0
    before = contents(tmp_path / "out")
    status, printed, err = run(*asked, "--min-region", 20)
    assert (status, printed) == (1, "")
    assert "of another detector or other options (regions none, now regions ≥ 20 px): give another" in err
    assert contents(tmp_path / "out") == before
    assert "15 of 15 pictures:" in run(*asked, "--min-region", 20, "--overwrite")[1]
    assert "(15 done before)" in run(*asked, "--min-region", 20)[1]


def test_pictures_of_another_folder_that_are_called_alike_are_not_done(run, many, command, tmp_path):
    (many / "b" / "0.png").unlink()
    asked = (*command, "--size", "64x48", "--out", tmp_path / "out", "--write", "score")
    assert run("predict", many / "a", *asked)[1].startswith("15 of 15 pictures:")
    assert run("predict", many / "b", *asked)[1].startswith("14 of 14 pictures:")
    assert "(14 done before)" in run("predict", many / "b", *asked)[1]
    assert "15 of 15 pictures (1 done before):" in run("predict", many / "a", *asked)[1]


def test_regions_of_an_earlier_run_do_not_stand_in_for_a_picture_that_failed(run, many, command, tmp_path):
    asked = ("predict", many / "a", *command, "--out", tmp_path / "out", "--write", "regions")
    run(*asked)
    (many / "a" / "3.png").write_bytes(b"no picture")
    assert run(*asked, "--overwrite")[0] == 1
    images = json.loads((tmp_path / "out" / "regions.json").read_text())["images"]
    assert [Path(image["file_name"]).stem for image in images] == [str(n) for n in range(15) if n != 3]


@pytest.mark.skipif(sys.platform == "darwin", reason="its names of files are text")
def test_names_that_are_no_text(run, masks_folder, command, tmp_path):
    picture = masks_folder / "images" / "a.png"
    for name in (b"odd\xff.png", *(b"%d\xff.png" % number for number in range(4))):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / os.fsdecode(name)).write_bytes(picture.read_bytes() if b"odd" in name else b"")
    status, printed, _ = run("predict", tmp_path / "in", *command, "--out", tmp_path / "out")
    assert (status, printed.startswith("1 of 5 pictures")) == (1, True)
    (image,) = json.loads((tmp_path / "out" / "regions.json").read_text())["images"]
    assert image["file_name"].endswith("in/odd\\xff.png")
    assert "/in/0\\xff.png: does not decode" in (tmp_path / "out" / "failures.txt").read_text()


def test_a_request_to_end_closes_everything(predict, tmp_path, monkeypatch):
    write_bytes = Path.write_bytes

    def terminated(path, content):
        write_bytes(path, content)
        if "b.npy" in path.name:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(Path, "write_bytes", terminated)
    assert predict("--scores-to", tmp_path / "scores")[0] == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before
    assert shown(tmp_path / "scores") == ["a.npy"]
    assert not list((tmp_path / "scores").glob(".*.partial"))


def test_many_bad_pictures_are_all_named_in_a_file(predict, masks_folder, tmp_path):
    whole = (masks_folder / "images" / "a.png").read_bytes()
    for picture in (masks_folder / "images").iterdir():
        picture.write_bytes(b"no picture")
    status, _, err = predict("--out", tmp_path / "out")
    assert (status, err.endswith(f"; and 1 more, in {tmp_path}/out/failures.txt\n")) == (1, True)
    assert len((tmp_path / "out" / "failures.txt").read_text().splitlines()) == 4
    for picture in (masks_folder / "images").iterdir():
        picture.write_bytes(whole)
    assert predict("--out", tmp_path / "out")[0] == 0
    assert not (tmp_path / "out" / "failures.txt").exists()


# ── Videos ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def drive(tmp_path):
    """A video through the town: nine frames at uneven times."""
    pytest.importorskip("av", reason="PyAV is not installed (the extra 'video')")
    make_town(tmp_path / "town", size=(48, 64), counts=TownCounts(0, 0, 9), workers=1)
    facts = VideoFacts(Fraction(10), Fraction(1, 1000), None, pixel_aspect=Fraction(4, 3))
    with written_video(tmp_path / "drive.mp4", facts) as video:
        for picture, pts in zip(sorted((tmp_path / "town").rglob("images/**/*.png")), TIMES, strict=True):
            video.add(np.asarray(Image.open(picture).convert("RGB")), pts)
    return tmp_path / "drive.mp4"


TIMES = (0, 100, 200, 250, 300, 600, 700, 800, 1000)


def frames_of(path):
    with opened_video(path) as (facts, frames):
        return [(round(1000 * frame.pts * facts.time_base), frame.image) for frame in frames]


def test_a_video_of_the_town_from_end_to_end(run, drive, command, weights, tmp_path):
    out = tmp_path / "out"
    status, printed, err = run("predict", drive, *command, "--out", out, "--workers", 2)
    assert (status, printed, err) == (0, f"1 of 1 videos: {out}\n", "")
    videos = ("drive_heat.mp4", "drive_overlay.mp4")
    assert shown(out) == [*videos, "drive_regions.jsonl", "legend.png", "predict.json"]
    net = create_model("small_ladder", 12)
    load_checkpoint(net, weights)
    detector = Detector(net, threshold=-2.4975, rules=RegionRules(20))
    expected = [detector.predict(image) for _, image in frames_of(drive)]
    for name in videos:
        assert [time for time, _ in frames_of(out / name)] == list(TIMES)
        with opened_video(out / name) as (facts, _):
            assert facts.pixel_aspect == Fraction(4, 3)
    shots = [np.asarray(prediction.overlay()).astype(int) for prediction in expected]
    for number, (_, image) in enumerate(frames_of(out / "drive_overlay.mp4")):
        distances = [np.abs(image - shot).mean() for shot in shots]
        assert np.argmin(distances) == number
        assert distances[number] < 12
    lines = [json.loads(line) for line in (out / "drive_regions.jsonl").read_text().splitlines()]
    assert [(line["frame"], line["time"]) for line in lines] == [
        (n, time / 1000) for n, time in enumerate(TIMES)
    ]
    for line, prediction in zip(lines, expected, strict=True):
        assert [region["area"] for region in line["regions"]] == [it.area for it in prediction.regions]
    assert "(1 done before)" in run("predict", drive, *command, "--out", out)[1]


def test_some_frames_of_a_video_and_pictures_beside_it(run, drive, command, masks_folder, tmp_path):
    out, asked = tmp_path / "out", ("--every", 4, "--write", "open-set,score")
    status, printed, _ = run("predict", drive, masks_folder / "images", *command, "--out", out, *asked)
    assert (status, printed) == (0, f"4 of 4 pictures, 1 of 1 videos: {out}\n")
    assert [time for time, _ in frames_of(out / "drive_open-set.mp4")] == [0, 300, 1000]
    assert len(list(out.glob("*_score.npy"))) == 4
    assert not list(out.glob("drive_score*"))


def test_a_bad_video_costs_itself_alone(run, drive, command, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(drive.read_bytes()[:700])
    (tmp_path / "none.mp4").touch()
    bad = (tmp_path / "bad.mp4", tmp_path / "none.mp4")
    status, printed, err = run("predict", *bad, drive, *command, "--out", tmp_path / "out", "--write", "heat")
    assert (status, printed) == (1, f"1 of 3 videos: {tmp_path}/out\n")
    assert "bad.mp4: does not decode as a video" in err
    assert err.count("\n") == 1
    assert shown(tmp_path / "out") == ["drive_heat.mp4", "legend.png", "predict.json"]
    assert not list((tmp_path / "out").glob(".*.partial"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--scores-to", "x"), "--scores-to is for pictures, and drive.mp4 is a video: give --out, too"),
        (("--write", "score"), "--write score: of videos, no scores are written"),
        (("--write", "overlays"), "--write overlays: unknown; known: classes, open-set"),
        (("--write", "regions"), "--write regions needs a threshold: give --threshold, or a detector"),
        (("--boxes",), "--boxes are drawn around anomalous regions, which need a threshold"),
        (("--every", 0), "--every 0: expected 1 or more"),
        (("--workers", 0), "--workers 0: expected 1 or more"),
        (("--min-region", 3), "rules for regions (regions ≥ 3 px) need a threshold"),
    ],
)
def test_what_cannot_be_asked_for_writes_nothing(run, weights, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    Path("drive.mp4").touch()
    status, printed, err = run("predict", "drive.mp4", "--weights", weights, "--device", "cpu", *options)
    assert (status, printed, err.count("\n")) == (1, "", 1)
    assert message in err
    assert not Path("predictions").exists()

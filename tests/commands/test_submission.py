"""``oddscape submission``: what it prints, and how it tells that a folder is unfit."""

import numpy as np
import pytest
import torch
from PIL import Image

from oddscape.cli import main
from oddscape.commands.options import DetectorOptions, InferenceOptions, NetworkOptions
from oddscape.commands.submission import check, make
from oddscape.errors import OddscapeError
from oddscape.models import create_model, save_checkpoint
from oddscape.score_files import ScoreFolder
from oddscape.submission import Frame, make_submission

pytest.importorskip("h5py", reason="h5py is not installed (the extra 'scores')")

SCORE = np.random.default_rng(0).random((32, 48), np.float32).astype(np.float16)


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def network(tmp_path):
    """Options of a small network for K classes."""

    def options(classes):
        torch.manual_seed(0)
        path = tmp_path / f"{classes}.safetensors"
        known = {"model": "small_ladder", "num_classes": str(classes)}
        save_checkpoint(create_model("small_ladder", classes), path, known)
        return NetworkOptions(weights=(path,))

    return options


@pytest.fixture
def submission(tmp_path):
    """A submission of four frames to SegmentMeIfYouCan."""
    folder = tmp_path / "mine"
    make_submission(
        "smiyc", folder, [Frame(n, SCORE) for n in "abcd"], method="M", dataset="AnomalyTrack-all"
    )
    return folder


def test_a_fit_folder_is_a_table(submission, masks_folder, capsys):
    check(submission, images=masks_folder / "images")
    printed, err = capsys.readouterr()
    assert err == ""
    for fact in ("Submission to SegmentMeIfYouCan", str(submission), "AnomalyTrack-all", "score files", "4"):
        assert fact in printed
    assert "problem" not in printed
    assert "warning" not in printed


def test_an_unfit_folder_is_a_table_and_one_line(submission, masks_folder, capsys):
    (submission / "anomaly_p" / "M" / "AnomalyTrack-all" / "b.hdf5").unlink()
    make_submission("smiyc", submission, [Frame("e", SCORE)], method="M", dataset="AnomalyTrack-all")
    with pytest.raises(OddscapeError) as caught:
        check(submission, images=masks_folder / "images")
    assert str(caught.value) == f"{submission}: unfit for SegmentMeIfYouCan: 2 problems (no score file: b)"
    printed = capsys.readouterr().out
    assert "no score file: b" in printed
    assert "no such picture: e" in printed


def test_a_folder_of_pictures_becomes_a_smiyc_submission(network, masks_folder, tmp_path, capsys):
    folder, pictures = tmp_path / "mine", masks_folder / "images"
    make(
        folder,
        kind="smiyc",
        pictures=pictures,
        method="M",
        dataset="AnomalyTrack-all",
        detector=DetectorOptions(network=network(12), score="msp"),
    )
    printed, err = capsys.readouterr()
    assert ScoreFolder(folder).names == ("a", "b", "c", "d")
    assert ScoreFolder(folder).read("a", (32, 48)).dtype == np.float16
    assert "AnomalyTrack-all" in printed
    assert err.startswith("warning: 4 of 4 score maps lose precision")
    check(folder, images=pictures)


def test_a_folder_of_pictures_becomes_a_fishyscapes_submission(network, tmp_path):
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (2048, 1024)).save(tmp_path / "pictures" / "0000_rgb.jpg")
    folder = tmp_path / "mine"
    make(
        folder,
        kind="fishyscapes",
        pictures=tmp_path / "pictures",
        detector=DetectorOptions(network=network(19), inference=InferenceOptions(size=(32, 64))),
    )
    assert {path.name for path in folder.iterdir()} == {"0000_anomaly.npy", "0000_segmentation.npy"}
    check(folder, kind="fishyscapes", images=tmp_path / "pictures")


def test_a_detector_of_a_file_makes_a_submission(network, masks_folder, tmp_path):
    options = DetectorOptions(network=network(12), score="msp", threshold=0.5)
    detector, _ = options.load()
    detector.save(tmp_path / "detector.safetensors")
    asked = {
        "kind": "smiyc",
        "pictures": masks_folder / "images",
        "method": "M",
        "dataset": "AnomalyTrack-all",
    }
    make(tmp_path / "mine", detector=DetectorOptions(detector=tmp_path / "detector.safetensors"), **asked)
    expected = detector.predict(masks_folder / "images" / "a.png").score
    np.testing.assert_allclose(ScoreFolder(tmp_path / "mine").read("a", (32, 48)), expected, atol=1e-3)


def test_fishyscapes_takes_networks_of_cityscapes(network, masks_folder, tmp_path):
    options = {"kind": "fishyscapes", "pictures": masks_folder / "images"}
    with pytest.raises(OddscapeError, match="Fishyscapes takes Cityscapes' 19 classes; the network has 12"):
        make(tmp_path / "mine", detector=DetectorOptions(network=network(12)), **options)
    with pytest.raises(OddscapeError, match=r"a: the score has shape \[32, 48\], expected \[1024, 2048\]"):
        make(tmp_path / "mine", detector=DetectorOptions(network=network(19)), **options)
    assert not (tmp_path / "mine").exists()


def test_names_are_asked_for_before_the_network_is_loaded(masks_folder, tmp_path):
    with pytest.raises(OddscapeError, match="'' is no name for the method"):
        make(tmp_path / "mine", kind="smiyc", pictures=masks_folder / "images")


def test_the_command_line_ends_in_one_line_and_an_exit_status(submission, masks_folder, capsys):
    main(["submission", "check", str(submission), "--images", str(masks_folder / "images")])
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        main(["submission", "check", str(submission), "--kind", "fishyscapes"])
    assert caught.value.code == 1
    assert capsys.readouterr() == (
        "",
        f"oddscape: {submission}: no submission to Fishyscapes; expected files *_anomaly.npy\n",
    )

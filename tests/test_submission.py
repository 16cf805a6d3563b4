"""Submission folders: what is made is fit, and what is unfit is said in a line."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oddscape.errors import OddscapeError
from oddscape.score_files import ScoreFolder
from oddscape.submission import (
    Frame,
    check_submission,
    frame_id,
    frames_folder,
    make_submission,
    pictures_by_id,
)

h5py = pytest.importorskip("h5py", reason="h5py is not installed (the extra 'scores')")

SIZE = (40, 60)
IDS = ("validation0000", "validation0001", "validation0002")
PLACE = "anomaly_p/Mine/AnomalyTrack-all"
RNG = np.random.default_rng(0)
SCORE = RNG.random(SIZE, np.float32)
# A column as high as Fishyscapes' pictures, repeated: large arrays of noise would make the tests slow.
FISHY = np.repeat(RNG.random((1024, 1), np.float32), 2048, 1)
CLASSES = np.zeros((1024, 2048), np.uint8)


@pytest.fixture
def images(tmp_path):
    """Three pictures of 60×40, one of them in a folder below."""
    folder = tmp_path / "pictures"
    (folder / "scene").mkdir(parents=True)
    for name in (*IDS[:2], f"scene/{IDS[2]}"):
        Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def smiyc(tmp_path):
    """A fit submission to SegmentMeIfYouCan."""
    frames = [Frame(id, SCORE.astype(np.float16)) for id in IDS]
    assert make_submission("smiyc", tmp_path, frames, method="Mine", dataset="AnomalyTrack-all") == ""
    return tmp_path


@pytest.fixture
def fishyscapes(tmp_path):
    """A fit submission to Fishyscapes, of one picture."""
    make_submission("fishyscapes", tmp_path / "fishy", [Frame("0001", FISHY, CLASSES)])
    return tmp_path / "fishy"


def store(path, array, **options):
    """Put an array where a frame's HDF5 file lies, otherwise compressed as asked for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        compressed = {"compression": "gzip", "compression_opts": 9} | options
        file.create_dataset("value", data=array, **compressed)


# ── Fit ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_made_smiyc_submission_is_fit_and_can_be_evaluated(smiyc, images):
    files = {path.relative_to(smiyc).as_posix() for path in smiyc.rglob("*.hdf5")}
    assert files == {f"{PLACE}/{id}.hdf5" for id in IDS}
    report = check_submission(smiyc, images=images)
    assert (report.kind, report.method, report.datasets) == ("smiyc", "Mine", ("AnomalyTrack-all",))
    assert (report.files, report.problems, report.warnings) == (3, (), ())
    read = ScoreFolder(smiyc).read(IDS[0], SIZE)
    assert read.dtype == np.float16
    np.testing.assert_array_equal(read, SCORE.astype(np.float16))


@pytest.mark.parametrize("level", [".", "anomaly_p", "anomaly_p/Mine", PLACE])
def test_every_level_of_the_layout_can_be_checked(smiyc, level, monkeypatch):
    monkeypatch.chdir(smiyc / level)
    report = check_submission(".")
    assert (report.method, report.datasets, report.problems) == ("Mine", ("AnomalyTrack-all",), ())


def test_a_made_fishyscapes_submission_is_fit(fishyscapes, tmp_path):
    assert {path.name for path in fishyscapes.iterdir()} == {"0001_anomaly.npy", "0001_segmentation.npy"}
    assert np.load(fishyscapes / "0001_anomaly.npy").dtype == np.float32
    (tmp_path / "one").mkdir()
    Image.new("RGB", (2048, 1024)).save(tmp_path / "one" / "0001_rgb.jpg")
    report = check_submission(fishyscapes, images=tmp_path / "one")
    assert (report.kind, report.method, report.datasets, report.files) == ("fishyscapes", "", (), 1)
    assert report.problems == ()


def test_what_float16_merged_is_said_when_it_is_made(tmp_path):
    frames = [Frame(id, shift + SCORE) for id, shift in zip(IDS, (0, 1000, 1e6), strict=True)]
    said = make_submission("smiyc", tmp_path, frames, method="Mine", dataset="AnomalyTrack-all")
    assert said.startswith(
        "warning: 3 of 3 score maps lose precision, the most in validation0002: float16 keeps 1 of "
    )


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("validation0000.jpg", "validation0000"),
        (
            "15_Rechbergstr_Deckenpfronn_000000_000090_leftImg8bit.png",
            "15_Rechbergstr_Deckenpfronn_000000_000090",
        ),
        ("0000_rgb.jpg", "0000"),
        ("v1.2.webp", "v1.2"),
    ],
)
def test_frame_ids_leave_out_what_only_pictures_bear(tmp_path, name, id):
    assert frame_id(tmp_path / name) == id


def test_pictures_with_one_id_and_folders_without_any_are_one_line(tmp_path, images):
    Image.new("RGB", (60, 40)).save(images / "scene" / f"{IDS[0]}.jpg")
    with pytest.raises(OddscapeError, match="have one frame id, 'validation0000'"):
        pictures_by_id(images)
    (tmp_path / "empty").mkdir()
    with pytest.raises(OddscapeError, match=r"no pictures \(\.png, .*\) in .*empty"):
        pictures_by_id(tmp_path / "empty")
    with pytest.raises(OddscapeError, match="no folder nowhere"):
        pictures_by_id(Path("nowhere"))


# ── Unfit ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (SCORE, "scores of type float32, expected float16"),
        ((SCORE * 255).astype(np.uint8), "scores of type uint8, expected float16"),
        (SCORE.T.astype(np.float16), "score transposed: [width, height] instead of [height, width]"),
        (SCORE[::2, ::2].astype(np.float16), "score is 30×20, expected 60×40"),
        (SCORE[None].astype(np.float16), "score of shape [1, 40, 60], expected [height, width]"),
        (np.where(SCORE > 0.5, np.nan, SCORE).astype(np.float16), "NaN scores"),
        (
            np.where(SCORE > 0.5, np.inf, SCORE).astype(np.float16),
            "infinite scores: beyond ±65504 a float16 overflows",
        ),
    ],
)
def test_a_frame_that_is_unfit_is_named(smiyc, images, array, problem):
    store(smiyc / PLACE / f"{IDS[1]}.hdf5", array)
    report = check_submission(smiyc, images=images)
    assert report.problems == (f"{problem}: {IDS[1]}",)


@pytest.mark.parametrize(
    ("array", "options", "warning"),
    [
        (np.full(SIZE, 0.5, np.float16), {}, "constant scores"),
        (SCORE.astype(np.float16), {"compression_opts": 4}, "compression gzip 4 instead of gzip 9"),
        (
            SCORE.astype(np.float16),
            {"compression": None, "compression_opts": None},
            "compression none instead",
        ),
        ((SCORE > 0.5).astype(np.float16), {}, "saturated, fewer than 32 distinct scores in the top 1 %"),
    ],
)
def test_what_is_taken_and_may_yet_be_a_mistake_is_a_warning(smiyc, array, options, warning):
    # Three times as wide: of fewer pixels saturation is not judged.
    store(smiyc / PLACE / f"{IDS[1]}.hdf5", np.tile(array, (1, 3)), **options)
    report = check_submission(smiyc)
    assert report.problems == ()
    [line] = report.warnings
    assert line.startswith(warning)
    assert line.endswith(f": {IDS[1]}")


def test_a_frame_that_stands_upright_is_suspected_without_pictures(smiyc):
    store(smiyc / PLACE / f"{IDS[1]}.hdf5", SCORE.T.astype(np.float16))
    assert check_submission(smiyc).warnings == (f"score higher than wide: is it transposed?: {IDS[1]}",)


def test_files_that_cannot_be_read_are_problems(smiyc):
    with h5py.File(smiyc / PLACE / f"{IDS[0]}.hdf5", "w") as file:
        file["values"] = SCORE.astype(np.float16)
    (smiyc / PLACE / f"{IDS[1]}.hdf5").write_bytes(b"no HDF5 file")
    first, second = check_submission(smiyc).problems
    assert first == f"no readable score file (no dataset 'value'; it holds values): {IDS[0]}"
    assert second.startswith("no readable score file (")
    assert second.endswith(f"): {IDS[1]}")


def test_missing_and_foreign_frames_are_counted_and_named(smiyc, images):
    for number in range(3, 9):
        Image.new("RGB", SIZE[::-1]).save(images / f"validation000{number}.png")
    store(smiyc / PLACE / "test0000.hdf5", SCORE.astype(np.float16))
    assert check_submission(smiyc, images=images).problems == (
        "no score file: 6 frames, validation0003, validation0004, validation0005, …",
        "no such picture: test0000",
    )


def test_the_same_said_of_many_frames_is_one_line(smiyc):
    for id in IDS:
        store(smiyc / PLACE / f"{id}.hdf5", SCORE)
    assert check_submission(smiyc).problems == (
        "scores of type float32, expected float16: 3 frames, validation0000, validation0001, validation0002",
    )


def test_files_beside_the_layout_and_several_methods_are_problems(smiyc):
    store(smiyc / "stray.hdf5", SCORE.astype(np.float16))
    store(smiyc / "anomaly_p" / "Mine" / "deep" / "er" / "file.hdf5", SCORE.astype(np.float16))
    store(smiyc / "anomaly_p" / "Other" / "AnomalyTrack-all" / "a.hdf5", SCORE.astype(np.float16))
    report = check_submission(smiyc)
    assert report.problems == (
        "not in anomaly_p/<method>/<dataset>: 2 frames, file, stray",
        "more than one method in a submission: Mine, Other",
    )
    assert report.method == "Mine, Other"


def test_a_data_set_that_the_benchmark_does_not_ask_for_is_a_warning(smiyc):
    shutil.copytree(smiyc / PLACE, smiyc / "anomaly_p" / "Mine" / "RoadAnomaly21")
    report = check_submission(smiyc)
    assert report.datasets == ("AnomalyTrack-all", "RoadAnomaly21")
    assert report.files == 6
    [warning] = report.warnings
    assert warning == (
        "no data set that SegmentMeIfYouCan asks for (AnomalyTrack-all, ObstacleTrack-all, "
        "LostAndFound-test, LostAndFound-train): RoadAnomaly21"
    )


def test_pictures_go_with_one_data_set(smiyc, images):
    shutil.copytree(smiyc / PLACE, smiyc / "anomaly_p" / "Mine" / "ObstacleTrack-all")
    with pytest.raises(
        OddscapeError, match="holds Mine/AnomalyTrack-all, Mine/ObstacleTrack-all: of several"
    ):
        check_submission(smiyc, images=images)
    assert check_submission(smiyc / PLACE, images=images).problems == ()


def test_a_folder_without_a_submission_is_one_line(tmp_path, smiyc):
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        OddscapeError, match=r"empty: no submission; expected files \*\.hdf5 \(smiyc\) or \*_an"
    ):
        check_submission(tmp_path / "empty")
    with pytest.raises(OddscapeError, match=r"no submission to Fishyscapes; expected files \*_anomaly\.npy"):
        check_submission(smiyc, "fishyscapes")
    with pytest.raises(OddscapeError, match="unknown kind of submission 'kitti'; known: smiyc, fishyscapes"):
        check_submission(smiyc, "kitti")


# ── Fishyscapes ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("file", "array", "problem"),
    [
        ("anomaly", FISHY[:, :1024], "score is 1024×1024, expected 2048×1024"),
        ("anomaly", FISHY.T, "score transposed: [width, height] instead of [height, width]"),
        ("anomaly", FISHY > 0.5, "scores of type bool, expected float16 or float32 or float64"),
        ("segmentation", CLASSES.T, "segmentation transposed: [width, height] instead of [height, width]"),
        ("segmentation", FISHY, "segmentation of type float32, expected integers"),
        ("segmentation", CLASSES + 33, "segmentation holds [33], expected train ids 0 to 18, or 255"),
    ],
)
def test_a_fishyscapes_frame_that_is_unfit_is_named(fishyscapes, file, array, problem):
    np.save(fishyscapes / f"0001_{file}.npy", array)
    assert check_submission(fishyscapes).problems == (f"{problem}: 0001",)


def test_a_missing_and_a_damaged_segmentation_are_problems(fishyscapes):
    path = fishyscapes / "0001_segmentation.npy"
    path.write_bytes(path.read_bytes()[:1000])
    [problem] = check_submission(fishyscapes).problems
    assert problem.startswith("no readable *_segmentation.npy (")
    path.unlink()
    assert check_submission(fishyscapes).problems == ("no *_segmentation.npy: 0001",)


# ── Making what would be unfit ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "frame", "names", "message"),
    [
        ("kitti", Frame("a", SCORE), ("M", "D"), "unknown kind of submission 'kitti'"),
        (
            "smiyc",
            Frame("a", SCORE),
            ("", "D"),
            "'' is no name for the method: it names a folder in anomaly_p",
        ),
        ("smiyc", Frame("a", SCORE), ("M", "../D"), "'../D' is no name for the data set"),
        ("smiyc", Frame("a", SCORE * np.float32(np.nan)), ("M", "D"), "a: 2,400 of 2,400 scores are NaN"),
        (
            "fishyscapes",
            Frame("a", SCORE),
            ("", ""),
            r"a: the score has shape \[40, 60\], expected \[1024, 2048\]",
        ),
        ("fishyscapes", Frame("a", FISHY), ("", ""), "a: Fishyscapes wants its classes beside the score"),
        ("fishyscapes", Frame("a", FISHY, CLASSES.T), ("", ""), r"the class map has shape \[2048, 1024\]"),
    ],
)
def test_what_would_be_unfit_is_not_written(tmp_path, kind, frame, names, message):
    with pytest.raises(OddscapeError, match=message):
        make_submission(kind, tmp_path, [frame], method=names[0], dataset=names[1])
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_the_folder_of_the_frames_follows_the_kind(tmp_path):
    assert frames_folder("smiyc", tmp_path, "Mine", "AnomalyTrack-all") == tmp_path / PLACE
    assert frames_folder("fishyscapes", tmp_path) == tmp_path

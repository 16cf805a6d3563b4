"""The look through a data set before anything is computed from it."""

import math

import numpy as np
import pytest

import oddscape.data
from oddscape.data.check import LabelCount, check
from oddscape.errors import OddscapeError

IMAGE = np.zeros((2, 3, 3), np.uint8)
TRUTH = np.array([[0, 1, 255], [0, 0, 1]], np.uint8)


@pytest.fixture
def folder(save, tmp_path):
    """Three sound pictures of one's own, one of another size."""
    for name in "ab":
        save(f"images/{name}.png", IMAGE)
        save(f"labels_masks/{name}.png", TRUTH)
    save("images/c.png", np.zeros((1, 4, 3), np.uint8))
    save("labels_masks/c.png", np.zeros((1, 4), np.uint8))
    return tmp_path


def test_sound_folder_is_counted_and_has_no_problem(folder):
    calls = []
    report = check("masks", str(folder), progress=lambda *call: calls.append(call))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert (report.pictures, report.with_truth, report.expected) == (3, 3, None)
    assert report.sizes == {(2, 3): 2, (1, 4): 1}
    assert report.labels == (
        LabelCount(0, "known", "known", 10),
        LabelCount(1, "anomaly", "", 4),
        LabelCount(255, "ignored", "", 2),
    )
    assert report.anomalous_share == 4 / 14
    assert (report.folds, report.sequences, report.never_seen) == ({}, 0, ())
    assert (report.missing, report.broken, report.problems) == ((), (), ())
    assert report.packaging == "images/ beside labels_masks/<id>.png"


def test_all_missing_and_broken_files_are_collected(folder, save):
    for name in "defg":
        save(f"images/{name}.png", IMAGE)
    (folder / "images/a.png").write_bytes(b"no picture")
    save("labels_masks/b.png", np.zeros((3, 3), np.uint8))
    save("labels_masks/d.png", np.zeros((2, 3, 3), np.uint8))
    (folder / "labels_masks/e.png").write_bytes(b"")
    report = check("masks", folder)
    assert [line.split(": ")[0].rsplit("/", 1)[1] for line in report.missing] == ["f.png", "g.png"]
    assert [line.split(": ")[0].rsplit("/", 2)[1:] for line in report.broken] == [
        ["images", "a.png"],
        ["labels_masks", "b.png"],
        ["labels_masks", "d.png"],
        ["labels_masks", "e.png"],
    ]
    assert "the mask is 3x3, but its picture is 3x2" in report.broken[1]
    assert report.problems[:2] == (
        "2 files are missing: put what is missing there, or get the set again",
        "4 files are unusable: mend what is listed, or get it again",
    )
    assert (report.pictures, report.with_truth) == (7, 5)
    assert report.sizes == {(2, 3): 5, (1, 4): 1}


def test_unknown_values_are_named_with_the_files_that_hold_them(folder, save):
    save("labels_masks/b.png", np.array([[0, 1, 7], [7, 0, 128]], np.uint8))
    save("labels_masks/c.png", np.full((1, 4), 7, np.uint8))
    report = check("masks", folder)
    assert [label for label in report.labels if label.meaning == "unknown"] == [
        LabelCount(7, "unknown", "", 6),
        LabelCount(128, "unknown", "", 1),
    ]
    assert report.problems == (
        "label value 7 is unknown (masks knows 0, 1, 255): write it as one of these in 2 label files, "
        f"the first: {folder}/labels_masks/b.png",
        "label value 128 is unknown (masks knows 0, 1, 255): write it as one of these in 1 label file, "
        f"the first: {folder}/labels_masks/b.png",
    )


def test_masks_that_say_255_for_an_anomaly_are_found_out(folder, save):
    for name in "ab":
        save(f"labels_masks/{name}.png", (TRUTH == 1).astype(np.uint8) * 255)
    report = check("masks", folder)
    assert report.problems == (
        "no pixel is anomalous, so AP and AUROC are undefined: masks must say 1 where an anomaly is, "
        "and 255 counts nowhere",
    )
    assert report.anomalous_share == 0
    assert report.never_seen == (1,)


def test_nothing_that_counts_has_no_share(folder, save):
    for name in "abc":
        save(f"labels_masks/{name}.png", np.full((1, 4) if name == "c" else (2, 3), 255, np.uint8))
    assert math.isnan(check("masks", folder).anomalous_share)


def test_number_of_pictures_is_compared_with_what_is_known(save, tmp_path):
    for number in range(12):
        save(f"images/{number}.jpg", IMAGE)
        save(f"labels_masks/{number}.png", TRUTH)
    for name, problem in (
        ("roadanomaly21", "12 pictures where 10 are expected: some are no part of it"),
        ("roadobstacle21", "12 pictures where 30 are expected: some were lost: get the set again"),
    ):
        assert check(name, tmp_path).problems == (problem,)
    part = check("roadobstacle21", tmp_path, frames="1*")
    assert (part.pictures, part.expected, part.problems) == (3, None, ())


def test_every_split_of_known_size_is_one_that_can_be_opened(tmp_path):
    from oddscape.data.check import _PICTURES

    for name, split in _PICTURES:
        options = {"split": split} if split else {}
        with pytest.raises(OddscapeError, match=r"no folder .*nowhere"):
            oddscape.data.open(name, tmp_path / "nowhere", **options)


def test_folds_and_recordings_are_counted(save, tmp_path):
    for name in ("0001TP_1", "0001TP_2", "Seq05VD_1"):
        save(f"test/{name}.png", IMAGE)
        save(f"testannot/{name}.png", np.full((2, 3), 9, np.uint8))
    report = check("camvid", tmp_path)
    assert report.folds == {"0001TP": 2, "Seq05VD": 1}
    assert report.sequences == 2
    assert report.labels == (LabelCount(9, "anomaly", "", 18),)
    assert report.anomalous_share == 1
    assert report.expected == 233


def test_pictures_without_masks_for_a_submission_are_no_problem(save, tmp_path):
    save("images/validation_1.jpg", IMAGE)
    save("images/gravel_1.jpg", IMAGE)
    save("labels_masks/validation_1_labels_semantic.png", TRUTH)
    report = check("roadobstacle21", tmp_path, split="all")
    assert (report.pictures, report.with_truth, report.problems) == (2, 1, ())
    without = check("roadobstacle21", tmp_path, split="test")
    assert (without.with_truth, without.labels, without.problems) == (0, (), ())


def test_negatives_have_segments(save, tmp_path):
    save("images/training/a.jpg", IMAGE)
    save("annotations/training/a.png", np.array([[0, 3, 3], [3, 150, 0]], np.uint8))
    report = check("ade20k", tmp_path)
    assert report.labels == tuple(
        LabelCount(value, "segment", "", pixels) for value, pixels in ((0, 2), (3, 3), (150, 1))
    )
    save("annotations/training/a.png", np.full((2, 3), 151, np.uint8))
    assert "unknown label value 151" in check("ade20k", tmp_path).broken[-1]


def test_known_classes_are_named_and_no_anomaly_is_no_problem_of_training_pictures(save, tmp_path):
    save("leftImg8bit/val/a/1_image.jpg", IMAGE)
    save("gtFine/val/a/1_label.png", np.full((2, 3), 6, np.uint8))
    report = check("idd-lite", tmp_path)
    assert report.labels == (LabelCount(6, "known", "sky", 6),)
    assert report.problems == ("1 pictures where 204 are expected: some were lost: get the set again",)


def test_wrong_names_options_and_folders_are_one_line(tmp_path):
    with pytest.raises(OddscapeError, match="unknown data set 'kitti'; there are "):
        check("kitti", tmp_path)
    with pytest.raises(OddscapeError, match="masks has no option split; it has frames"):
        check("masks", tmp_path, split="test")
    with pytest.raises(OddscapeError, match=r"no folder .*/images; expected images/<id>"):
        check("masks", tmp_path)


@pytest.mark.parametrize(
    ("name", "folder", "pictures", "share", "size", "units"),
    [
        ("roadanomaly21", "RoadAnomaly21", 10, 0.148, (720, 1280), 0),
        ("roadobstacle21", "RoadObstacle21", 30, 0.0067, (1080, 1920), 0),
        ("roadanomaly", "RoadAnomaly", 60, 0.0985, (720, 1280), 0),
        ("camvid", "camvid", 233, 0.0086, (360, 480), 2),
    ],
)
def test_real_sets_are_sound(shared_data, name, folder, pictures, share, size, units):
    report = check(name, shared_data / folder)
    assert report.problems == ()
    assert report.pictures == report.with_truth == report.expected == pictures
    assert report.sizes == {size: pictures}
    assert report.anomalous_share == pytest.approx(share, rel=0.01)
    assert report.sequences == units

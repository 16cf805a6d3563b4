"""``oddscape data check``: what it prints and how it fails."""

import numpy as np
import pytest
from PIL import Image


def test_a_sound_folder_is_described(run, masks_folder):
    status, out, err = run("data", "check", "masks", masks_folder)
    assert (status, err) == (0, "")
    for text in (
        "images/ beside labels_masks/<id>.png",
        "48×32: 4",
        "none named: each picture stands for itself",
        "of the pixels that count",
        "anomaly",
        "no problem found",
    ):
        assert text in out


def test_a_faulty_folder_lists_each_file_and_ends_in_one_line(run, masks_folder):
    (masks_folder / "labels_masks/a.png").unlink()
    (masks_folder / "images/b.png").write_bytes(b"")
    status, out, err = run("data", "check", "masks", masks_folder)
    assert status == 1
    assert f"missing: {masks_folder}/images/a.png: no label file a.png" in out
    assert f"unusable: {masks_folder}/images/b.png: does not decode" in out
    assert "problem: 1 file is missing: put what is missing there" in out
    assert err == f"oddscape: masks in {masks_folder}: 2 problems\n"


def test_many_missing_files_are_listed_in_part(run, tmp_path):
    for folder in ("images", "labels_masks"):
        (tmp_path / folder).mkdir()
    for number in range(25):
        Image.fromarray(np.zeros((1, 1, 3), np.uint8)).save(tmp_path / f"images/{number}.png")
    status, out, _ = run("data", "check", "masks", tmp_path)
    assert status == 1
    assert out.count("missing: ") == 22  # 20 files, how many more, the problem
    assert "missing: 5 more" in out


def test_options_go_to_the_reader(run, streethazards_folder):
    status, out, err = run("data", "check", "town", streethazards_folder, "--reader", "split=training")
    assert (status, err) == (0, "")
    assert "t1: 8" in out
    assert "occur in no label file: 14" in out
    assert "known: traffic sign" in out


def test_expected_pictures_are_said(run, streethazards_folder):
    status, out, err = run("data", "check", "streethazards", streethazards_folder)
    assert status == 1
    assert "8 of 1500 expected" in out
    assert "problem: 8 pictures where 1500 are expected: some were lost" in out
    assert err == f"oddscape: streethazards in {streethazards_folder}: 1 problem\n"


def test_folder_names_are_printed_as_they_are(run, masks_folder):
    odd = masks_folder.rename(masks_folder.with_name("a [red] set"))
    status, out, _ = run("data", "check", "masks", odd)
    assert status == 0
    assert "a [red] set" in " ".join(out.split())


def test_many_values_share_a_row_by_meaning(run, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    Image.fromarray(np.zeros((1, 30, 3), np.uint8)).save(tmp_path / "images/a.png")
    Image.fromarray(np.arange(30, dtype=np.uint8)[None]).save(tmp_path / "labels/a.png")
    options = ("masks=labels/{}.png", f"anomaly={','.join(map(str, range(1, 30)))}")
    status, out, _ = run("data", "check", "folder", tmp_path, *(f"--reader={option}" for option in options))
    assert status == 0
    assert "1 to 29" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("kitti", "."), "unknown data set 'kitti'; there are ade20k"),
        (("masks", "nowhere"), "no folder nowhere; expected images/<id>"),
        (("masks", ".", "--reader", "split"), "--reader split: expected NAME=VALUE"),
        (("masks", ".", "--reader", "split=val"), "masks has no option split; it has frames"),
    ],
)
def test_what_cannot_be_checked_is_one_line(run, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, out, err = run("data", "check", *arguments)
    assert (status, out) == (1, "")
    assert message in err
    assert err.count("\n") == 1

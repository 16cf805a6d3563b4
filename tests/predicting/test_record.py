"""What was done before, and by what."""

import os

import numpy as np
import pytest
from PIL import Image

from oddscape.errors import OddscapeError
from oddscape.predicting.record import begin, is_done

FACTS = {"detector": "abc", "score": "energy", "threshold": 1.0, "size": (32, 48)[0]}


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "street.png"
    Image.new("RGB", (8, 8)).save(path)
    os.utime(path, ns=(0, 0))
    return path


def written(folder):
    """One whole file of each kind."""
    Image.new("L", (8, 8)).save(folder / "a.png")
    np.save(folder / "a.npy", np.zeros((8, 8), np.float32))
    np.savez_compressed(folder / "a.npz", score=np.zeros((8, 8), np.float32))
    (folder / "a.json").write_text('{"regions": []}\n')
    return [folder / f"a{suffix}" for suffix in (".png", ".npy", ".npz", ".json")]


def test_what_is_there_whole_and_younger_is_done(tmp_path, picture):
    files = written(tmp_path)
    since = files[0].stat().st_mtime_ns
    assert is_done(picture, files, since)
    assert not is_done(picture, [*files, tmp_path / "b.png"], since)
    assert not is_done(picture, files, files[-1].stat().st_mtime_ns + 1)
    assert not is_done(tmp_path / "gone.png", files, since)
    os.utime(picture, ns=(2**62, 2**62))
    assert not is_done(picture, files, since)


@pytest.mark.parametrize("number", range(4))
def test_what_was_cut_off_is_not(tmp_path, picture, number):
    files = written(tmp_path)
    content = files[number].read_bytes()
    for length in (0, 1, len(content) // 2, len(content) - 1):
        files[number].write_bytes(content[:length])
        assert not is_done(picture, files, 0), (files[number].name, length)


def test_a_folder_goes_on_with_its_own_maker_alone(tmp_path):
    record = tmp_path / "out" / "predict.json"
    since = begin(record, FACTS, overwrite=False)
    assert begin(record, FACTS, overwrite=False) == since
    with pytest.raises(
        OddscapeError, match=r"out holds results of another .* \(detector, threshold 1.0, now"
    ):
        begin(record, FACTS | {"detector": "xyz", "threshold": None}, overwrite=False)
    assert begin(record, FACTS | {"threshold": None}, overwrite=True) > since
    record.write_text("{")
    with pytest.raises(OddscapeError, match=r"predict\.json is damaged"):
        begin(record, FACTS, overwrite=False)


def test_what_a_killed_run_left_is_removed_and_what_a_running_one_writes_is_not(tmp_path):
    record = tmp_path / "predict.json"
    begin(record, FACTS, overwrite=False)
    (tmp_path / "sub").mkdir()
    left = tmp_path / "sub" / ".a_heat.png.999999999.partial"
    growing, other = tmp_path / f".a.png.{os.getpid()}.partial", tmp_path / ".mine.partial"
    for path in (left, growing, other):
        path.touch()
    begin(record, FACTS, overwrite=False)
    assert [path.exists() for path in (left, growing, other)] == [False, True, True]

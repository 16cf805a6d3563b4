"""What was done before, and by what."""

import os
import time

import numpy as np
import pytest
from PIL import Image

from oddscape.errors import OddscapeError
from oddscape.predicting.record import ANY_TIME, begin, common, is_done

FACTS = {"detector": "abc", "score": "energy", "threshold": 1.0, "size": (32, 48)}


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
    first, last = (files[number].stat().st_mtime_ns for number in (0, -1))
    assert is_done(picture, files, (range(1), range(first, last + 1)))
    assert not is_done(picture, [*files, tmp_path / "b.png"], ANY_TIME)
    assert not is_done(picture, files, (range(last + 1, 2**63),))
    assert not is_done(picture, files, (range(last),))
    assert not is_done(tmp_path / "gone.png", files, ANY_TIME)
    os.utime(picture, ns=(2**62, 2**62))
    assert not is_done(picture, files, ANY_TIME)


@pytest.mark.parametrize("number", range(4))
def test_what_was_cut_off_is_not(tmp_path, picture, number):
    files = written(tmp_path)
    content = files[number].read_bytes()
    for length in (0, 1, len(content) // 2, len(content) - 1):
        files[number].write_bytes(content[:length])
        assert not is_done(picture, files, ANY_TIME), (files[number].name, length)


def test_a_folder_goes_on_with_its_own_maker_alone(tmp_path):
    record = tmp_path / "out" / "predict.json"
    since = begin(record, FACTS, overwrite=False)[0].start
    assert begin(record, FACTS, overwrite=False)[0].start == since
    with pytest.raises(
        OddscapeError, match=r"out holds results of another .* \(detector, threshold 1.0, now"
    ):
        begin(record, FACTS | {"detector": "xyz", "threshold": None}, overwrite=False)
    assert begin(record, FACTS | {"threshold": None}, overwrite=True)[0].start > since
    record.write_text("{")
    with pytest.raises(OddscapeError, match=r"predict\.json is damaged"):
        begin(record, FACTS, overwrite=False)


def test_results_of_pictures_that_are_called_alike_are_told_apart(tmp_path, picture):
    record, folders = tmp_path / "predict.json", [tmp_path / os.fsdecode(b"odd\xff"), tmp_path / "b"]

    def spans(*folders):
        time.sleep(0.02)  # a tick of the disk's clock
        return begin(record, FACTS, folders, overwrite=False)

    spans(folders[0])
    files = written(tmp_path)
    assert is_done(picture, files, spans(folders[0]))
    assert not is_done(picture, files, spans(folders[1]))
    assert is_done(picture, files, spans(folders[0]))
    spans(folders[1])
    files = written(tmp_path)
    assert not is_done(picture, files, spans(folders[0]))
    assert is_done(picture, files, spans(folders[1]))
    assert not is_done(picture, files, spans(*folders))
    assert begin(record, FACTS, folders, overwrite=True)[0].start > files[-1].stat().st_mtime_ns


def test_common_times():
    found = common((range(5), range(8, 20)), (range(3, 10), range(15, 30)))
    assert sorted(time for span in found for time in span) == [3, 4, 8, 9, 15, 16, 17, 18, 19]


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

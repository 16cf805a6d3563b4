"""Which pictures and videos there are, and what their results are called."""

import errno
import os
from pathlib import Path

import pytest

from oddscape.errors import OddscapeError
from oddscape.predicting.inputs import find_inputs


@pytest.fixture
def folder(tmp_path):
    """Two folders of pictures, a video, and what is none of them."""
    for name in ("b/10.png", "b/2.jpg", "a/2.png", "drive.MP4", "notes.txt", ".hidden/1.png", "a/.1.png"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "in"


def names(inputs):
    return [found.name for found in inputs]


def test_folders_are_looked_through_in_natural_order(folder):
    inputs = find_inputs([folder])
    assert names(inputs) == ["drive", "a/2", "b/2", "b/10"]
    assert names(inputs.videos) == ["drive"]
    assert names(inputs.pictures) == ["a/2", "b/2", "b/10"]
    assert (inputs.picture_count, inputs.video_count) == (3, 1)


def test_patterns_are_named_from_the_folder_that_they_begin_in(folder):
    assert names(find_inputs([folder / "*" / "2.*"])) == ["a/2", "b/2"]
    assert names(find_inputs([folder / "**" / "*.png"])) == ["a/2", "b/10"]


def test_a_pattern_may_begin_in_a_folder_whose_name_looks_like_one(folder):
    odd = folder.rename(folder.with_name("[in]"))
    assert names(find_inputs([odd / "*" / "2.*"])) == ["a/2", "b/2"]


def test_the_folders_that_names_begin_in(folder, monkeypatch):
    monkeypatch.chdir(folder)
    sources = [Path("a"), Path("b/10.png"), folder / "b" / "*.png", Path("*") / "2.*"]
    for source, expected in zip(sources, [folder / "a", folder / "b", folder / "b", folder], strict=True):
        assert find_inputs([source]).folders == {expected}


def test_a_folder_that_cannot_be_read_is_one_line(folder, monkeypatch):
    scandir = os.scandir

    def refused(path):
        if Path(path).name == "b":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(OddscapeError, match=r"cannot read .*b: Permission denied"):
        find_inputs([folder])


def test_a_file_is_taken_whatever_it_is_called(folder):
    (folder / "x[1].data").touch()
    assert names(find_inputs([folder / "x[1].data", folder / "b" / "2.jpg"])) == ["x[1]", "2"]
    assert names(find_inputs([Path("nowhere.png")])) == ["nowhere"]


def test_scenes_are_called_as_the_data_sets_call_them(folder):
    (folder / "b" / "x_leftImg8bit.png").touch()
    assert [found.scene for found in find_inputs([folder / "b"])] == ["2", "10", "x"]


def test_folders_of_results_are_no_input(folder):
    results = [folder / "b"]
    assert names(find_inputs([folder], results)) == ["drive", "a/2"]
    assert names(find_inputs([folder / "**" / "*.png"], results)) == ["a/2"]
    with pytest.raises(OddscapeError, match="b is where the results go: they need a folder of their own"):
        find_inputs([folder / "b"], results)


def test_results_that_would_share_files(folder):
    (folder / "a" / "2.webp").touch()
    with pytest.raises(OddscapeError, match="2 pictures are called 'a/2': their results would share files"):
        find_inputs([folder])
    with pytest.raises(OddscapeError, match="2 pictures are called '2'"):
        find_inputs([folder / "b" / "2.jpg", folder / "a" / "2.png"])


def test_nothing_to_do(folder):
    for sources, where in (([], "an empty list"), ([folder / ".hidden" / "*.gif"], "gif")):
        with pytest.raises(OddscapeError, match=f"no pictures in .*{where}"):
            find_inputs(sources)

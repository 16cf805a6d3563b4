"""Writing whole or not at all."""

import errno

import pytest

from oddscape.errors import OddscapeError
from oddscape.files import written_atomically


@pytest.fixture
def path(tmp_path):
    """A file that holds something already."""
    (tmp_path / "file.txt").write_text("before")
    return tmp_path / "file.txt"


def test_the_file_changes_when_the_block_has_ended(path):
    with written_atomically(path) as partial:
        partial.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert list(path.parent.iterdir()) == [path]


def test_missing_folders_are_made(tmp_path):
    with written_atomically(tmp_path / "a" / "b" / "file") as partial:
        partial.write_text("x")
    assert (tmp_path / "a" / "b" / "file").read_text() == "x"


def write_half(path, error):
    with written_atomically(path) as partial:
        partial.write_text("half")
        raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_broken_block_leaves_the_old_file_and_nothing_else(path, error):
    with pytest.raises(error):
        write_half(path, error)
    assert path.read_text() == "before"
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_is_one_clear_line_and_leaves_the_old_file_and_nothing_else(path):
    with pytest.raises(OddscapeError, match=r"^cannot write .*file\.txt: No space left on device$"):
        write_half(path, OSError(errno.ENOSPC, "No space left on device"))
    assert path.read_text() == "before"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_one_clear_line(path):
    with pytest.raises(OddscapeError, match=r"cannot write .*below: (Not a directory|File exists)"):
        write_half(path / "below", AssertionError("the block must not run"))
    assert path.read_text() == "before"

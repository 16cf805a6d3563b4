"""Listing pictures lazily, and sharing them out."""

import os
import tracemalloc
from collections import Counter
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddscape.errors import OddscapeError
from oddscape.mining.listing import STANDARD_INPUT, Shard, listed, require_sources


def _touch(*files):
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def test_folders_are_looked_through_at_any_depth(tmp_path):
    wanted = [tmp_path / name for name in ("a.png", "deep/er/b.JPG", "deep/c.tiff", "d.webp")]
    hidden = [tmp_path / ".hidden.png", tmp_path / ".cache" / "e.png"]
    _touch(*wanted, *hidden, tmp_path / "notes.txt", tmp_path / "mined" / "ranking.csv")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "f.png").symlink_to(tmp_path / "a.png")
    found = list(listed([tmp_path], []))
    assert sorted(found) == sorted(map(str, [*wanted, tmp_path / "f.png"]))


def test_what_is_named_is_taken_as_it_is(tmp_path, monkeypatch):
    _touch(tmp_path / "picture", tmp_path / "drive" / "a.png")
    paths = tmp_path / "list.txt"
    paths.write_bytes(b"drive/a.png\n\n  gone.png \r\n\r\n \nodd\xff.png")
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=BytesIO(b"from stdin\n")))
    found = list(listed([tmp_path / "picture", tmp_path / "drive"], [paths, STANDARD_INPUT]))
    assert found == [
        *(str(tmp_path / "picture"), str(tmp_path / "drive" / "a.png")),
        *("drive/a.png", "  gone.png ", " ", os.fsdecode(b"odd\xff.png"), "from stdin"),
    ]


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    def refused(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(OddscapeError, match=f"^cannot read {tmp_path}: Permission denied$"):
        list(listed([tmp_path], []))


@pytest.mark.parametrize(
    ("sources", "lists", "message"),
    [
        ((), (), "no pictures given"),
        (("gone",), (), "^gone: no such folder or picture"),
        ((), ("gone.txt",), "^--list gone.txt: no such file"),
    ],
)
def test_what_is_missing_is_named_at_once(tmp_path, monkeypatch, sources, lists, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OddscapeError, match=message):
        require_sources([*map(Path, sources)], [*map(Path, lists)])
    require_sources([], [STANDARD_INPUT])


@contextmanager
def _scanned(count):
    """A plain folder of many pictures as ``os.scandir`` gives it."""
    yield (
        SimpleNamespace(name=f"{n}.jpg", path=f"drive/{n}.jpg", is_dir=lambda **_: False)
        for n in range(count)
    )


def test_memory_does_not_grow_with_the_folder(tmp_path, monkeypatch):
    peaks = []
    for count in (1_000, 30_000):
        monkeypatch.setattr(os, "scandir", lambda _, count=count: _scanned(count))
        tracemalloc.start()
        taken = sum(1 for path in listed([tmp_path], []) if Shard(1, 2).takes(path))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert taken == pytest.approx(count / 2, rel=0.1)
    assert peaks[1] < peaks[0] + 20_000


# ── Shards ──────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), max_size=30), st.integers(1, 9))
def test_every_picture_is_in_one_shard(paths, count):
    shards = [Shard(number + 1, count) for number in range(count)]
    assert all(sum(shard.takes(path) for shard in shards) == 1 for path in paths)


def test_shards_are_alike_in_size_and_fixed_for_ever():
    numbers = [
        next(n for n in range(1, 9) if Shard(n, 8).takes(f"drive/{name:06}.jpg")) for name in range(8000)
    ]
    assert min(Counter(numbers).values()) > 900
    # Machines of other kinds and years must agree.
    assert numbers[:8] == [6, 5, 6, 2, 4, 8, 2, 6]


@pytest.mark.parametrize("text", ["3/2", "0/2", "1/0", "1", "a/b", "-1/2", "1/2/3", "1.0/2", ""])
def test_bad_shards_are_told_what_is_expected(text):
    with pytest.raises(OddscapeError, match="expected I/N with I from 1 to N, as in 1/8"):
        Shard.parsed(text)


def test_shards_are_written_as_they_are_read():
    assert Shard.parsed("2/8") == Shard(2, 8)
    assert str(Shard.parsed("2/8")) == "2/8"

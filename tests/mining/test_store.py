"""A shard's store: on disk, in order, restartable, one writer at a time."""

import os
import shutil
from dataclasses import replace

import pytest

from oddscape.errors import OddscapeError
from oddscape.mining import store as store_module
from oddscape.mining.listing import Shard
from oddscape.mining.scoring import Mined
from oddscape.mining.stamps import Stamp
from oddscape.mining.store import ShardStore, StoredShard, store_path

STAMP = Stamp(1000, 1_700_000_000_123_456_789)


@pytest.fixture
def path(tmp_path):
    return store_path(tmp_path / "mined", Shard(2, 3))


def test_what_was_kept_comes_back_whole(path, settings, facts):
    mined = Mined("drives/a.png", facts(picture_hash="0f" * 16))
    with ShardStore(path, settings) as store:
        assert not store.retain(mined.path, STAMP)
        store.add(replace(mined, stamp=STAMP))
        assert store.retain(mined.path, STAMP)
    assert path.name == "2-of-3.sqlite"
    assert list(StoredShard(path).ranked("region")) == [mined]
    assert StoredShard(path).about() == (settings, False)


def test_pictures_come_by_figure_then_by_path(path, settings, facts):
    rows = {
        "b": (1, 0.3, 7),
        "a": (1, 0.1, 9),
        "é": (1, 0.2, 8),
        "c": (4, 0.0, -1),
        "d": (0, 0.9, float("inf")),
    }
    with ShardStore(path, settings) as store:
        for name, figures in rows.items():
            store.add(Mined(name, facts(*figures)))
    shard = StoredShard(path)
    for number, ranking in enumerate(("region", "pixels", "mean")):
        expected = sorted(rows, key=lambda name: (-rows[name][number], os.fsencode(name)))
        assert [it.path for it in shard.ranked(ranking)] == expected


def test_a_run_goes_on_where_an_earlier_one_was(path, settings, facts):
    with ShardStore(path, settings) as store:
        store.add(Mined("a", facts(), stamp=STAMP))
        store.add(Mined("b", None, "b: no such file"))
        assert store.finish() == 0
    assert StoredShard(path).about() == (settings, True)
    with ShardStore(path, settings) as store:
        assert store.retain("a", STAMP)
        assert not store.retain("b", STAMP)  # to be tried again
        store.add(Mined("b", facts(), stamp=STAMP))
    assert not StoredShard(path).about()[1]
    assert [it.path for it in StoredShard(path).ranked("region")] == ["a", "b"]
    assert list(StoredShard(path).failed()) == []


@pytest.mark.parametrize(
    "changed", [Stamp(1001, STAMP.modified), Stamp(1000, STAMP.modified + 1), Stamp(1000, 0), None]
)
def test_a_picture_of_another_size_or_time_is_another(path, settings, facts, changed):
    with ShardStore(path, settings) as store:
        store.add(Mined("a", facts(), stamp=STAMP))
    with ShardStore(path, settings) as store:
        assert not store.retain("a", changed)
        store.add(Mined("a", facts(2.0), stamp=changed))
        assert store.finish() == 0
    assert [it.facts.region_score for it in StoredShard(path).ranked("region")] == [2.0]


def test_what_is_not_listed_any_more_belongs_to_no_result_and_is_kept(path, settings, facts):
    with ShardStore(path, settings) as store:
        for name in "abcd":
            store.add(Mined(name, facts(), stamp=STAMP))
        store.add(Mined("e", None, "e: does not decode"))
        store.finish()
    with ShardStore(path, settings) as store:  # ends before all was gone through
        store.retain("b", STAMP)
    assert [it.path for it in StoredShard(path).ranked("region")] == ["a", "b", "c", "d"]
    with ShardStore(path, settings) as store:
        assert all([store.retain("b", STAMP), store.retain("d", STAMP)])
        store.add(Mined("f", facts(), stamp=STAMP))
        assert store.finish() == 3
    stored = StoredShard(path)
    assert [it.path for it in stored.ranked("region")] == ["b", "d", "f"]
    assert (list(stored.failed()), stored.count()) == ([], 3)
    with ShardStore(path, settings) as store:
        assert all(store.retain(name, STAMP) for name in "abcdf")
        assert store.finish() == 0
    assert [it.path for it in stored.ranked("region")] == ["a", "b", "c", "d", "f"]


def test_a_store_without_anything_in_it_says_so(path):
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(OddscapeError, match=r"2-of-3.sqlite holds nothing yet: mine on, then merge$"):
        StoredShard(path).about()


def test_a_store_of_another_version_is_refused(path, settings):
    with ShardStore(path, settings) as store:
        store._file.execute("PRAGMA user_version = 0")
    for call in (lambda: ShardStore(path, settings), lambda: StoredShard(path).about()):
        with pytest.raises(OddscapeError, match=r"2-of-3.sqlite was begun by another version of Oddscape: "):
            call()


def test_failures_come_by_path(path, settings):
    with ShardStore(path, settings) as store:
        for name in "cab":
            store.add(Mined(name, None, f"{name}: no such file"))
    assert [it.path for it in StoredShard(path).failed()] == ["a", "b", "c"]
    assert list(StoredShard(path).ranked("region")) == []


def test_an_error_of_the_block_loses_nothing(path, settings, facts):
    def interrupted():
        with ShardStore(path, settings) as store:
            store.add(Mined("a", facts()))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [it.path for it in StoredShard(path).ranked("region")] == ["a"]


def test_a_killed_process_loses_what_was_not_yet_written_out(path, settings, facts, tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "_COMMIT_SECONDS", 0)
    left = tmp_path / "killed"
    with ShardStore(path, settings) as store:
        store.add(Mined("a", facts(), stamp=STAMP))
        monkeypatch.setattr(store_module, "_COMMIT_SECONDS", 1e9)
        for number in range(8000):  # more than SQLite keeps in memory
            store.add(Mined(f"b{number}", facts(), stamp=STAMP))
        shutil.copytree(path.parent, left)  # what the disk has at this moment
    assert len(list(left.iterdir())) == 2  # the store, and how to undo what is half-written
    assert [it.path for it in StoredShard(left / path.name).ranked("region")] == ["a"]
    with ShardStore(left / path.name, settings) as store:
        assert [store.retain(name, STAMP) for name in ("a", "b0")] == [True, False]


def test_names_that_are_no_text_are_kept(path, settings, facts):
    name = os.fsdecode(b"odd\xff.png")
    with ShardStore(path, settings) as store:
        store.add(Mined(name, facts(), stamp=STAMP))
        assert store.retain(name, STAMP)
        store.add(Mined("gone" + name, None, f"gone{name}: no such file"))
    assert [it.path for it in StoredShard(path).ranked("region")] == [name]
    (failed,) = StoredShard(path).failed()
    assert (failed.path, failed.error) == ("gone" + name, "goneodd\\xff.png: no such file")


def test_other_settings_are_refused_and_change_nothing(path, settings, facts):
    with ShardStore(path, settings) as store:
        store.add(Mined("a", facts()))
        store.finish()
    with pytest.raises(OddscapeError, match=r"2-of-3.sqlite was begun with threshold -3.0, not -2.0: give"):
        ShardStore(path, replace(settings, threshold=-2.0))
    assert StoredShard(path).about() == (settings, True)


def test_one_process_at_a_time(path, settings):
    with ShardStore(path, settings):
        with pytest.raises(OddscapeError, match=r"2-of-3.sqlite: another process is at this shard$"):
            ShardStore(path, settings)
        with pytest.raises(OddscapeError, match="another process is at this shard"):
            StoredShard(path).about()
    ShardStore(path, settings).__exit__()


def test_files_of_other_kinds_are_named(path, settings):
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no store" * 1000)
    for call in (lambda: ShardStore(path, settings), lambda: StoredShard(path).about()):
        with pytest.raises(OddscapeError, match=r"2-of-3.sqlite cannot be used: file is not a database"):
            call()


def test_a_disk_that_refuses_is_one_line(path, settings, facts, monkeypatch):
    path.parent.parent.touch()
    with pytest.raises(OddscapeError, match=r"^cannot write .*2-of-3.sqlite: "):
        ShardStore(path, settings)
    path.parent.parent.unlink()
    monkeypatch.setattr(store_module, "_COMMIT_SECONDS", -1)
    with ShardStore(path, settings) as store:
        pages = store._file.execute("PRAGMA page_count").fetchone()[0]
        store._file.execute(f"PRAGMA max_page_count = {pages}")
        large = Mined("x" * 100_000, facts())
        with pytest.raises(OddscapeError, match="cannot be used: database or disk is full"):
            store.add(large)

"""What a shard has found so far, in an SQLite file: on disk, restartable, whole after every interruption."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from cattrs import Converter

from oddscape.errors import OddscapeError
from oddscape.files import path_text
from oddscape.mining.facts import RANKINGS, PictureFacts
from oddscape.mining.listing import Shard
from oddscape.mining.scoring import Mined
from oddscape.mining.settings import MiningSettings
from oddscape.mining.stamps import Stamp
from oddscape.regions import Box

_VERSION = 1
_COMMIT_SECONDS = 5.0
_CONVERTER = Converter()
_CONVERTER.register_structure_hook(Box, lambda sides, _: Box(*sides))
# Paths are bytes, for a file's name need not be text, and bytes have one order everywhere.
_TABLES = """
CREATE TABLE IF NOT EXISTS about (settings TEXT NOT NULL, finished INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS pictures (
    path BLOB NOT NULL UNIQUE, region_score REAL, anomalous_share REAL, mean_score REAL,
    facts TEXT NOT NULL, error TEXT NOT NULL, size INTEGER, modified INTEGER,
    listed INTEGER NOT NULL  -- when all were last gone through
);
CREATE TEMP TABLE listed_now (picture INTEGER PRIMARY KEY);
"""


def store_path(folder: Path, shard: Shard) -> Path:
    """Where a shard's store is, below the folder of a mining."""
    return folder / "shards" / f"{shard.number}-of-{shard.count}.sqlite"


class ShardStore:
    """A shard's store, open for writing by one process alone; use it as a context manager.

    What was added in the last seconds before a process is killed is lost; nothing else is.

    Args:
        path: of the file, made if missing.
        settings: what the shard is of; one that was begun must have been begun with the same.

    Raises:
        OddscapeError: other settings, another process is at it, a file that is damaged or of another version
            of Oddscape, or a disk that refuses.
    """

    def __init__(self, path: Path, settings: MiningSettings) -> None:
        self._path = path
        with _said_of(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(path, timeout=0)
            try:
                self._begin(settings)
            except BaseException:
                self._file.close()
                raise
        self._committed = time.monotonic()

    def _begin(self, settings: MiningSettings) -> None:
        self._file.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._file.executescript(f"BEGIN EXCLUSIVE; {_TABLES}")
        row = self._file.execute("SELECT settings FROM about").fetchone()
        if row is None:
            self._file.execute(f"PRAGMA user_version = {_VERSION}")
            self._file.execute("INSERT INTO about VALUES (?, 0)", [json.dumps(settings.to_json())])
        else:
            _require_version(self._file, self._path)
            MiningSettings.from_json(json.loads(row[0])).require(settings, str(self._path))
            self._file.execute("UPDATE about SET finished = 0")
        self._file.commit()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with _said_of(self._path), closing(self._file):
            self._file.commit()

    def retain(self, path: str, stamp: Stamp | None) -> bool:
        """Hold on to what an earlier run found in a picture.

        Args:
            path: of the picture, as it was listed.
            stamp: of its file now.

        Returns:
            False where the picture is to be scored: it is new, it has changed, or it could not be scored.
        """
        if stamp is None:
            return False
        with _said_of(self._path):
            found = self._file.execute(
                "SELECT rowid FROM pictures WHERE path = ? AND error = '' AND size = ? AND modified = ?",
                [os.fsencode(path), stamp.size, stamp.modified],
            ).fetchone()
            if found is not None:
                self._note_listed(found[0])
        return found is not None

    def add(self, mined: Mined) -> None:
        """Keep what was found in a picture."""
        facts = mined.facts
        figures = [None if facts is None else getattr(facts, name) for name in RANKINGS.values()]
        kept = "" if facts is None else json.dumps(asdict(facts))
        stamp = (None, None) if mined.stamp is None else (mined.stamp.size, mined.stamp.modified)
        with _said_of(self._path):
            row = self._file.execute(
                "INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)",
                [os.fsencode(mined.path), *figures, kept, path_text(mined.error), *stamp],
            )
            self._note_listed(row.lastrowid)
            if time.monotonic() - self._committed > _COMMIT_SECONDS:
                self._file.commit()
                self._committed = time.monotonic()

    def finish(self) -> int:
        """Note that every picture of the shard was gone through, and which were listed.

        What was not listed belongs to no result. It is kept all the same: a list that ended too early, or a
        disk that was not there, costs no scores.

        Returns:
            How many pictures that were listed before are not any more.
        """
        with _said_of(self._path):
            now = "(SELECT picture FROM listed_now)"
            self._file.execute(f"UPDATE pictures SET listed = 1 WHERE rowid IN {now}")
            unlisted = self._file.execute(
                f"UPDATE pictures SET listed = 0 WHERE listed AND rowid NOT IN {now}"
            ).rowcount
            self._file.execute("UPDATE about SET finished = 1")
        return unlisted

    def _note_listed(self, picture: int | None) -> None:
        # SQLite keeps what is temporary on disk, too, beyond a small cache.
        self._file.execute("INSERT OR IGNORE INTO listed_now VALUES (?)", [picture])


@dataclass(frozen=True)
class StoredShard:
    """A shard's store for reading.

    Args:
        path: of the file.
    """

    path: Path

    def about(self) -> tuple[MiningSettings, bool]:
        """Its settings, and whether all of its pictures were gone through.

        Raises:
            OddscapeError: another process is at it, or a file that is damaged or of another version.
        """
        with self._opened() as file:
            _require_version(file, self.path)
            settings, finished = file.execute("SELECT settings, finished FROM about").fetchone()
        return MiningSettings.from_json(json.loads(settings)), bool(finished)

    def count(self) -> int:
        """How many pictures it holds, those that could not be scored among them."""
        with self._opened() as file:
            found: int = file.execute("SELECT COUNT(*) FROM pictures WHERE listed").fetchone()[0]
        return found

    def ranked(self, ranking: str) -> Iterator[Mined]:
        """The pictures that were scored, the highest figure first, and in the order of their paths.

        Args:
            ranking: one of ``RANKINGS``.
        """
        figure = RANKINGS[ranking]
        yield from self._pictures(f"WHERE listed AND error = '' ORDER BY {figure} DESC, path")

    def failed(self) -> Iterator[Mined]:
        """The pictures that could not be scored, in the order of their paths."""
        yield from self._pictures("WHERE listed AND error != '' ORDER BY path")

    def _pictures(self, which: str) -> Iterator[Mined]:
        # SQLite sorts what is beyond a small cache on disk.
        with self._opened() as file:
            for path, facts, error in file.execute(f"SELECT path, facts, error FROM pictures {which}"):
                yield Mined(os.fsdecode(path), _facts(facts), error)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        # Not read-only, for SQLite first undoes what a killed process left half-written.
        with (
            _said_of(self.path),
            closing(sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=rw", timeout=0, uri=True)) as file,
        ):
            yield file


def _require_version(file: sqlite3.Connection, path: Path) -> None:
    if not file.execute("SELECT 1 FROM sqlite_master WHERE name = 'about'").fetchone():
        raise OddscapeError(f"{path} holds nothing yet: mine on, then merge")
    if file.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
        raise OddscapeError(
            f"{path} was begun by another version of Oddscape: remove it or give another --out"
        )


def _facts(kept: str) -> PictureFacts | None:
    return _CONVERTER.structure(json.loads(kept), PictureFacts) if kept else None


@contextmanager
def _said_of(path: Path) -> Iterator[None]:
    """Say what SQLite or the disk objected to in one line."""
    try:
        yield
    except sqlite3.Error as error:
        if "locked" in str(error):
            raise OddscapeError(f"{path}: another process is at this shard") from None
        raise OddscapeError(f"{path} cannot be used: {error}") from error
    except OSError as error:
        raise OddscapeError(f"cannot write {path}: {error.strerror or error}") from error

"""What comes out of a mining: tables of all pictures, a gallery and a shortlist of the first ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from oddscape.advance import Advance
from oddscape.errors import OddscapeError
from oddscape.files import written_atomically
from oddscape.mining.gallery import write_gallery
from oddscape.mining.merging import MinedShards
from oddscape.mining.near_duplicates import DISTANCE
from oddscape.mining.outcome import Mining
from oddscape.mining.tables import TABLES, Row, failed_row, ranked_row


def write_results(
    folder: Path,
    *,
    ranking: str = "region",
    keep: int = 200,
    distance: int = DISTANCE,
    tables: Sequence[str] = ("csv",),
    advance: Advance = lambda _done, _total: None,
) -> Mining:
    """Merge the shards of a mining and write what came out.

    ``ranking.csv`` or ``ranking.parquet`` holds every picture, near-duplicates marked, those that could not
    be scored last. ``gallery.html`` shows, and ``shortlist.txt`` lists, the first ones that repeat none.

    Args:
        folder: of the mining.
        ranking: one of ``RANKINGS``.
        keep: how many pictures the gallery and the shortlist have.
        distance: pictures are near-duplicates whose hashes differ in at most so many of 128 bits; below 0:
            none are.
        tables: of ``TABLES``.
        advance: told after every picture how many of all are in the tables.

    Raises:
        OddscapeError: shards that are missing, not finished or not of one mining, no pictures at all, or a
            disk that refuses.
    """
    shards, mining = MinedShards.found(folder), Mining(keep)
    classes, total = shards.settings.classes, shards.count()
    with _tables(folder, tables, classes) as write:
        for picture in shards.ranked(ranking, distance):
            mining.add(picture)
            write(ranked_row(picture, classes))
            advance(mining.ranked, total)
        for mined in shards.failed():
            mining.add_failed(mined)
            write(failed_row(mined))
            advance(mining.ranked + mining.failed, total)
        if not mining.ranked + mining.failed:
            raise OddscapeError(f"no pictures in {', '.join(shards.settings.pictures)}")
    for kind in set(TABLES) - set(tables):  # one of an earlier merge would be of another ranking
        (folder / f"ranking.{kind}").unlink(missing_ok=True)
    write_gallery(folder / "gallery.html", mining, ranking, shards.settings)
    with written_atomically(folder / "shortlist.txt") as partial:
        partial.write_bytes(b"".join(os.fsencode(picture.path) + b"\n" for picture in mining.first))
    return mining


@contextmanager
def _tables(folder: Path, kinds: Sequence[str], classes: Sequence[str]) -> Iterator[Callable[[Row], None]]:
    """Write tables of several kinds; call what is given with each row."""
    with ExitStack() as files:
        writers = [files.enter_context(TABLES[kind](folder / f"ranking.{kind}", classes)) for kind in kinds]

        def write(row: Row) -> None:
            for writer in writers:
                writer(row)

        yield write

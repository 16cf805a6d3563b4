"""The ranking as a table, written row by row: CSV, and Parquet."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from oddscape.files import path_text, written_atomically
from oddscape.mining.facts import RANKINGS
from oddscape.mining.merging import RankedPicture
from oddscape.mining.scoring import Mined

Row = dict[str, Any]
"""A row of the table by column; None where there is nothing to say."""

_REGION = ("region_left", "region_top", "region_right", "region_bottom", "region_area")
_WHOLE = ("rank", "duplicate_of", "width", "height", "regions", *_REGION)
_TEXT = ("path", "picture_hash", "error")
_ROWS = 10_000  # of a Parquet file's row group


def columns(classes: Sequence[str]) -> tuple[str, ...]:
    """Names of the columns, in their order.

    ``rank``, ``path``, ``duplicate_of`` (a rank), the figures that one can rank by, the picture's size, how
    many regions there are; of the one with the highest region score its box, its pixels, its mean and largest
    score; the picture's hash, the share of each class, and why a picture could not be scored.
    """
    of_region = (*_REGION, "region_mean", "region_max")
    shares = (f"share_{name}" for name in classes)
    picture = ("width", "height", "regions", *of_region, "picture_hash", *shares)
    return ("rank", "path", "duplicate_of", *RANKINGS.values(), *picture, "error")


def ranked_row(it: RankedPicture, classes: Sequence[str]) -> Row:
    """The row of a picture that was scored."""
    facts = it.facts
    row = {
        "rank": it.rank,
        "path": path_text(it.path),
        "duplicate_of": it.duplicate_of,
        **{name: getattr(facts, name) for name in RANKINGS.values()},
        "width": facts.width,
        "height": facts.height,
        "regions": facts.regions,
        "picture_hash": facts.picture_hash,
        **{f"share_{name}": share for name, share in zip(classes, facts.class_shares, strict=True)},
    }
    for region in facts.leading[:1]:
        box = region.box
        corners = (box.left, box.top, box.right, box.bottom, region.area)
        row |= dict(zip(_REGION, corners, strict=True))
        row |= {"region_mean": region.mean_score, "region_max": region.max_score}
    return row


def failed_row(it: Mined) -> Row:
    """The row of a picture that could not be scored."""
    return {"path": path_text(it.path), "error": it.error}


@contextmanager
def csv_table(path: Path, classes: Sequence[str]) -> Iterator[Callable[[Row], None]]:
    """Write rows to a CSV file, whole or not at all; call what is given with each."""
    with written_atomically(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns(classes), lineterminator="\n")
        writer.writeheader()
        yield writer.writerow


@contextmanager
def parquet_table(path: Path, classes: Sequence[str]) -> Iterator[Callable[[Row], None]]:
    """Write rows to a Parquet file, whole or not at all; call what is given with each.

    Raises:
        OddscapeError: pyarrow is not installed.
    """
    from oddscape.models.packages import load_package

    arrow, parquet = load_package("pyarrow", "mine"), load_package("pyarrow.parquet", "mine")
    schema = arrow.schema([(name, _type(arrow, name)) for name in columns(classes)])
    rows: list[Row] = []
    with written_atomically(path) as partial, parquet.ParquetWriter(partial, schema) as writer:

        def flush() -> None:
            writer.write_table(arrow.Table.from_pylist(rows, schema))
            rows.clear()

        def write(row: Row) -> None:
            rows.append(row)
            if len(rows) == _ROWS:
                flush()

        yield write
        if rows:
            flush()


def _type(arrow: Any, column: str) -> Any:
    if column in _TEXT:
        return arrow.string()
    return arrow.int64() if column in _WHOLE else arrow.float64()


TABLES = {"csv": csv_table, "parquet": parquet_table}
"""The kinds of tables: ending and writer."""

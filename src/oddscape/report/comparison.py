"""Tables in the terminal that set results beside a baseline and beside published figures."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from oddscape.published import PublishedRow
from oddscape.report.columns import ColumnGroup
from oddscape.report.differences import Difference, difference, paired_groups, require_pairs
from oddscape.report.narrow import figure_cell, narrow_table
from oddscape.report.published_rows import PUBLISHED_NOTE, published_columns, sources
from oddscape.report.sections import Row, Section
from oddscape.report.wording import percent, saw_words

_NOTE = (
    "points of percent; below, the 95 % interval of the paired difference: both rows resampled alike · "
    "▲ better, ▼ worse: the interval excludes 0"
)
_FIGURES_ACROSS = 4

_MARKS = {"better": (" ▲", "green"), "worse": (" ▼", "red"), "": ("", "")}


def difference_tables(section: Section, baseline: Row) -> list[Table | Text]:
    """Paired differences of every other row against a baseline, in points of percent.

    A table for each group of figures of which two rows have replicates, no wider than four figures; below a
    difference stands its 95 % interval, beside it a mark where that excludes 0. Last comes a text that says
    so. Nothing where no row has replicates.

    Args:
        section: results that may be compared.
        baseline: one of its rows.

    Raises:
        OddscapeError: the results' bootstraps drew other units.
    """
    require_pairs(section)
    groups = [part for group in paired_groups(section) for part in _narrow_parts(group)]
    heading = f"Differences to {baseline.name}"
    tables = [
        _difference_table(section, group, baseline, "" if index else heading)
        for index, group in enumerate(groups)
    ]
    return [*tables, Text(_NOTE)] if tables else []


def published_tables(protocol: str, rows: Sequence[PublishedRow]) -> list[Table | Text]:
    """Published figures near a protocol, in percent, in a table of their own, and their sources.

    Args:
        protocol: the protocol's name.
        rows: at least one.
    """
    columns, origins = published_columns(rows), sources(rows)
    headings = [name for name, _ in columns]
    table = narrow_table(
        "by others, elsewhere",
        ("method", "saw\nout-\nliers", "src"),
        headings,
        f"PUBLISHED figures near {protocol}",
    )
    for row in rows:
        cells = [percent(getattr(row, figure)) for _, figure in columns]
        table.add_row(Text(row.method), saw_words(row.saw_outliers), Text(f"[{origins[row.source]}]"), *cells)
    where = "\n".join(f"[{mark}] {source}" for source, mark in origins.items())
    return [table, Text(f"figures in % · {PUBLISHED_NOTE}\n{where}")]


def _narrow_parts(group: ColumnGroup) -> list[ColumnGroup]:
    parts = math.ceil(len(group.columns) / _FIGURES_ACROSS)
    across = math.ceil(len(group.columns) / parts)
    starts = range(0, len(group.columns), across)
    return [ColumnGroup(group.title, group.columns[start : start + across]) for start in starts]


def _difference_table(section: Section, group: ColumnGroup, baseline: Row, heading: str) -> Table:
    table = narrow_table(group.title, ("model", "score"), [column.name for column in group.columns], heading)
    for row in section.rows:
        if row.index == baseline.index:
            continue
        cells = [_cell(difference(column, row, baseline)) for column in group.columns]
        table.add_row(Text(row.model), Text(row.result.score), *cells)
    return table


def _cell(found: Difference) -> Text:
    mark, style = _MARKS[found.verdict]
    return figure_cell(found.text + mark, found.interval_text, style)

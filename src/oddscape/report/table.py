"""The tables of figures in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from oddscape.errors import OddscapeError
from oddscape.report.cautions import cautions, row_flag, section_cautions
from oddscape.report.columns import ColumnGroup, other_groups, pixel_group
from oddscape.report.narrow import figure_cell, narrow_table
from oddscape.report.sections import Row, Section, sections
from oddscape.report.wording import percent, protocol_facts, saw_words, size_range_words
from oddscape.results import Results


def results_tables(results: Sequence[Results]) -> list[Table | Text]:
    """Lay out the figures of one or more networks under one protocol, in percent.

    A narrow table for each group of figures: the pixels as the protocol asks for them, then what there is of
    SegmentMeIfYouCan's own figures, the open set, mistakes and calibration, and anomalies by size. Below a
    figure stands its 95 % interval; the best value of a column is bold. Last comes a text with the protocol,
    every override and all that a reader must know.

    Args:
        results: results that may be compared; part others with :func:`~oddscape.report.sections`.

    Raises:
        OddscapeError: no results, or results that must not stand in one column.
    """
    parts = sections(results)
    if len(parts) != 1:
        names = [part.protocol.name for part in parts]
        raise OddscapeError(f"a table holds results under one protocol and of the same pixels, got {names}")
    section, rows = parts[0], parts[0].rows
    headline = pixel_group(rows, section.protocol.aggregation)
    groups = [headline, *other_groups(rows)]
    tables: list[Table | Text] = [_figure_table(section, group) for group in groups]
    if any(row.result.sizes for row in rows):
        tables.append(_size_table(rows))
    return [*tables, _notes(section, groups)]


def _figure_table(section: Section, group: ColumnGroup) -> Table:
    heading = section.protocol.title if group.headline else ""
    names = ("model", "score", *(["saw\nout-\nliers"] if group.headline else []))
    table = narrow_table(group.title, names, [column.name for column in group.columns], heading)
    best = {column.figure: column.best(section.rows) for column in group.columns}
    for row in section.rows:
        figures = [
            figure_cell(
                column.text(row),
                column.interval_text(row),
                "bold" if row.index in best[column.figure] else "",
            )
            for column in group.columns
        ]
        table.add_row(
            *_names(row), *([saw_words(row.result.saw_outliers)] if group.headline else []), *figures
        )
    return table


def _names(row: Row) -> tuple[Text, Text]:
    return Text(row.model), Text(row.result.score + (" !" if row_flag(row) else ""))


def _size_table(rows: Sequence[Row]) -> Table:
    sized = [row for row in rows if row.result.sizes]
    headings = [
        f"{size_range_words(size.smallest, size.largest)}\nn\u00a0=\u00a0{size.components:,}"
        for size in sized[0].result.sizes
    ]
    title = "by size in pixels: AP; below, recall at the threshold of the pooled FPR95"
    table = narrow_table(title, ("model", "score"), headings)
    for row in sized:
        cells = [
            figure_cell(percent(size.average_precision), percent(size.recall)) for size in row.result.sizes
        ]
        table.add_row(*_names(row), *cells)
    return table


def _notes(section: Section, groups: Sequence[ColumnGroup]) -> Text:
    facts = [fact for fact in protocol_facts(section) if fact[0] != "override"]
    notes = Text("figures in % · " + " · ".join(f"{term}: {text}" for term, text in facts))
    for override in section.overrides:
        notes.append(f"\nOVERRIDE: {override}", style="bold yellow")
    for caution in section_cautions(section):
        notes.append(f"\n! {caution}", style="yellow")
    columns = [column for group in groups for column in group.columns]
    for row in section.rows:
        for caution in cautions(row, columns):
            notes.append(f"\n! {row.name}: {caution}", style="yellow")
    return notes

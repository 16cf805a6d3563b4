"""The table in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from oddscape.errors import OddscapeError
from oddscape.report.cautions import cautions, chance_caution
from oddscape.report.columns import Column, pixel_columns, segmentation_columns
from oddscape.report.sections import Section, sections
from oddscape.report.wording import protocol_facts
from oddscape.results import Results

_FIGURE_WIDTH = len("12.34")


def results_table(results: Sequence[Results]) -> Table:
    """Lay out the headline figures of one or more networks under one protocol, in percent.

    The best value of a column is bold. The caption holds the protocol, every override, and a note for each
    row that is no better than chance or has an undefined figure.

    Args:
        results: results that may be compared; part others with :func:`~oddscape.report.sections`.

    Raises:
        OddscapeError: no results, or results that must not stand in one column.
    """
    parts = sections(results)
    if len(parts) != 1:
        names = [part.protocol.name for part in parts]
        raise OddscapeError(f"a table holds results under one protocol and of the same pixels, got {names}")
    section = parts[0]
    columns = [*pixel_columns(section.protocol.aggregation), *segmentation_columns(section.rows)]
    title = Text(section.protocol.title, style="bold")
    # Laid out to be read in a terminal of 80 columns: narrow headings, no frame, names fold before figures.
    table = Table(title=title, caption=_caption(section, columns), caption_justify="left")
    table.box, table.padding = box.SIMPLE_HEAD, (0, 0)
    for heading in ("model", "score"):
        table.add_column(heading, overflow="fold")
    table.add_column("saw\nout-\nliers", no_wrap=True, min_width=5)
    for column in columns:
        table.add_column(_narrow(column.name), justify="right", no_wrap=True, min_width=_FIGURE_WIDTH)
    _add_rows(table, section, columns)
    return table


def _narrow(heading: str) -> str:
    return heading.replace(" ", "\n").replace("-", "-\n")


def _add_rows(table: Table, section: Section, columns: list[Column]) -> None:
    best = {column.name: column.best(section.rows) for column in columns}
    for row in section.rows:
        mark = " !" if chance_caution(row) else ""
        figures = [
            Text(column.text(row), style="bold" if row.index in best[column.name] else "")
            for column in columns
        ]
        saw = "yes" if row.result.saw_outliers else "no"
        table.add_row(Text(row.model), Text(row.result.score + mark), saw, *figures)


def _caption(section: Section, columns: list[Column]) -> Text:
    facts = [fact for fact in protocol_facts(section) if fact[0] != "override"]
    caption = Text("figures in % · " + " · ".join(f"{term}: {text}" for term, text in facts))
    for override in section.overrides:
        caption.append(f"\nOVERRIDE: {override}", style="bold yellow")
    for row in section.rows:
        for caution in cautions(row, columns):
            caption.append(f"\n! {row.name}: {caution}", style="yellow")
    return caption

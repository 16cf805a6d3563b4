"""Tables that can be read in a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

_FIGURE_WIDTH = len("12.34")


def narrow_table(title: str, names: Sequence[str], figures: Sequence[str], heading: str = "") -> Table:
    """A table without a frame, with narrow headings; names fold before figures.

    Args:
        title: its title.
        names: headings of the columns of words.
        figures: headings of the columns of figures.
        heading: what stands in bold above the title; "" for nothing.
    """
    above = Text(heading, style="bold not italic").append("\n") if heading else Text()
    table = Table(title=above.append(title, style="italic not bold"), caption_justify="left")
    table.box, table.padding = box.SIMPLE_HEAD, (0, 0)
    for name in names:
        table.add_column(name, overflow="fold", min_width=6)
    for figure in figures:
        table.add_column(_narrow(figure), justify="right", no_wrap=True, min_width=_FIGURE_WIDTH)
    return table


def figure_cell(text: str, below: str = "", style: str = "") -> Text:
    """A figure, and what belongs to it on a second, dim line."""
    cell = Text(text, style=style)
    return Text.assemble(cell, Text(f"\n{below}", style="dim")) if below else cell


def _narrow(heading: str) -> str:
    return heading.replace(" ", "\n").replace("open-", "open-\n")

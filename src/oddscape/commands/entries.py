"""All about one thing of several by name: facts as a table in the terminal, or as Markdown in docs/."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

Facts = Iterable[tuple[str, str]]
"""Pairs of term and text."""

# As code, for Markdown takes parts of them for emphasis.
_CODE = ("formula", "needs", "score it with", "options")


def facts_table(kind: str, name: str, facts: Facts) -> Table:
    """One fact a row, below the name."""
    table = Table(kind, name, show_header=True, box=None, padding=(0, 2, 0, 0))
    for term, text in facts:
        table.add_row(term, Text(text))
    return table


def markdown_entry(name: str, facts: Facts, level: int = 4) -> str:
    """A heading of the given level and a list of the facts."""
    lines = (f"- {term}: {f'`{text}`' if term in _CODE else text}" for term, text in facts)
    return "\n".join([f"{'#' * level} `{name}`", "", *lines])


def authors_and_venue(paper: str) -> str:
    """A paper without its title, for narrow columns."""
    return f"{paper.partition(': ')[0]}, {paper.rpartition(', ')[2]}"

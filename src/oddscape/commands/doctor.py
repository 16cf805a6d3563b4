"""``oddscape doctor``: what is installed, what is missing, and the command that installs it."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from oddscape.errors import OddscapeError


def doctor() -> None:
    """Look at this installation: torch, devices, versions, extras, and how to install what is missing."""
    from oddscape.doctor import examine

    facts = examine()
    table = Table(title="This installation", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for fact in facts:
        table.add_row(fact.what, escape(fact.found))
    console = Console(highlight=False)
    console.print(table)
    for fact in facts:
        if fact.remedy:
            console.print(f"{fact.what}: {escape(fact.remedy)}", soft_wrap=True)
    if lacking := [fact.what for fact in facts if fact.needed]:
        raise OddscapeError(f"something needed is missing or too old: {', '.join(lacking)}")

"""Progress bars of long work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from oddscape.advance import Advance


@contextmanager
def progress_bar(description: str) -> Iterator[Advance]:
    """Show a bar on a terminal while the block runs; call what is given with (done, total)."""
    console = Console(stderr=True)
    columns = (
        *(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()),
        *(_Rate(), TimeRemainingColumn()),
    )
    shown = console.is_terminal and os.environ.get("RANK", "0") == "0"  # of several processes one tells
    with Progress(*columns, console=console, transient=True, disable=not shown) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _Rate(ProgressColumn):
    """How many a second, or how many seconds each."""

    def render(self, task: Task) -> Text:
        """Draw it, once it is known."""
        if not task.speed:
            return Text("")
        said = f"{task.speed:.1f}/s" if task.speed >= 1 else f"{1 / task.speed:.1f} s each"
        return Text(said, style="progress.data.speed")

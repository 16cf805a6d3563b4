"""Progress bars of long work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from oddscape.data import Dataset
    from oddscape.scenes import Scene


@contextmanager
def progress_bar(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error while the block runs; call what is given with the number done so far."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(description, total=total)
        yield lambda done: bar.update(task, completed=done)


def scenes_shown(description: str) -> Callable[[Dataset], Iterator[Scene]]:
    """Wrap a data set so that going through its scenes shows a bar."""

    def shown(dataset: Dataset) -> Iterator[Scene]:
        with progress_bar(description, len(dataset)) as advance:
            for done, scene in enumerate(dataset):
                yield scene
                advance(done + 1)

    return shown

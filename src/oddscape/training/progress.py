"""What a training run tells while it runs, and bars that show it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from oddscape.advance import Advance


@dataclass(frozen=True)
class StepReport:
    """How far a run has come and how its last step went.

    Args:
        epoch: the running epoch, from 1.
        epochs: of the run.
        step: finished steps since the run began.
        steps: of the run.
        loss: of the step.
        terms: mean of each term before weighting, by name.
        learning_rate: of the step, before factors of parts of the network.
        pictures_per_second: of the step, over all processes.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    terms: Mapping[str, float]
    learning_rate: float
    pictures_per_second: float

    @property
    def epoch_ends(self) -> bool:
        """Whether the step was its epoch's last."""
        return self.step * self.epochs == self.epoch * self.steps


OnStep = Callable[[StepReport], None]
"""Called after each step, in the main process."""


@contextmanager
def progress_bar(title: str, console: Console | None = None) -> Iterator[tuple[OnStep, Advance]]:
    """Show a bar of epoch, loss, pictures a second and time left on a terminal, standard error.

    Yields:
        What to call after each step, and what to call with (done, total) while the network labels pictures,
        which has a bar of its own.
    """
    console = console or Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[said]}"),
        TimeRemainingColumn(),
    )
    shown = console.is_terminal and os.environ.get("RANK", "0") == "0"  # of several processes one tells
    with Progress(*columns, console=console, disable=not shown) as bar:
        labelling = bar.add_task("labelling pictures", total=None, said="", visible=False)
        training = bar.add_task(title, total=None, said="")
        speed = 0.0

        def show(report: StepReport) -> None:
            nonlocal speed
            speed = 0.9 * (speed or report.pictures_per_second) + 0.1 * report.pictures_per_second
            said = f"epoch {report.epoch}/{report.epochs} loss {report.loss:.4f} {speed:.1f} pictures/s"
            bar.update(training, total=report.steps, completed=report.step, said=said)

        def show_labelling(done: int, total: int) -> None:
            bar.update(labelling, total=total, completed=done, visible=True)

        yield show, show_labelling

"""What a training run tells while it runs, and a bar that shows it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


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
def progress_bar(title: str, console: Console | None = None) -> Iterator[OnStep]:
    """Show a bar of epoch, loss, pictures a second and time left on a terminal, standard error."""
    console = console or Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("epoch {task.fields[epoch]}"),
        TextColumn("loss {task.fields[loss]:.4f}"),
        TextColumn("{task.fields[speed]:.1f} pictures/s"),
        TimeRemainingColumn(),
    )
    shown = console.is_terminal and os.environ.get("RANK", "0") == "0"  # of several processes one tells
    with Progress(*columns, console=console, disable=not shown) as bar:
        task = bar.add_task(title, total=None, epoch="", loss=float("nan"), speed=0.0)

        def show(report: StepReport) -> None:
            before = bar.tasks[task].fields["speed"] or report.pictures_per_second
            bar.update(
                task,
                total=report.steps,
                completed=report.step,
                epoch=f"{report.epoch}/{report.epochs}",
                loss=report.loss,
                speed=0.9 * before + 0.1 * report.pictures_per_second,
            )

        yield show

"""``oddscape study``: methods × seeds by a TOML file, under one protocol."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from oddscape.advance import Advance
from oddscape.commands.progress import progress_bar


def study(
    file: Path,
    /,
    *,
    out: Path,
    data: Path | None = None,
    evaluation_data: Path | None = None,
    negatives_data: Path | None = None,
    protocol: str | None = None,
    anew: bool = False,
    threads: int | None = None,
) -> None:
    """Train and evaluate several methods with several seeds under one protocol; write a table and a report.

    Interrupted, the same command goes on where it was.

    Parameters
    ----------
    file
        TOML file that names the methods: see studies/camvid/study.toml.
    out
        Folder for the runs, their results, table.md and report/.
    data
        Folder of the training data, before that of the file's part [common].
    evaluation_data
        Folder of the protocol's data set; by default that of the training data.
    negatives_data
        Folder of the negatives, before that of the file's part [common].
    protocol
        Name of a protocol (see ``oddscape protocols``), or its file, before the study file's.
    anew
        Do again what was done otherwise than the file now asks, and what rests on it.
    threads
        Threads that a CPU computes with; by default torch's own choice.
    """
    import torch

    from oddscape.processes import is_main_process
    from oddscape.report.summary import terminal_table
    from oddscape.study.plan import read_study
    from oddscape.study.running import run_study

    if threads:
        torch.set_num_threads(threads)
    folders = {"data": data, "negatives_data": negatives_data}
    common = {name: str(folder) for name, folder in folders.items() if folder is not None}
    plan = read_study(file, protocol=protocol, evaluation_data=evaluation_data, common=common)
    result = run_study(plan, out, _stage, anew=anew)
    if is_main_process():
        console = Console()
        console.print(*terminal_table(result.summary), sep="\n")
        console.print(f"table: {result.table}\nreport: {result.report}", soft_wrap=True, highlight=False)


@contextmanager
def _stage(title: str) -> Iterator[Advance]:
    from oddscape.processes import is_main_process

    started = time.perf_counter()
    with progress_bar(title) as advance:
        yield advance
    if is_main_process():
        Console(stderr=True).print(f"{title}: {time.perf_counter() - started:.0f} s", highlight=False)

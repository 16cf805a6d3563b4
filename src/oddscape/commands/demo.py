"""``oddscape demo``: the whole story on the synthetic town."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from oddscape.advance import Advance
from oddscape.commands.progress import progress_bar

if TYPE_CHECKING:
    from oddscape.demo import DemoResult

_MEANING = """
What the numbers mean. Each test picture of the town holds things that no network was taught.
AP: how well a score ranks their pixels first; a random score gets {share} (their share), 100 is perfect.
FPR95: how many known pixels raise a false alarm when 95 % of the anomalous ones are found; 0 is best.
Closed mIoU: how well the known classes are told apart; open-mIoU: the same when anomalies must be said too.
closed-set never saw an outlier; densehybrid was fine-tuned with pasted negatives; dicnet compares a student
with its teacher and needs no outliers."""

_NEXT = """\
Next, with data of your own (a folder with images/ and labels_masks/: 0 known, 1 anomaly, 255 ignored):
  oddscape evaluate --protocol masks --data DIR --weights {weights} --report DIR
  oddscape predict street.jpg --weights {weights} --score densehybrid --out DIR
"""


def demo(
    *,
    out: Path = Path("demo"),
    full: bool = False,
    seed: int = 0,
    town_seed: int = 0,
    threads: int | None = None,
) -> None:
    """Make a town, train three ways, evaluate every score, and write a report.

    Parameters
    ----------
    out
        Folder for everything that is made; what is there already is not made again.
    full
        Train long enough for claims (up to 20 minutes on two cores).
    seed
        Seed of training.
    town_seed
        Seed of the town.
    threads
        Threads that a CPU computes with; by default torch's own choice.
    """
    import torch

    from oddscape.demo import FULL, QUICK, run_demo

    if threads:
        torch.set_num_threads(threads)
    console = Console()
    result = run_demo(out, FULL if full else QUICK, _stage, seed=seed, town_seed=town_seed)
    _tell(result, out, console, full=full)


@contextmanager
def _stage(title: str) -> Iterator[Advance]:
    started = time.perf_counter()
    with progress_bar(title) as advance:
        yield advance
    Console(stderr=True).print(f"{title}: {time.perf_counter() - started:.0f} s", highlight=False)


def _tell(result: DemoResult, out: Path, console: Console, *, full: bool) -> None:
    from oddscape.report.table import results_tables

    for table in results_tables(result.results):
        console.print(table)
    share = result.results[0].anomaly_share
    lines = [
        _MEANING.format(share=f"{100 * share:.1f}"),
        "" if full else "This was a quick run: `oddscape demo --full` trains long enough for claims.",
        _NEXT.format(weights=out / "densehybrid" / "weights.safetensors"),
        f"report: {result.report}",
        f"{result.seconds:.0f} s in all",
    ]
    console.print("\n".join(lines), soft_wrap=True, highlight=False)

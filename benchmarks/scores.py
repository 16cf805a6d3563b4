"""What one more score costs a run: its time beside a network's forward pass.

    python benchmarks/scores.py [--model small_ladder erfnet] [--threads 2]

Pictures of 1024×512, 19 classes, maps at the same size. The forward pass is a network's alone. A score's time
is what it adds to the classes and the energy (the energy: to the classes and the max logit), computed band by
band as evaluation does; the last rows are all scores of logits together, and post-processing. Everything runs
in this process, in turn; a time is the median of the differences within a turn, so that other processes
disturb it little.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table

from oddscape.inference import postprocess
from oddscape.models import create_model
from oddscape.outputs import DenseOutput
from oddscape.scores import fitting_scores, pick_scores

CLASSES, SIZE = 19, (512, 1024)
LOGITS = frozenset({"logits"})
POSTPROCESSED = ("energy+boundaries", "energy+smoothing", "energy+boundaries+smoothing")


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def extra_seconds(out: DenseOutput, names: list[str], runs: int) -> float:
    """Seconds that some scores add to those that a run has anyway."""
    base = pick_scores(["max_logit" if names == ["energy"] else "energy"], LOGITS)
    more = base | pick_scores(names, LOGITS)
    differences = [
        seconds(lambda: postprocess(out, more)) - seconds(lambda: postprocess(out, base))
        for _ in range(runs + 1)
    ]
    return statistics.median(differences[1:])


def costs(model: str, runs: int, threads: int) -> Table:
    """A network's forward pass and what each score adds to it."""
    torch.manual_seed(0)
    net, image = create_model(model, CLASSES).eval(), torch.rand(1, 3, *SIZE)
    out = net(image)
    forward = statistics.median(seconds(lambda: net(image)) for _ in range(runs))
    table = Table(title=f"{model}: forward pass {1e3 * forward:.0f} ms, {threads} threads")
    for column in ("added score", "ms", "% of a forward pass"):
        table.add_column(column, justify="left" if column == "added score" else "right")
    scores = list(fitting_scores(LOGITS))
    for names in [*([name] for name in scores), scores, *([name] for name in POSTPROCESSED)]:
        extra = extra_seconds(out, names, runs)
        name = names[0] if len(names) == 1 else f"all {len(names)}"
        table.add_row(name, f"{1e3 * extra:.1f}", f"{100 * extra / forward:.1f}")
    return table


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", nargs="+", default=["small_ladder", "erfnet"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=15)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for model in args.model:
        Console().print(costs(model, args.runs, args.threads))


if __name__ == "__main__":
    main()

"""Mean and worst figures of several runs: a Markdown table from their results files.

    python studies/summarise.py RUN...

RUN: folders that hold results (*.json) of the same networks under one protocol.
"""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from oddscape import OddscapeError, Results
from oddscape.results import ScoreResult

Row = tuple[str, str]

FIGURES: dict[str, tuple[Callable[[Results, ScoreResult], float], Callable[..., float]]] = {
    "AP": (lambda r, s: s.headline(r.protocol).average_precision, min),
    "FPR95": (lambda r, s: s.headline(r.protocol).fpr95, max),
    "AUROC": (lambda r, s: s.headline(r.protocol).auroc, min),
    "open-mIoU": (lambda _, s: s.open_set.open_miou if s.open_set else float("nan"), min),
    "closed mIoU": (lambda r, _: r.closed_miou, min),
}


def gather(folders: list[Path]) -> tuple[str, dict[Row, dict[str, list[float]]]]:
    """All figures of all runs by network and score, and the protocol that they share."""
    rows: dict[Row, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    protocols = set()
    for folder in folders:
        for path in sorted(folder.glob("*.json")):
            results = Results.load(path)
            protocols.add(results.protocol.name)
            for score in results.scores:
                for name, (figure, _) in FIGURES.items():
                    rows[results.model, score.score][name].append(100 * figure(results, score))
    if len(protocols) != 1:
        raise OddscapeError(f"expected results of one protocol, found {sorted(protocols)}")
    return protocols.pop(), rows


def _cell(values: list[float], worst: Callable[..., float]) -> str:
    mean = f"{statistics.mean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ({worst(values):.1f})"


def main() -> None:
    """Print the table."""
    protocol, rows = gather([Path(argument) for argument in sys.argv[1:]])
    print(f"Protocol {protocol}; mean (worst) over runs, in percent.\n")
    print("| network | score | runs |", " | ".join(FIGURES), "|")
    print("|---" * (3 + len(FIGURES)) + "|")
    for (model, score), figures in rows.items():
        cells = [_cell(values, FIGURES[name][1]) for name, values in figures.items()]
        print(f"| {model} | {score} | {len(figures['AP'])} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()

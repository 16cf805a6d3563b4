"""Markdown tables of studies/erfnet/run: mean and deviation over seeds of every score on every set.

    python studies/erfnet/table.py RUNS SEED...

RUNS holds seed-S/{proxy,1024x512,full}/SET.json. The deviation is that of a sample (n − 1).
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from oddscape import Results

FIGURES = {"AP": "pooled.average_precision", "FPR95": "pooled.fpr95", "AUROC": "pooled.auroc"}
AT_FULL_SIZE = {"SMIYC AP": "smiyc.average_precision", "SMIYC FPR95": "smiyc.fpr95", "F1*": "components.f1"}


def cell(runs: list[Results], score: str, figure: str) -> str:
    """Mean and deviation of a figure in percent, and each run's."""
    values = [100 * run.of(score).figure(figure) for run in runs]
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.1f}{spread} ({', '.join(f'{value:.1f}' for value in values)})"


def table(runs: list[Results], figures: dict[str, str]) -> list[str]:
    """A line for each score."""
    head = ["| score | " + " | ".join(figures) + " |", "|---" * (1 + len(figures)) + "|"]
    names = [score.score for score in runs[0].scores]
    rows = ([cell(runs, name, figure) for figure in figures.values()] for name in names)
    return head + [f"| {name} | {' | '.join(row)} |" for name, row in zip(names, rows, strict=True)]


def main(folder: Path, seeds: list[str]) -> None:
    """Print a table for each set and size."""
    files = sorted((folder / f"seed-{seeds[0]}").glob("*/*.json"))
    for path in (file.relative_to(folder / f"seed-{seeds[0]}") for file in files):
        runs = [Results.load(folder / f"seed-{seed}" / path) for seed in seeds]
        pictures, share = len(runs[0].pictures), 100 * runs[0].anomaly_share
        print(f"\n{path.parent}, {path.stem} ({pictures} pictures, {share:.2f} % anomalous):\n")
        figures = FIGURES | AT_FULL_SIZE if path.parent.name == "full" else FIGURES
        print("\n".join(table(runs, figures)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])

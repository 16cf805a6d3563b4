"""A Markdown table of scores under one protocol, with intervals and times, from files of studies/scores/run.

    python studies/scores/table.py OUT/SET/RUN.json...

The times of OUT/SET/RUN.json are in OUT/times/RUN.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from oddscape import OddscapeError, Results
from oddscape.results import ScoreResult

FIGURES = {"AP": "pooled.average_precision", "FPR95": "pooled.fpr95", "F1*": "components.f1"}


def cell(score: ScoreResult, figure: str) -> str:
    """A figure in percent with its 95 % interval."""
    interval = score.intervals[figure]
    return f"{100 * score.figure(figure):.2f} ({100 * interval.low:.1f}–{100 * interval.high:.1f})"


def rows(path: Path) -> list[str]:
    """A line for each score of a run."""
    results = Results.load(path)
    times = json.loads((path.parent.parent / "times" / path.name).read_text())
    shown = "; ".join(results.inference) or "one pass"
    return [
        f"| {score.score} | {shown} | "
        + " | ".join(cell(score, figure) for figure in FIGURES.values())
        + f" | {times[score.score]:.2f} |"
        for score in results.scores
    ]


def main() -> None:
    """Print the table."""
    paths = [Path(argument) for argument in sys.argv[1:]]
    runs = [Results.load(path) for path in paths]
    if len({(run.protocol.name, run.fingerprint) for run in runs}) != 1:
        raise OddscapeError("expected results of one protocol and the same pictures")
    share = f"{len(runs[0].pictures)} pictures, {100 * runs[0].anomaly_share:.2f} % anomalous"
    print(f"\n{runs[0].protocol.name} ({share}):\n")
    print("| score | network | " + " | ".join(FIGURES) + " | CPU seconds a picture |")
    print("|---" * (3 + len(FIGURES)) + "|")
    for path in paths:
        print("\n".join(rows(path)))


if __name__ == "__main__":
    main()

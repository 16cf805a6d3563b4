"""Time and peak extra memory of AP, AUROC and FPR95: Oddscape, scikit-learn and torchmetrics in one run.

    python benchmarks/metrics.py --pixels 40000000

Memory is what the peak resident size grows by (Linux), beyond the scores and the truth that the caller holds.
PixelMetrics keeps a copy of the scores, and also gives each picture's figures and what the bootstrap needs.
torchmetrics gives AP and AUROC alone.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.metrics import auc, average_precision_score, roc_curve
from torchmetrics.functional.classification import binary_auroc, binary_average_precision

from oddscape.metrics import PixelMetrics, auroc, average_precision, count_operating_points, fpr

PICTURE = (512, 1024)

Figures = tuple[float, float, float]
"""AP, AUROC, FPR95."""


@dataclass(frozen=True)
class Measurement:
    """What one method gave and cost."""

    figures: Figures
    seconds: float
    bytes_per_pixel: float


def scikit_learn(score: NDArray[np.float32], truth: NDArray[np.uint8]) -> Figures:
    score, truth = score.ravel(), truth.ravel()
    precision = average_precision_score(truth, score)
    false_positive_rate, recall, _ = roc_curve(truth, score)
    first = np.argmax(recall > 0.95)
    return precision, auc(false_positive_rate, recall), false_positive_rate[first]


def torchmetrics(score: NDArray[np.float32], truth: NDArray[np.uint8]) -> Figures:
    scores, truths = torch.from_numpy(score).ravel(), torch.from_numpy(truth).ravel().long()
    # Scores outside [0, 1] would silently pass through a sigmoid.
    scores = (scores - scores.min()) / (scores.max() - scores.min())
    return float(binary_average_precision(scores, truths)), float(binary_auroc(scores, truths)), math.nan


def one_call(score: NDArray[np.float32], truth: NDArray[np.uint8]) -> Figures:
    points = count_operating_points(score, truth)
    return average_precision(points), auroc(points), fpr(points)[0]


def accumulated(score: NDArray[np.float32], truth: NDArray[np.uint8]) -> Figures:
    metrics = PixelMetrics()
    for picture_score, picture_truth in zip(score, truth, strict=True):
        metrics.update(picture_score, picture_truth)
    result = metrics.compute()
    return result.average_precision, result.auroc, result.fpr95


METHODS: dict[str, Callable[[NDArray[np.float32], NDArray[np.uint8]], Figures]] = {
    "scikit-learn": scikit_learn,
    "torchmetrics": torchmetrics,
    "operating points": one_call,
    "PixelMetrics": accumulated,
}


def made_pictures(pixels: int, share: float) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Overlapping normal scores of both kinds, in whole pictures."""
    rng = np.random.default_rng(0)
    shape = (max(1, pixels // (PICTURE[0] * PICTURE[1])), *PICTURE)
    truth = (rng.random(shape, dtype=np.float32) < share).astype(np.uint8)
    score = rng.standard_normal(shape, dtype=np.float32)
    score += np.float32(1.5) * truth
    return score, truth


def measure(name: str, pixels: int, share: float) -> Measurement:
    """Run one method in a fresh process: memory that another left behind would hide what it takes."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (name, pixels, share))


def _measure(name: str, pixels: int, share: float) -> Measurement:
    METHODS[name](*made_pictures(PICTURE[0] * PICTURE[1], 0.01))  # load every kernel first
    pictures = made_pictures(pixels, share)
    before = _peak(reset=True)
    start = time.perf_counter()
    figures = METHODS[name](*pictures)
    seconds = time.perf_counter() - start
    return Measurement(figures, seconds, (_peak() - before) / pictures[0].size)


def _peak(*, reset: bool = False) -> int:
    """Peak resident size in bytes, since the last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def compare(pixels: int, shares: Sequence[float]) -> Table:
    table = Table("anomalies", "method", "AP %", "AUROC %", "FPR95 %", "s", "bytes/pixel", "faster")
    for share in shares:
        measured = {name: measure(name, pixels, share) for name in METHODS}
        reference = measured["scikit-learn"]
        for name, own in measured.items():
            _require_agreement(name, own.figures, reference.figures)
            percent = ["–" if math.isnan(figure) else f"{100 * figure:.6f}" for figure in own.figures]
            cost = [
                f"{own.seconds:.2f}",
                f"{own.bytes_per_pixel:.2f}",
                f"{reference.seconds / own.seconds:.0f}×",
            ]
            table.add_row(f"{100 * share:g} %", name, *percent, *cost)
        table.add_section()
    return table


def _require_agreement(name: str, figures: Figures, reference: Figures) -> None:
    """All agree with scikit-learn to 1e-12 but torchmetrics, which adds up in float32."""
    if name == "torchmetrics":
        np.testing.assert_allclose(figures[:2], reference[:2], rtol=0, atol=1e-3)
    else:
        np.testing.assert_allclose(figures, reference, rtol=0, atol=1e-12)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pixels", type=int, default=10_000_000, help="default: %(default)s")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.01, 0.15], help="of anomalous pixels")
    options = parser.parse_args()
    table = compare(options.pixels, options.shares)
    table.title = f"{options.pixels:,} float32 pixels"
    Console(width=max(Console().width, 100)).print(table)


if __name__ == "__main__":
    main()

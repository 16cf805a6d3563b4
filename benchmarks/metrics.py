"""Time and peak extra memory of AP, AUROC and FPR95: Oddscape beside scikit-learn, in one run.

    python benchmarks/metrics.py --pixels 40000000

Memory is what is allocated at the peak beyond the scores and the truth that the caller holds. PixelMetrics
keeps a copy of the scores and gives the figures of each picture too. Most of the time goes into NumPy's sort;
on AMD Zen 4 its AVX-512 variant takes several times as long as the AVX2 one, which
NPY_DISABLE_CPU_FEATURES="AVX512_SKX AVX512_ICL AVX512_SPR X86_V4" in the environment selects.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.metrics import auc, average_precision_score, roc_curve

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


def measure(method: Callable[..., Figures], *arguments: NDArray[Any]) -> Measurement:
    tracemalloc.start()
    start = time.perf_counter()
    figures = method(*arguments)
    seconds = time.perf_counter() - start
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return Measurement(figures, seconds, peak / arguments[0].size)


def compare(pixels: int, shares: Sequence[float]) -> Table:
    table = Table("anomalies", "method", "AP %", "AUROC %", "FPR95 %", "s", "bytes/pixel", "faster")
    for share in shares:
        pictures = made_pictures(pixels, share)
        measured = {name: measure(method, *pictures) for name, method in METHODS.items()}
        reference = measured["scikit-learn"]
        for name, own in measured.items():
            np.testing.assert_allclose(own.figures, reference.figures, rtol=0, atol=1e-12)
            percent = [f"{100 * figure:.6f}" for figure in own.figures]
            cost = [
                f"{own.seconds:.2f}",
                f"{own.bytes_per_pixel:.2f}",
                f"{reference.seconds / own.seconds:.0f}×",
            ]
            table.add_row(f"{100 * share:g} %", name, *percent, *cost)
        table.add_section()
    return table


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

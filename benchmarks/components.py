"""Time and peak extra memory of SegmentMeIfYouCan's metrics on one 2048x1024 frame, beside plain programs.

    python benchmarks/components.py

The plain pixel metric is NumPy's quantile and histogram; the plain component metric walks over the components
with a mask for each. Times are the least of several runs; results are checked to be equal. Memory is what
NumPy and SciPy allocate at the peak beyond the score and the truth that the caller holds.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import ndimage

from oddscape.component_sizes import OBSTACLE_TRACK
from oddscape.metrics import ComponentMetrics, SmiycPixelMetrics

FRAME = (1024, 2048)
THRESHOLD = 1.2815515655446004  # a tenth of a standard normal score lies above
SIZES = OBSTACLE_TRACK
EIGHT_CONNECTED = np.ones((3, 3))

Method = Callable[[NDArray[np.float32], NDArray[np.uint8]], list[float]]


@dataclass(frozen=True)
class Measurement:
    """What one method gave and cost."""

    figures: list[float]
    seconds: float
    megabytes: float


def plain_pixels(score: NDArray[np.float32], truth: NDArray[np.uint8]) -> list[float]:
    kinds = [score[truth == 1], score[truth == 0]]
    low, high = (limit([limit(kind) for kind in kinds]) for limit in (np.min, np.max))
    margin = max(0.01 * (float(high) - float(low)), 0.01)
    quantiles = [np.quantile(kind, np.linspace(0, 1, min(384, kind.size))) for kind in kinds]
    edges = np.unique(np.concatenate(([low - margin, high + margin], *quantiles)))
    true, false = (np.append(0, np.cumsum(np.histogram(kind, edges)[0][::-1])) for kind in kinds)
    recall, rate = true / true[-1], false / false[-1]
    f1 = 2 * true / (true + false + true[-1])
    precision = np.divide(true, true + false, out=np.ones(len(true)), where=true > 0)
    best = np.argmax(f1)
    return [
        np.sum(np.diff(recall) * precision[1:]),
        np.trapezoid(recall, rate),
        rate[np.argmax(recall >= 0.95)],
        f1[best],
        edges[:-1][::-1][best - 1],
    ]


def own_pixels(score: NDArray[np.float32], truth: NDArray[np.uint8]) -> list[float]:
    metrics = SmiycPixelMetrics()
    metrics.update(score, truth)
    result = metrics.compute()
    return [result.average_precision, result.auroc, result.fpr95, result.best_f1, result.threshold]


def plain_components(score: NDArray[np.float32], truth: NDArray[np.uint8]) -> list[float]:
    region = truth != 255
    predicted, found_count = ndimage.label((score > np.float64(THRESHOLD)) & region, EIGHT_CONNECTED)
    true, true_count = ndimage.label(truth == 1, EIGHT_CONNECTED)
    for number in range(1, found_count + 1):
        mask = predicted == number
        if np.count_nonzero(mask) < SIZES.predicted:
            predicted[mask] = 0
    for number in range(1, true_count + 1):
        mask = true == number
        if np.count_nonzero(mask) < SIZES.true:
            region &= ~mask
    predicted, true = predicted * region, true * region
    siou, ppv = [], []
    for number in np.unique(true[true > 0]):
        mask = true == number
        touching = np.isin(predicted, np.setdiff1d(predicted[mask], 0))
        elsewhere = touching & (true > 0) & ~mask
        siou.append(np.count_nonzero(mask & touching) / np.count_nonzero((mask | touching) & ~elsewhere))
    for number in np.unique(predicted[predicted > 0]):
        mask = predicted == number
        ppv.append(np.count_nonzero(mask & (true > 0)) / np.count_nonzero(mask))
    return _component_figures(np.array(siou), np.array(ppv))


def _component_figures(siou: NDArray[np.float64], ppv: NDArray[np.float64]) -> list[float]:
    levels = np.linspace(0.25, 0.75, 11)[:, None]
    found, missed, false = (siou >= levels).sum(1), (siou < levels).sum(1), (ppv < levels).sum(1)
    f1 = 2 * found / (2 * found + missed + false)
    return [f1.mean(), siou.mean(), ppv.mean(), *found, *missed, *false]


def own_components(score: NDArray[np.float32], truth: NDArray[np.uint8]) -> list[float]:
    metrics = ComponentMetrics(THRESHOLD, SIZES)
    metrics.update(score, truth)
    result = metrics.compute()
    counts = (result.true_positives, result.false_negatives, result.false_positives)
    return [result.mean_f1, result.mean_siou, result.mean_ppv, *np.concatenate(counts)]


METRICS: dict[str, tuple[Method, Method]] = {
    "pixel": (plain_pixels, own_pixels),
    "component": (plain_components, own_components),
}


def made_frame() -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Normal scores, some 700 patches above the threshold; 2 % anomalies, most of them found; a bonnet."""
    rng = np.random.default_rng(0)
    coarse = ndimage.gaussian_filter(rng.standard_normal(FRAME), 12)
    truth = (coarse > np.quantile(coarse, 0.98)).astype(np.uint8)
    fine = ndimage.gaussian_filter(rng.standard_normal(FRAME), 6.3)
    score = (fine / fine.std() + truth).astype(np.float32)
    truth[-100:] = 255
    return score, truth


def measure(method: Method, runs: int, *frame: NDArray[Any]) -> Measurement:
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        figures = method(*frame)
        seconds.append(time.perf_counter() - start)
    tracemalloc.start()
    method(*frame)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return Measurement(figures, min(seconds), peak / 2**20)


def compare(runs: int) -> Table:
    frame = made_frame()
    table = Table("metric", "program", "ms", "MB", "faster")
    for metric, methods in METRICS.items():
        plain = measure(methods[0], 3 if metric == "pixel" else 1, *frame)
        own = measure(methods[1], runs, *frame)
        np.testing.assert_allclose(own.figures, plain.figures, rtol=0, atol=1e-12)
        for name, cost in (("plain", plain), ("Oddscape", own)):
            faster = f"{plain.seconds / cost.seconds:.0f}×"
            table.add_row(metric, name, f"{1000 * cost.seconds:.1f}", f"{cost.megabytes:.0f}", faster)
        table.add_section()
    return table


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=40, help="of Oddscape's programs, default: %(default)s")
    options = parser.parse_args()
    metrics = ComponentMetrics(THRESHOLD, SIZES)
    metrics.update(*made_frame())
    counted = metrics.compute()
    table = compare(options.runs)
    table.title = f"one frame with {counted.predicted} predicted and {counted.true} true components"
    Console(width=max(Console().width, 100)).print(table)


if __name__ == "__main__":
    main()

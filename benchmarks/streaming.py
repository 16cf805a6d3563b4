"""Time, memory and certified widths of the streaming engine over very many pixels.

    python benchmarks/streaming.py --pixels 1000000000 --single-pixels 200000000

A few made pictures of 2048×1024 are shown again and again until the pixels are reached; making them takes no
part in the time. Memory is what is allocated at the peak, the counts included and the pictures left out. The
exact engine runs beside it on pictures that are all different, as many as --exact-pixels fill. Its figures
have to lie in the intervals.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from oddscape.metrics import PixelMetrics, PixelResult
from oddscape.metrics.streaming import StreamingCounts, StreamingResult

PICTURE = (1024, 2048)
DIFFERENT = 8
FIGURES = ("average_precision", "auroc", "fpr95")

Picture = tuple[NDArray[Any], NDArray[np.uint8]]


@dataclass(frozen=True)
class Measurement:
    """What one engine gave and cost."""

    result: StreamingResult | PixelResult
    pixels: int
    seconds: float
    peak: int


def made_picture(seed: int, share: float, dtype: type) -> Picture:
    """Overlapping normal scores of both kinds; the anomalies are blocks of 32×32, a border is ignored."""
    rng = np.random.default_rng(seed)
    blocks = rng.random((PICTURE[0] // 32, PICTURE[1] // 32)) < share
    truth = blocks.repeat(32, 0).repeat(32, 1).astype(np.uint8)
    truth[:16] = 255
    score = rng.standard_normal(PICTURE, dtype=np.float32) + np.float32(1.5) * (truth == 1)
    return score.astype(dtype), truth


def measure(metrics: StreamingCounts | PixelMetrics, pictures: list[Picture], pixels: int) -> Measurement:
    number = max(1, pixels // (PICTURE[0] * PICTURE[1]))
    start = time.perf_counter()
    for i in range(number):
        metrics.update(*pictures[i % len(pictures)])
    result = metrics.compute()
    _, peak = tracemalloc.get_traced_memory()
    return Measurement(result, number * PICTURE[0] * PICTURE[1], time.perf_counter() - start, peak)


def traced(engine: type, pictures: list[Picture], pixels: int) -> Measurement:
    """Measure from an empty record of memory on: the pictures are left out, the counts are not."""
    tracemalloc.start()
    measured = measure(engine(), pictures, pixels)
    tracemalloc.stop()
    return measured


def row(name: str, measured: Measurement) -> list[str]:
    result = measured.result
    bounds = result.bounds if isinstance(result, StreamingResult) else None
    figures = [
        f"{100 * getattr(result, figure):.6f}"
        + (f" ({getattr(bounds, figure).width:.0e})" if bounds is not None else "")
        for figure in FIGURES
    ]
    speed = f"{measured.pixels / measured.seconds / 1e6:.0f}"
    cost = [f"{measured.seconds:.2f}", speed, f"{measured.peak / 2**20:.1f}"]
    return [name, f"{measured.pixels:,}", *figures, *cost]


def compare(sizes: dict[type, int], exact_pixels: int, share: float) -> Table:
    table = Table("engine", "pixels", "AP %", "AUROC %", "FPR95 %", "s", "M/s", "peak MiB")
    for dtype, pixels in sizes.items():
        pictures = [made_picture(seed, share, dtype) for seed in range(DIFFERENT)]
        table.add_row(*row(f"streaming, {dtype.__name__}", traced(StreamingCounts, pictures, pixels)))
        number = min(DIFFERENT, max(1, exact_pixels // (PICTURE[0] * PICTURE[1])))
        same = [traced(engine, pictures[:number], exact_pixels) for engine in (StreamingCounts, PixelMetrics)]
        table.add_row(*row(f"streaming, {dtype.__name__}", same[0]))
        table.add_row(*row(f"exact, {dtype.__name__}", same[1]))
        for figure in FIGURES:
            low, high = getattr(same[0].result.bounds, figure)
            wanted = getattr(same[1].result, figure)
            assert low - 1e-12 <= wanted <= high + 1e-12, f"{figure}: {wanted} is not in [{low}, {high}]"
        table.add_section()
    return table


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pixels", type=int, default=100_000_000, help="float16; default: %(default)s")
    parser.add_argument("--single-pixels", type=int, default=20_000_000, help="float32; default: %(default)s")
    parser.add_argument("--exact-pixels", type=int, default=16_777_216, help="default: %(default)s")
    parser.add_argument("--share", type=float, default=0.01, help="of anomalous pixels; default: %(default)s")
    options = parser.parse_args()
    sizes: dict[type, int] = {np.float16: options.pixels, np.float32: options.single_pixels}
    table = compare(sizes, options.exact_pixels, options.share)
    table.title = "certified widths in brackets, as fractions"
    Console(width=max(Console().width, 130)).print(table)


if __name__ == "__main__":
    main()

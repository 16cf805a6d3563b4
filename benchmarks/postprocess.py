"""From native logits to class map and score at full size: band by band against the plain computation.

    python benchmarks/postprocess.py [--threads 2] [--score energy]

Both run in this process, in turn. Time is that of the fastest run, which other processes disturb least.
Working memory is what one call adds to the peak resident size of a fresh process, less the two maps that it
returns. 19 classes, 256×512 → 1024×2048.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from oddscape.inference import BAND_COLUMNS, postprocess
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.scores import SCORES

CLASSES, NATIVE, FULL = 19, (256, 512), (1024, 2048)


def output() -> DenseOutput:
    generator = torch.Generator().manual_seed(0)
    return DenseOutput(NativeMaps(3 * torch.randn(1, CLASSES, *NATIVE, generator=generator)), FULL)


def plain(out: DenseOutput, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Upsample all logits, then argmax and the score in PyTorch's own words."""
    logits = torch.nn.functional.interpolate(
        out.native.logits, out.size, mode="bilinear", align_corners=False
    )
    classes = logits.argmax(1)
    if name == "energy":
        return classes, -torch.logsumexp(logits, 1)
    if name == "max_logit":
        return classes, -logits.amax(1)
    posterior = logits.softmax(1)
    if name == "msp":
        return classes, 1 - posterior.amax(1)
    return classes, torch.special.entr(posterior).sum(1)


def fused(out: DenseOutput, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    result = postprocess(out, {name: SCORES[name]})
    return result.classes, result.scores[name]


WAYS: dict[str, Callable[[DenseOutput, str], tuple[torch.Tensor, torch.Tensor]]] = {
    "plain PyTorch": plain,
    f"bands of {BAND_COLUMNS} columns": fused,
}


def working_memory(way: str, name: str, threads: int) -> float:
    """MB that one call adds to the peak resident size of a fresh process, beyond what it returns."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (way, name, threads))


def _peak(way: str, name: str, threads: int) -> float:
    torch.set_num_threads(threads)
    out = output()
    small = DenseOutput(NativeMaps(out.native.logits[..., :8, :8].contiguous()), (16, 16))
    WAYS["plain PyTorch"](small, name), fused(small, name)  # load every kernel first
    before = _high_water()
    results = WAYS[way](out, name)
    return _high_water() - before - sum(result.nbytes for result in results) / 2**20


def _high_water() -> float:
    """Peak resident size of this process in MB (Linux); getrusage would count the parent's too."""
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    return int(line.split()[1]) / 1024


def times(name: str, runs: int) -> dict[str, float]:
    """Seconds of each way's fastest run, the ways taking turns so that a busy machine troubles both alike."""
    out, seconds = output(), {way: [] for way in WAYS}
    for run in range(runs + 1):
        for way, compute in WAYS.items():
            started = time.perf_counter()
            compute(out, name)
            if run:
                seconds[way].append(time.perf_counter() - started)
    return {way: min(values) for way, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--score", choices=["energy", "max_logit", "msp", "entropy"], default="energy")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    seconds = times(args.score, args.runs)
    memory = {way: working_memory(way, args.score, args.threads) for way in WAYS}
    (classes, score), (fused_classes, fused_score) = (way(output(), args.score) for way in WAYS.values())
    table = Table(
        title=f"classes and {args.score}, {CLASSES} classes, 256×512 → 1024×2048, {args.threads} threads"
    )
    for column in ("way", "ms", "times faster", "working MB", "of plain"):
        table.add_column(column, justify="left" if column == "way" else "right")
    for way in WAYS:
        faster, share = seconds["plain PyTorch"] / seconds[way], memory[way] / memory["plain PyTorch"]
        table.add_row(way, f"{1e3 * seconds[way]:.0f}", f"{faster:.1f}", f"{memory[way]:.0f}", f"{share:.3f}")
    console = Console()
    console.print(table)
    console.print(
        f"classes that differ: {int((classes != fused_classes).sum())}; "
        f"largest difference of the score: {float((score - fused_score).abs().max()):.1e}"
    )


if __name__ == "__main__":
    main()

"""From native logits to class map and score at full size: the fused step against the plain computation.

    python benchmarks/postprocess.py [--threads 2] [--score energy] [--device cuda] [--kernel]

All ways run in this process, in turn. Time is that of the fastest run, which other processes disturb least;
on a GPU it is measured by CUDA events. Working memory is what one call adds to the peak, less the two maps
that it returns: on a CPU to the resident size of a fresh process, on a GPU to what PyTorch has allocated.
With --kernel a CPU compiles the GPU's kernel, too, which takes minutes and a C++ compiler.
19 classes, 256×512 → 1024×2048.
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

from oddscape.inference.bands import by_bands
from oddscape.inference.kernel import in_one_kernel
from oddscape.inference.maps import Postprocessed
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.scores import SCORES

CLASSES, NATIVE, FULL = 19, (256, 512), (1024, 2048)

Maps = tuple[torch.Tensor, torch.Tensor]
Way = Callable[[DenseOutput, str], Maps]


def output(device: str = "cpu") -> DenseOutput:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(1, CLASSES, *NATIVE, generator=generator)
    return DenseOutput(NativeMaps(logits.to(device)), FULL)


def plain(out: DenseOutput, name: str) -> Maps:
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


def bands(out: DenseOutput, name: str) -> Maps:
    return maps_of(by_bands(out, {name: SCORES[name]}), name)


def kernel(out: DenseOutput, name: str) -> Maps:
    result = in_one_kernel(out, {name: SCORES[name]})
    assert result is not None, "torch.compile does not work here"
    return maps_of(result, name)


def maps_of(result: Postprocessed, name: str) -> Maps:
    return result.classes, result.scores[name]


PLAIN, BANDS = "plain PyTorch", "bands of columns"
WAYS: dict[str, Way] = {PLAIN: plain, BANDS: bands, "one kernel": kernel}


def chosen_ways(args: argparse.Namespace) -> dict[str, Way]:
    """On a GPU all, and PyTorch compiled as it stands; on a CPU what postprocess uses, or all."""
    if args.device == "cuda":
        return {PLAIN: plain, "plain PyTorch, compiled": torch.compile(plain), **WAYS}
    return WAYS if args.kernel else {PLAIN: plain, BANDS: bands}


def working_memory(way: str, compute: Way, args: argparse.Namespace) -> float:
    """MB that one call adds to the peak, beyond what it returns."""
    if args.device == "cuda":
        return _peak_on_gpu(compute, args.score)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (way, args.score, args.threads))


def _peak_on_gpu(compute: Way, name: str) -> float:
    out = output("cuda")
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    results = compute(out, name)
    added = torch.cuda.max_memory_allocated() - before
    return (added - sum(result.nbytes for result in results)) / 2**20


@torch.inference_mode()
def _peak(way: str, name: str, threads: int) -> float:
    torch.set_num_threads(threads)
    out = output()
    small = DenseOutput(NativeMaps(out.native.logits[..., :8, :8].contiguous()), (16, 16))
    plain(small, name), bands(small, name)  # load every kernel first
    if WAYS[way] is kernel:
        kernel(out, name)  # and compile
    before = _high_water()
    results = WAYS[way](out, name)
    return _high_water() - before - sum(result.nbytes for result in results) / 2**20


def _high_water() -> float:
    """Peak resident size of this process in MB (Linux), from here on; getrusage would count the parent's."""
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    return int(line.split()[1]) / 1024


def times(ways: dict[str, Way], args: argparse.Namespace) -> dict[str, float]:
    """Seconds of each way's fastest run, the ways taking turns so that a busy machine troubles all alike."""
    out = output(args.device)
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    measure = _seconds_on_gpu if args.device == "cuda" else _seconds
    for way, compute in ways.items():
        started = time.perf_counter()
        for _ in range(3 if args.device == "cuda" else 1):
            compute(out, args.score)
        print(f"{way}: first call {time.perf_counter() - started:.1f} s")
    for _ in range(args.runs):
        for way, compute in ways.items():
            seconds[way].append(measure(compute, out, args.score))
    return {way: min(values) for way, values in seconds.items()}


def _seconds(compute: Way, out: DenseOutput, name: str) -> float:
    started = time.perf_counter()
    compute(out, name)
    return time.perf_counter() - started


def _seconds_on_gpu(compute: Way, out: DenseOutput, name: str) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    start.record()
    compute(out, name)
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / 1e3


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--score", choices=["energy", "max_logit", "msp", "entropy"], default="energy")
    parser.add_argument("--kernel", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    ways = chosen_ways(args)
    seconds = times(ways, args)
    memory = {way: working_memory(way, compute, args) for way, compute in ways.items()}
    where = f"{args.threads} threads" if args.device == "cpu" else torch.cuda.get_device_name()
    table = Table(title=f"classes and {args.score}, {CLASSES} classes, 256×512 → 1024×2048, {where}")
    for column in ("way", "ms", "times faster", "working MB", "of plain"):
        table.add_column(column, justify="left" if column == "way" else "right")
    for way in ways:
        faster, share = seconds[PLAIN] / seconds[way], memory[way] / memory[PLAIN]
        table.add_row(way, f"{1e3 * seconds[way]:.2f}", f"{faster:.1f}", f"{memory[way]:.0f}", f"{share:.3f}")
    console = Console()
    console.print(table)
    classes, score = plain(output(args.device), args.score)
    for way, compute in ways.items():
        found, fused = compute(output(args.device), args.score)
        console.print(
            f"{way}: classes that differ: {int((classes != found).sum())}; "
            f"largest difference of the score: {float((score - fused).abs().max()):.1e}"
        )


if __name__ == "__main__":
    main()

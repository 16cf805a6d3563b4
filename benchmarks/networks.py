"""Speed of the networks: each faster way to run one against plain PyTorch, and what an anomaly map costs.

    python benchmarks/networks.py [--threads 2] [--networks ldn121 pspnet] [--compile ldn121] [--size WxH]
    python benchmarks/networks.py --device cuda

The ways of a table run in this process, in turn, on one made picture and 19 classes, after a first run that
does not count; time is that of the fastest run, which other processes disturb least. Weights are random: time
does not depend on them. A GPU gets pictures of 2048×1024, and a last table of frames a second and peak
memory. A CPU gets the smaller ones that the tables state, unless --size says another. For a CPU torch.compile
needs a C++ compiler and minutes of its time, by default for the smallest network alone.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from oddscape.inference import postprocess
from oddscape.model_figures import model_figures
from oddscape.models import MODELS, create_model
from oddscape.models.fused_batch_norms import fuse_batch_norms
from oddscape.outputs import DenseOutput
from oddscape.scores import SCORES
from oddscape.sizes import Size, format_size, parse_size

CLASSES, ON_GPU, ON_CPU, TRAINING = 19, (1024, 2048), (512, 1024), (256, 512)
TRAINING_BATCH = 2
SMALLER_ON_CPU = dict.fromkeys(("wrn38", "densehybrid_wrn38", "pspnet", "dicnet"), (256, 512))
SCORE_OF = {"densehybrid_ldn121": "densehybrid", "densehybrid_wrn38": "densehybrid", "dicnet": "dicnet"}
CLOSED_SET = {"densehybrid_ldn121": "ldn121", "densehybrid_wrn38": "wrn38", "dicnet": "pspnet"}
ADDED = {"densehybrid_ldn121": "logits_ood", "densehybrid_wrn38": "logits_ood", "dicnet": "student"}


@dataclass(frozen=True)
class Bench:
    """Where networks run, on pictures of what size, and how often."""

    device: torch.device
    size: Size | None
    runs: int

    @property
    def on_gpu(self) -> bool:
        """Whether memory and time are a GPU's."""
        return self.device.type == "cuda"

    def size_for(self, name: str) -> Size:
        """(H, W) of the pictures that a network gets."""
        return self.size or (ON_GPU if self.on_gpu else SMALLER_ON_CPU.get(name, ON_CPU))

    def network(self, name: str) -> nn.Module:
        """A network with random weights, in evaluation mode."""
        return create_model(name, CLASSES).eval().to(self.device)

    def pictures(self, size: Size, number: int = 1) -> Tensor:
        """Made pictures [N, 3, H, W]."""
        return torch.rand(number, 3, *size, generator=torch.Generator().manual_seed(0)).to(self.device)

    def milliseconds(self, ways: Mapping[str, Callable[[], object]]) -> dict[str, float]:
        """Time of each way's fastest run; the ways take turns, so that a busy machine troubles all alike."""
        times: dict[str, list[float]] = {way: [] for way in ways}
        for run in range(1 + self.runs):
            for way, compute in ways.items():
                self.finish()
                started = time.perf_counter()
                compute()
                self.finish()
                if run:
                    times[way].append(1e3 * (time.perf_counter() - started))
        return {way: min(taken) for way, taken in times.items()}

    def finish(self) -> None:
        """Wait for the GPU, which computes on while Python does."""
        if self.on_gpu:
            torch.cuda.synchronize(self.device)


def forward(net: nn.Module, image: Tensor, *, bf16: bool = False) -> DenseOutput:
    with torch.inference_mode(), torch.autocast(image.device.type, torch.bfloat16, enabled=bf16):
        out: DenseOutput = net(image)
    return out


def channels_last(net: nn.Module) -> nn.Module:
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


# ── One network, run in several ways ────────────────────────────────────────────────────────────────────────


def ways_to_run(net: nn.Module, image: Tensor, *, compiled: bool) -> dict[str, Callable[[], DenseOutput]]:
    """Plain PyTorch, each measure alone, and all of them together."""
    image_last = image.contiguous(memory_format=torch.channels_last)
    together = channels_last(fuse_batch_norms(net))
    ways: dict[str, Callable[[], DenseOutput]] = {
        "plain": partial(forward, net, image),
        "fused batch norms": partial(forward, fuse_batch_norms(net), image),
        "channels-last": partial(forward, channels_last(deepcopy(net)), image_last),
        "bf16 autocast": partial(forward, net, image, bf16=True),
        "these three": partial(forward, together, image_last, bf16=True),
    }
    if compiled:
        alone, fast = (cast(nn.Module, torch.compile(made, dynamic=False)) for made in (net, together))
        ways["torch.compile"] = partial(forward, alone, image)
        ways["all four"] = partial(forward, fast, image_last, bf16=True)
    return ways


def table_of_ways(bench: Bench, name: str, *, compiled: bool) -> Table:
    size, net = bench.size_for(name), bench.network(name)
    ways = ways_to_run(net, bench.pictures(size), compiled=compiled)
    milliseconds, plain = bench.milliseconds(ways), ways["plain"]().native.logits
    table = Table(title=f"{name}, {format_size(size)}: {len(fuse_batch_norms(net).folded)} batch norms fused")
    table.add_column("way")
    for column in ("ms", "times faster", "largest difference of logits, in σ"):
        table.add_column(column, justify="right")
    for way, run in ways.items():
        difference = float((run().native.logits - plain).abs().max() / plain.std())
        faster = milliseconds["plain"] / milliseconds[way]
        table.add_row(way, f"{milliseconds[way]:.1f}", f"{faster:.2f}", f"{difference:.1e}")
    return table


# ── What an anomaly map costs ───────────────────────────────────────────────────────────────────────────────


def plain_maps(out: DenseOutput, score: str) -> tuple[Tensor, Tensor]:
    """Class map and score at full size from full-size logits."""
    with torch.inference_mode():
        return out.logits.argmax(1), SCORES[score](out)


@torch.inference_mode()
def added_layers(net: nn.Module, name: str, image: Tensor) -> Callable[[], Tensor]:
    """What the network has beside the closed-set one, alone, on what it reads in the network."""
    layers, read = net.get_submodule(ADDED[name]), []
    with layers.register_forward_pre_hook(lambda _layers, inputs: read.append(inputs[0])):
        net(image)
    return torch.inference_mode()(lambda: layers(read[0]))


def cost_row(bench: Bench, name: str) -> list[str]:
    size, score = bench.size_for(name), SCORE_OF[name]
    closed_set, net, image = bench.network(CLOSED_SET[name]), bench.network(name), bench.pictures(size)
    out = forward(net, image)
    taken = bench.milliseconds(
        {
            "closed-set": partial(forward, closed_set, image),
            "network": partial(forward, net, image),
            "added": added_layers(net, name, image),
            "fused maps": partial(postprocess, out, {score: SCORES[score]}),
            # A score that was computed is kept in its output, hence one made anew.
            "plain maps": lambda: plain_maps(DenseOutput(out.native, out.size, out.align_corners), score),
        }
    )
    closed = taken["closed-set"]
    work, closed_work = (model_figures(n, CLASSES, size).multiply_adds for n in (name, CLOSED_SET[name]))
    shares = [f"{100 * taken[part] / closed:.1f} %" for part in ("added", "fused maps", "plain maps")]
    whole = [f"{taken['network'] / closed:.3f}", f"{work / closed_work:.4f}"]
    return [name, format_size(size), f"{closed:.0f}", *whole, *shares]


def table_of_costs(bench: Bench, names: list[str]) -> Table:
    """What is added is the outlier head or DiCNet's student; maps are of classes and anomalies, full-size."""
    table = Table(title="What an anomaly map costs, against the closed-set network's time and multiply-adds")
    for column in ("network", "size"):
        table.add_column(column, no_wrap=True)
    parts = ("added alone", "maps, fused", "maps, plain")
    for column in ("closed-set ms", "times the time", "times the mult-adds", *parts):
        table.add_column(column, justify="right")
    for name in names:
        table.add_row(*cost_row(bench, name))
    return table


# ── Activation checkpointing ────────────────────────────────────────────────────────────────────────────────


def training_step(net: nn.Module, images: Tensor) -> Callable[[], None]:
    def step() -> None:
        net.zero_grad(set_to_none=True)
        net(images).native.logits.square().mean().backward()

    return step


def trained_network(bench: Bench, *, checkpointing: bool) -> nn.Module:
    return create_model("ldn121", CLASSES, checkpointing=checkpointing).train().to(bench.device)


def peak_of_step(bench: Bench, size: Size, checkpointing: bool, threads: int) -> float:
    """MB that a training step adds to the peak of a fresh process, or of the GPU."""
    if bench.on_gpu:
        net = trained_network(bench, checkpointing=checkpointing)
        return _peak_on_gpu(training_step(net, bench.pictures(size, TRAINING_BATCH)))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_on_cpu, (bench, size, checkpointing, threads))


def _peak_on_gpu(run: Callable[[], object]) -> float:
    run()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def _peak_on_cpu(bench: Bench, size: Size, checkpointing: bool, threads: int) -> float:
    torch.set_num_threads(threads)
    net = trained_network(bench, checkpointing=checkpointing)
    training_step(
        net, bench.pictures((64, 64), TRAINING_BATCH)
    )()  # load every kernel, and make room for the gradients
    step, before = training_step(net, bench.pictures(size, TRAINING_BATCH)), _high_water()
    step()
    return _high_water() - before


def _high_water() -> float:
    """Peak resident size of this process in MB (Linux); getrusage would count the parent's too."""
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    return int(line.split()[1]) / 1024


def table_of_checkpointing(bench: Bench, threads: int) -> Table:
    size = bench.size or (ON_GPU if bench.on_gpu else TRAINING)
    pictures = bench.pictures(size, TRAINING_BATCH)
    ways = {"plain": False, "activation checkpointing": True}
    steps = {
        way: training_step(trained_network(bench, checkpointing=on), pictures) for way, on in ways.items()
    }
    milliseconds = bench.milliseconds(steps)
    memory = {way: peak_of_step(bench, size, on, threads) for way, on in ways.items()}
    table = Table(title=f"A training step of ldn121 on {TRAINING_BATCH} pictures of {format_size(size)}")
    table.add_column("way")
    for column in ("ms", "of plain", "peak MB", "of plain"):
        table.add_column(column, justify="right")
    for way in ways:
        shares = [f"{figures[way] / figures['plain']:.2f}" for figures in (milliseconds, memory)]
        table.add_row(way, f"{milliseconds[way]:.0f}", shares[0], f"{memory[way]:.0f}", shares[1])
    return table


# ── Frames a second ─────────────────────────────────────────────────────────────────────────────────────────


def frame(net: nn.Module, image: Tensor, scores: list[str], *, bf16: bool) -> object:
    """Class map and scores at full size, from the picture on."""
    return postprocess(forward(net, image, bf16=bf16), {name: SCORES[name] for name in scores})


def table_of_frames(bench: Bench, names: list[str]) -> Table:
    """Full-size class maps, and class and anomaly maps, as fast as a GPU makes them without compiling."""
    table = Table(title="Frames a second and peak memory, weights included")
    for column in ("network", "size", "way", "closed-set", "MB", "with score", "MB", "times the time"):
        table.add_column(column, justify="left" if column in ("network", "size", "way") else "right")
    for name in names:
        size = bench.size_for(name)
        for way in ("float32", "fused, channels-last, bf16"):
            figures = [
                frame_figures(bench, model, scores, size, fast=way != "float32")
                for model, scores in ((CLOSED_SET[name], []), (name, [SCORE_OF[name]]))
            ]
            cells = [cell for ms, peak in figures for cell in (f"{1e3 / ms:.1f}", f"{peak:.0f}")]
            table.add_row(name, format_size(size), way, *cells, f"{figures[1][0] / figures[0][0]:.3f}")
    return table


def frame_figures(
    bench: Bench, name: str, scores: list[str], size: Size, *, fast: bool
) -> tuple[float, float]:
    """Milliseconds a frame, and the MB that the GPU holds at its peak."""
    net, image = bench.network(name), bench.pictures(size)
    if fast:
        net = channels_last(fuse_batch_norms(net))
        image = image.contiguous(memory_format=torch.channels_last)
    run = partial(frame, net, image, scores, bf16=fast)
    held = torch.cuda.memory_allocated() / 2**20
    return bench.milliseconds({"": run})[""], held + _peak_on_gpu(run)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="*", choices=MODELS, default=["ldn121", "pspnet", "small_ladder"])
    parser.add_argument("--costs", nargs="*", choices=CLOSED_SET, default=list(CLOSED_SET))
    parser.add_argument("--size", type=parse_size, metavar="WxH")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5, help="timed runs of each way; default: %(default)s")
    parser.add_argument("--compile", nargs="*", choices=MODELS, default=["small_ladder"])
    parser.add_argument("--no-checkpointing", action="store_true", help="leave training steps out")
    return parser.parse_args()


def main() -> None:
    args = options()
    torch.set_num_threads(args.threads)
    bench = Bench(torch.device(args.device), args.size, args.runs)
    console = Console(width=max(Console().width, 110))
    where = torch.cuda.get_device_name(bench.device) if bench.on_gpu else f"CPU, {args.threads} threads"
    console.print(f"{where}; torch {torch.__version__}; {CLASSES} classes; fastest of {args.runs} runs")
    for name in args.networks:
        console.print(table_of_ways(bench, name, compiled=name in args.compile))
        torch.compiler.reset()  # it keeps networks in memory
    if args.costs:
        console.print(table_of_costs(bench, args.costs))
    if not args.no_checkpointing:
        console.print(table_of_checkpointing(bench, args.threads))
    if bench.on_gpu and args.costs:
        console.print(table_of_frames(bench, args.costs))


if __name__ == "__main__":
    main()

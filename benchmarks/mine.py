"""Mining: pictures a second against a plain loop, memory with many pictures, time to find near-duplicates.

    python benchmarks/mine.py FOLDER [--pictures 24] [--listed 1000 100000] [--hashes 10000 100000]

FOLDER holds pictures. The detector is the one that comes with Oddscape. The plain loop reads, predicts and
describes one picture after another; all ways use as many cores. Memory is what listing and keeping so many
pictures adds to the peak resident size of a fresh process, scoring left out: a plain way keeps a list of
paths and a list of rows.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from oddscape.data import read_image
from oddscape.detector import Detector
from oddscape.mining import shards
from oddscape.mining.facts import PictureFacts, RankedRegion, picture_facts
from oddscape.mining.listing import listed
from oddscape.mining.near_duplicates import picture_hash, repeated
from oddscape.mining.scoring import Mined, score_pictures
from oddscape.mining.shards import mine_shard
from oddscape.regions import Box

FACTS = PictureFacts(
    1280,
    720,
    0.1,
    -3.0,
    12,
    8 * (RankedRegion(1.0, Box(1, 2, 3, 4), 9, 2.0, 3.0),),
    11 * (1 / 11,),
    "0f" * 16,
)

# ── Pictures a second ───────────────────────────────────────────────────────────────────────────────────────


def plain_loop(detector: Detector, paths: list[str]) -> float:
    began = time.perf_counter()
    for path in paths:
        image = read_image(path)
        picture_facts(detector.predict(image), picture_hash(image))
    return time.perf_counter() - began


def read_ahead(detector: Detector, paths: list[str]) -> float:
    began = time.perf_counter()
    assert sum(1 for _ in score_pictures(detector, paths)) == len(paths)
    return time.perf_counter() - began


def _in_process(paths: list[str], ready: Barrier, times: SimpleQueue[float]) -> None:
    torch.set_num_threads(1)
    detector = Detector.shipped()
    ready.wait()
    times.put(read_ahead(detector, paths))


def a_process_a_core(paths: list[str], cores: int) -> float:
    """Processes of one thread each, as ``torchrun`` starts them; the slowest one's time."""
    context = multiprocessing.get_context("spawn")
    ready, times = context.Barrier(cores), context.SimpleQueue()
    parts = [paths[number::cores] for number in range(cores)]
    started = [context.Process(target=_in_process, args=(part, ready, times)) for part in parts]
    for process in started:
        process.start()
    return max(float(times.get()) for _ in started)


def speed(paths: list[str], cores: int, rounds: int) -> Table:
    table = Table("way", "pictures/s", "of the plain loop's", title=f"{len(paths)} pictures, {cores} cores")
    torch.set_num_threads(cores)
    detector = Detector.shipped()
    plain_loop(detector, paths[:1])
    ways: dict[str, Callable[[], float]] = {
        "plain loop": lambda: plain_loop(detector, paths),
        "read ahead": lambda: read_ahead(detector, paths),
        "read ahead, a process a core": lambda: a_process_a_core(paths, cores),
    }
    fastest = {name: min(way() for _ in range(rounds)) for name, way in ways.items()}
    for name, seconds in fastest.items():
        table.add_row(name, f"{len(paths) / seconds:.2f}", f"{fastest['plain loop'] / seconds:.2f}")
    return table


# ── Memory ──────────────────────────────────────────────────────────────────────────────────────────────────


def plain_keeping(folder: Path) -> int:
    paths = sorted(folder.rglob("*.jpg"))
    rows = [
        Mined(str(path), PictureFacts(**{**vars(FACTS), "picture_hash": str(n)}))
        for n, path in enumerate(paths)
    ]
    return len(rows)


def own_keeping(folder: Path) -> int:
    def unscored(_: Any, paths: Iterable[str], __: int) -> Iterator[Mined]:
        return (Mined(path, FACTS) for path in paths)

    with TemporaryDirectory() as out, patch.object(shards, "score_pictures", unscored):
        return mine_shard(Detector.shipped(), Path(out), [folder]).scored


def megabytes(way: Callable[[Path], int], folder: Path) -> tuple[float, float]:
    """Peak memory that a way adds, in MB, and its time in seconds."""
    Detector.shipped()
    before, began = _high_water(), time.perf_counter()
    way(folder)
    return _high_water() - before, time.perf_counter() - began


def _high_water() -> float:
    """Peak resident size of this process in MB (Linux); getrusage would count the parent's too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    [line] = (line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def memory(counts: list[int]) -> Table:
    table = Table("way", "pictures", "MB", "s", title="Listing and keeping, without scoring")
    for count in counts:
        with TemporaryDirectory() as name:
            for number in range(count):
                os.close(os.open(f"{name}/{number:07}.jpg", os.O_CREAT | os.O_WRONLY))
            for title, way in (
                ("lists of paths and rows", plain_keeping),
                ("one by one, on disk", own_keeping),
            ):
                with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
                    added, seconds = fresh.submit(megabytes, way, Path(name)).result()
                table.add_row(title, f"{count:,}", f"{added:.1f}", f"{seconds:.1f}")
    return table


# ── Near-duplicates ─────────────────────────────────────────────────────────────────────────────────────────


def plain_repeated(hashes: list[str], distance: int = 12) -> list[int | None]:
    kept: list[tuple[int, int]] = []
    found: list[int | None] = []
    for number, text in enumerate(hashes):
        bits = int(text, 16)
        earlier = next((n for n, other in kept if (bits ^ other).bit_count() <= distance), None)
        found.append(earlier)
        if earlier is None:
            kept.append((number, bits))
    return found


def duplicates(counts: list[int]) -> Table:
    table = Table("way", "pictures", "s", title="Near-duplicates, where one picture in ten is one")
    rng = np.random.default_rng(0)
    for count in counts:
        hashes = rng.integers(0, 256, (count, 16), np.uint8)
        copies = rng.integers(0, count, count // 10)
        hashes[copies] = hashes[rng.integers(0, count, count // 10)]
        texts = [bytes(it).hex() for it in hashes]
        ways: dict[str, Callable[[list[str]], Any]] = {"blocks": lambda texts: list(repeated(texts))}
        if count <= 10_000:
            ways = {"plain loops": plain_repeated, **ways}
        for name, way in ways.items():
            began = time.perf_counter()
            way(texts)
            table.add_row(name, f"{count:,}", f"{time.perf_counter() - began:.1f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=24, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="default: %(default)s")
    parser.add_argument("--listed", type=int, nargs="*", default=[1000, 100_000], help="default: %(default)s")
    parser.add_argument(
        "--hashes", type=int, nargs="*", default=[10_000, 100_000], help="default: %(default)s"
    )
    options = parser.parse_args()
    console = Console()
    if options.pictures:
        paths = sorted(listed([options.folder], []))[: options.pictures]
        console.print(speed(paths, options.cores, options.rounds))
    if options.listed:
        console.print(memory(options.listed))
    if options.hashes:
        console.print(duplicates(options.hashes))


if __name__ == "__main__":
    main()

"""Pictures a second of ``oddscape predict``: a plain loop, worker threads and worker processes side by side.

    python benchmarks/predict.py [--pictures FOLDER] [--cores 2] [--runs 3]

All write six files a picture with the detector that comes with Oddscape: class map, open-set map, score,
heat map, overlay and regions. The plain loop lets torch use all cores and saves pictures as Pillow does
by default. Processes load the detector before the clock starts. Rates are of the fastest run, the ways taking
turns, so that a busy machine troubles all alike. Without --pictures, 8 pictures of the town, 1280×720.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

import oddscape as odd
from oddscape.predicting.inputs import Input, find_inputs
from oddscape.predicting.kinds import picture_kinds
from oddscape.predicting.pictures import predict_pictures
from oddscape.predicting.region_files import described
from oddscape.predicting.results import Results
from oddscape.predicting.workers import Workers
from oddscape.report.pictures import heat_map
from oddscape.town import TownCounts

_in_process: list[odd.Detector] = []


def plain_loop(detector: odd.Detector, pictures: Sequence[Input], out: Path) -> None:
    for picture in pictures:
        prediction = detector.predict(picture.path)
        for kind, pixels in (
            ("classes", prediction.classes),
            ("open-set", prediction.open_set),
            ("heat", heat_map(prediction.score)),
            ("overlay", np.asarray(prediction.overlay())),
        ):
            Image.fromarray(pixels).save(out / f"{picture.path.stem}_{kind}.png")
        np.save(out / f"{picture.path.stem}_score.npy", prediction.score)
        regions = [described(region) for region in prediction.regions]
        (out / f"{picture.path.stem}_regions.json").write_text(json.dumps(regions))


def ours(detector: odd.Detector, pictures: Sequence[Input], out: Path, count: int | None) -> None:
    results = Results(out, picture_kinds((), decides=True), (), False, None, (range(time.time_ns(), 2**63),))
    with Workers(detector, count) as workers:
        for outcome in predict_pictures(workers, pictures, results):
            assert not outcome.failure
            assert not outcome.was_done


def begin_process() -> None:
    torch.set_num_threads(1)
    _in_process.append(odd.Detector.shipped())


def one_in_process(picture: Input, out: Path) -> None:
    ours(_in_process[0], [picture], out, 1)


def in_processes(pool: ProcessPoolExecutor, pictures: Sequence[Input], out: Path) -> None:
    list(pool.map(one_in_process, pictures, [out] * len(pictures)))


def fastest(ways: dict[str, Callable[[], None]], runs: int) -> dict[str, float]:
    """Seconds of each way's fastest run; the first run of each warms up."""
    seconds = dict.fromkeys(ways, float("inf"))
    for run in range(runs + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            if run:
                seconds[name] = min(seconds[name], time.perf_counter() - started)
    return seconds


def town_pictures(folder: Path) -> Path:
    odd.make_town(folder, size=(720, 1280), counts=TownCounts(0, 0, 8), workers=1)
    return folder / "test" / "images"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(args.cores)
    detector = odd.Detector.shipped()
    with (
        tempfile.TemporaryDirectory() as temporary,
        ProcessPoolExecutor(args.cores, get_context("spawn"), begin_process) as pool,
    ):
        out = Path(temporary) / "out"
        out.mkdir()
        pictures = list(find_inputs([args.pictures or town_pictures(Path(temporary) / "town")]))
        ways = {
            "plain loop": lambda: plain_loop(detector, pictures, out),
            "oddscape predict --workers 1": lambda: ours(detector, pictures, out, 1),
            "oddscape predict": lambda: ours(detector, pictures, out, None),
            f"{args.cores} processes of one thread": lambda: in_processes(pool, pictures, out),
        }
        seconds = fastest(ways, args.runs)
    table = Table(title=f"{len(pictures)} pictures, six files each, {args.cores} cores")
    for column in ("way", "pictures a second", "times faster"):
        table.add_column(column, justify="left" if column == "way" else "right")
    for way in ways:
        rate, faster = len(pictures) / seconds[way], seconds["plain loop"] / seconds[way]
        table.add_row(way, f"{rate:.2f}", f"{faster:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()

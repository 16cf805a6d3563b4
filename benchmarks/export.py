"""What exporting the shipped detector gains: Detector.predict beside the exported file in each precision.

    oddscape export street.onnx
    python benchmarks/export.py street.onnx PICTURES [--threads 2] [--count 20]

PICTURES is a folder of pictures such as the detector will see; int8 is calibrated on others than it is
timed on. All run in this process, by turns on every picture; times are medians, ratios medians of ratios.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import oddscape as odd
from oddscape.data.plain_pictures import plain_pictures
from oddscape.export.float16 import to_float16
from oddscape.export.int8 import to_int8

Run = Callable[[NDArray[np.uint8]], object]


def session(path: Path, threads: int) -> Run:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    opened = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda image: opened.run(None, {"image": image[None]})


def seconds(run: Run, image: NDArray[np.uint8]) -> float:
    started = time.perf_counter()
    run(image)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("exported", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--count", type=int, default=20)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    data = plain_pictures([args.pictures])
    step = max(1, len(data) // (2 * args.count))
    images = [data[number].image for number in range(0, len(data), step)][: 2 * args.count]
    detector = odd.Detector.shipped()
    with TemporaryDirectory() as folder:
        half, whole = Path(folder, "half.onnx"), Path(folder, "int8.onnx")
        to_float16(args.exported, half)
        to_int8(args.exported, whole, images[1::2])
        files = {"float32": args.exported, "float16": half, "int8": whole}
        runs: dict[str, Run] = {"Detector.predict (PyTorch)": detector.predict}
        runs |= {f"onnxruntime, {name}": session(path, args.threads) for name, path in files.items()}
    for run in runs.values():
        run(images[0])
    rounds = [{name: seconds(run, image) for name, run in runs.items()} for image in images[::2]]
    times = {name: [spent[name] for spent in rounds] for name in runs}
    first = times["Detector.predict (PyTorch)"]
    table = Table(title=f"street-lite, {len(first)} pictures, {args.threads} threads")
    for column in ("what runs", "ms a picture", "times as fast"):
        table.add_column(column, justify="left" if column == "what runs" else "right")
    for name, spent in times.items():
        ratio = statistics.median(a / b for a, b in zip(first, spent, strict=True))
        table.add_row(name, f"{1e3 * statistics.median(spent):.0f}", f"{ratio:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()

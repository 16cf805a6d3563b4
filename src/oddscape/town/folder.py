"""Writes a town, or a set of negatives, to disk: every picture once, whole or not at all."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oddscape.errors import OddscapeError
from oddscape.files import written_atomically
from oddscape.town.negatives import render_negative
from oddscape.town.scene import render_scene

TOWN_VERSION = 1
"""Changes whenever the same seed gives other pixels."""

_RECORD = "town.json"
_PER_TASK = 4  # pictures that a process renders between two reports

Progress = Callable[[Iterable[int]], Iterable[int]]
"""Wraps an iterable of one number of pictures for each finished batch, as a progress bar does."""


@dataclass(frozen=True)
class TownCounts:
    """How many pictures a town has: training over t1 to t3, validation in t4, test over t5 and t6."""

    training: int = 600
    validation: int = 60
    test: int = 120


@dataclass(frozen=True)
class NegativeCounts:
    """How many pictures a set of negatives has."""

    training: int = 300
    validation: int = 30


@dataclass(frozen=True)
class _Picture:
    """One picture to be made; ``town`` is empty for negatives."""

    image: Path
    annotation: Path
    town: str
    index: int


def make_town(
    directory: str | Path,
    *,
    seed: int = 0,
    size: tuple[int, int] = (180, 320),
    counts: TownCounts | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Render a town into ``directory`` in StreetHazards' layout; pictures that are there already stay.

    With more than one worker, call it from a script's ``if __name__ == "__main__":`` part.

    Args:
        directory: where to write; made if missing.
        seed: another seed gives other pictures.
        size: (H, W) of the pictures in pixels.
        counts: numbers of pictures; 600, 60 and 120 if None.
        workers: number of processes; all cores if None, none but this one if 1.
        progress: wraps the iterable of finished batches, each given as its number of pictures.

    Raises:
        OddscapeError: the directory holds something else, or another town; the disk refuses.
    """
    counts = counts or TownCounts()
    root = Path(directory)
    _claim(
        root,
        {"kind": "town", "version": TOWN_VERSION, "seed": seed, "size": list(size), "counts": asdict(counts)},
    )
    _make(list(_town_pictures(root, counts)), seed, size, workers, progress)


def make_negatives(
    directory: str | Path,
    *,
    seed: int = 0,
    size: tuple[int, int] = (180, 320),
    counts: NegativeCounts | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Render negatives into ``directory`` in ADE20K's layout, all pixels labelled 1 to 150.

    Args:
        directory: where to write; made if missing.
        seed: another seed gives other pictures.
        size: (H, W) of the pictures in pixels.
        counts: numbers of pictures; 300 and 30 if None.
        workers: number of processes; all cores if None, none but this one if 1.
        progress: as in :func:`make_town`.

    Raises:
        OddscapeError: the directory holds something else, or another set; the disk refuses.
    """
    counts = counts or NegativeCounts()
    root = Path(directory)
    _claim(
        root,
        {
            "kind": "negatives",
            "version": TOWN_VERSION,
            "seed": seed,
            "size": list(size),
            "counts": asdict(counts),
        },
    )
    _make(list(_negative_pictures(root, counts)), seed, size, workers, progress)


def _claim(root: Path, record: dict[str, Any]) -> None:
    """Make the directory this set's own, or find that it is already; refuse any other."""
    path = root / _RECORD
    if path.is_file():
        try:
            found = json.loads(path.read_text())
        except ValueError:
            raise OddscapeError(
                f"{path} is not readable as JSON: delete the folder, or choose another"
            ) from None
        if found != record:
            raise OddscapeError(
                f"{root} holds another set: {_described(found)}; asked for: {_described(record)}"
            )
        return
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise OddscapeError(
            f"{root} is not empty and holds no {_RECORD}: choose an empty folder or a new one"
        )
    root.mkdir(parents=True, exist_ok=True)
    with written_atomically(path) as partial:
        partial.write_text(json.dumps(record, indent=2) + "\n")


def _described(record: dict[str, Any]) -> str:
    return (
        ", ".join(f"{name} {value}" for name, value in record.items())
        if isinstance(record, dict)
        else repr(record)
    )


def _town_pictures(root: Path, counts: TownCounts) -> Iterator[_Picture]:
    plan = (
        ("train", "training", ("t1", "t2", "t3"), counts.training),
        ("train", "validation", ("t4",), counts.validation),
        ("test", "test", ("t5", "t6"), counts.test),
    )
    for part, split, towns, count in plan:
        for number in range(count):
            town, index = towns[number % len(towns)], number // len(towns)
            name = Path(split, town, f"{index}.png")
            yield _Picture(root / part / "images" / name, root / part / "annotations" / name, town, index)


def _negative_pictures(root: Path, counts: NegativeCounts) -> Iterator[_Picture]:
    start = 0
    for split, word, count in (
        ("training", "train", counts.training),
        ("validation", "val", counts.validation),
    ):
        for number in range(count):
            stem = f"ADE_{word}_{number + 1:08d}"
            image = root / "images" / split / f"{stem}.jpg"
            yield _Picture(image, root / "annotations" / split / f"{stem}.png", "", start + number)
        start += 1_000_000


def _make(
    pictures: list[_Picture], seed: int, size: tuple[int, int], workers: int | None, progress: Progress | None
) -> None:
    for folder in {path.parent for picture in pictures for path in (picture.image, picture.annotation)}:
        folder.mkdir(parents=True, exist_ok=True)
    missing = [
        picture for picture in pictures if not (picture.image.is_file() and picture.annotation.is_file())
    ]
    batches = [missing[start : start + _PER_TASK] for start in range(0, len(missing), _PER_TASK)]
    follow: Progress = progress or (lambda done: done)
    for _ in follow(_rendered(batches, partial(_render_batch, seed=seed, size=size), workers)):
        pass


def _rendered(
    batches: list[list[_Picture]], render: Callable[[list[_Picture]], int], workers: int | None
) -> Iterator[int]:
    count = min(workers or os.cpu_count() or 1, len(batches))
    if count <= 1:
        yield from map(render, batches)
        return
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            yield from pool.map(render, batches)
        finally:
            pool.shutdown(cancel_futures=True)


def _render_batch(batch: list[_Picture], *, seed: int, size: tuple[int, int]) -> int:
    for picture in batch:
        if picture.town:
            image, annotation = render_scene(picture.town, seed, picture.index, size)
        else:
            image, annotation = render_negative(seed, picture.index, size)
        _save(picture.annotation, annotation)
        _save(picture.image, image)
    return len(batch)


def _save(path: Path, pixels: NDArray[np.uint8]) -> None:
    how: dict[str, Any] = {"format": "PNG", "compress_level": 1}
    if path.suffix == ".jpg":
        how = {"format": "JPEG", "quality": 92}
    with written_atomically(path) as partial:
        Image.fromarray(pixels).save(partial, **how)

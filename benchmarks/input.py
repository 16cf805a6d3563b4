"""Training pictures a second from one worker at Cityscapes' size: Oddscape against plain Pillow and NumPy.

    python benchmarks/input.py [--pictures 4] [--epochs 6]

Made pictures of 2048×1024 with labels (PNG), and negatives of 683×515 (JPEG, their segments PNG), are read
from a temporary folder. Both ways give crops of 768×768 of pictures scaled by 0.5 to 2 and perhaps mirrored,
with a piece of a negative pasted: the same crops and pieces, for both draw alike. The plain way resizes the
whole picture, cuts and mirrors it, and hands on float32 and int64; Oddscape resizes what the crop shows alone
and hands on bytes.

The ways and the decoding of each file by itself take turns in one thread. Time is the thread's own, which
other processes disturb least; of each sample and each file the fastest of --rounds counts. PNG and JPEG are
Pillow's decoding, the rest is what remains. Nothing is kept in memory from one sample to the next.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table

import oddscape.data
from oddscape.data import Entry
from oddscape.data.cityscapes import CITYSCAPES_FINE
from oddscape.data.pasting import draw_piece
from oddscape.data.training_pictures import Negatives, TrainingPictures
from oddscape.labels import IGNORED

# Of odd sizes no centre of a pixel comes to lie between two others, where either is the nearest.
PICTURE, NEGATIVE, CROP, PATCH = (1024, 2048), (515, 683), (768, 768), (384, 384)
SCALE = (0.5, 2.0)
PAD_COLOUR = (84, 88, 95)
SEGMENTS = 10
PNG_FOLDERS, JPEG_FOLDER = ("leftImg8bit", "gtFine", "annotations"), "images"
PLAIN, OURS = "plain Pillow and NumPy", "oddscape"

Array = NDArray[Any]
Sample = dict[str, torch.Tensor]


# ── Made pictures ───────────────────────────────────────────────────────────────────────────────────────────


def made_picture(seed: int, size: tuple[int, int]) -> tuple[Array, Array]:
    """Make smooth segments with texture and noise, as large in a file as photographs; also their numbers."""
    rng = np.random.default_rng(seed)
    segments = np.stack([_smooth(rng, 12, size) for _ in range(SEGMENTS)]).argmax(0).astype(np.uint8)
    tints = rng.integers(-30, 30, (SEGMENTS, 3)).astype(np.float32)
    light = np.stack([_smooth(rng, 16, size) for _ in range(3)], -1) * 0.7 + 20
    texture = _smooth(rng, 128, size)[..., None] / 6 - 20
    noise = rng.standard_normal((*size, 1), np.float32) + 0.6 * rng.standard_normal((*size, 3), np.float32)
    image = np.rint(light + texture + np.rint(0.4 * noise) + tints[segments])
    return image.clip(0, 255).astype(np.uint8), segments


def _smooth(rng: np.random.Generator, cells: int, size: tuple[int, int]) -> NDArray[np.float32]:
    """A smooth field from 0 to 255."""
    field = Image.fromarray(rng.integers(0, 256, (cells, 2 * cells), np.uint8))
    return np.asarray(field.resize((size[1], size[0]), Image.Resampling.BICUBIC), np.float32)


def save_pictures(folder: Path, number: int) -> None:
    """Save pictures in Cityscapes' layout and negatives in ADE20K's."""
    ids = np.array([0, *CITYSCAPES_FINE.raw_to_train][:SEGMENTS], np.uint8)
    for i in range(number):
        image, segments = made_picture(i, PICTURE)
        _save(folder / f"leftImg8bit/train/made/{i}_leftImg8bit.png", image)
        _save(folder / f"gtFine/train/made/{i}_gtFine_labelIds.png", ids[segments])
        image, segments = made_picture(number + i, NEGATIVE)
        _save(folder / f"images/training/{i}.jpg", image)
        _save(folder / f"annotations/training/{i}.png", segments)


def _save(path: Path, pixels: Array) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


# ── The plain way ───────────────────────────────────────────────────────────────────────────────────────────


def plain_sample(known: Sequence[Entry], negatives: Sequence[Entry], epoch: int, index: int) -> Sample:
    """What ``TrainingPictures`` gives, as one would write it down."""
    rng = np.random.default_rng((0, epoch, index))
    picture, raw = _opened(known[index])
    image, labels = _resized(picture, _decoded(raw), rng.uniform(*SCALE) * min(picture.size))
    image, labels = _cropped(image, labels, rng, CROP)
    if rng.random() < 0.5:
        image, labels = image[:, ::-1].copy(), labels[:, ::-1].copy()
    negative, segments = _opened(negatives[int(rng.integers(len(negatives)))])
    patch, segments = _resized(negative, segments, min(PATCH))
    patch, segments = _cropped(patch, segments, rng, PATCH)
    pasted = _paste(image, labels, patch, draw_piece(segments, rng), rng)
    return {
        "image": torch.from_numpy((image.astype(np.float32) / 255).transpose(2, 0, 1).copy()),
        "labels": torch.from_numpy(labels.astype(np.int64)),
        "pasted": torch.from_numpy(pasted),
        "left_out": torch.zeros(CROP, dtype=torch.bool),
    }


def _opened(entry: Entry) -> tuple[Image.Image, Array]:
    assert entry.truth is not None
    return Image.open(entry.image), np.array(Image.open(entry.truth))


def _decoded(raw: Array) -> Array:
    table = np.full(256, IGNORED, np.uint8)
    for value, train in CITYSCAPES_FINE.raw_to_train.items():
        table[value] = train
    return table[raw]


def _resized(image: Image.Image, labels: Array, shorter: float) -> tuple[Array, Array]:
    length, side = max(int(shorter), 1), min(image.size)
    size = image.width * length // side, image.height * length // side
    scaled = Image.fromarray(labels).resize(size, Image.Resampling.NEAREST)
    return np.array(image.resize(size, Image.Resampling.BILINEAR)), np.array(scaled)


def _cropped(
    image: Array, labels: Array, rng: np.random.Generator, size: tuple[int, int]
) -> tuple[Array, Array]:
    below, right = (max(want - have, 0) for want, have in zip(size, labels.shape, strict=True))
    if below or right:
        channels = [
            np.pad(image[..., c], ((0, below), (0, right)), constant_values=PAD_COLOUR[c]) for c in range(3)
        ]
        image = np.stack(channels, -1)
        labels = np.pad(labels, ((0, below), (0, right)), constant_values=IGNORED)
    top, left = (int(rng.integers(have - want + 1)) for have, want in zip(labels.shape, size, strict=True))
    part = np.s_[top : top + size[0], left : left + size[1]]
    return image[part], labels[part]


def _paste(image: Array, labels: Array, patch: Array, piece: Array, rng: np.random.Generator) -> Array:
    """Paste into ``image`` and ``labels``; tell where."""
    rows, columns = np.nonzero(piece)
    pasted = np.zeros(labels.shape, bool)
    if rows.size:
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        top, left = (rng.integers(room - need + 1) for room, need in zip(CROP, (height, width), strict=True))
        there = rows - rows.min() + top, columns - columns.min() + left
        image[there], labels[there], pasted[there] = patch[rows, columns], IGNORED, True
    return pasted


# ── Measuring ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Times:
    """The shortest time that each thing took: kind and name → seconds of this thread."""

    seconds: dict[tuple[str, object], float] = field(default_factory=dict)

    def take(self, kind: str, name: object, call: Callable[..., Any], *arguments: object) -> Any:
        """Call, and keep the time if it is the shortest so far."""
        began = time.thread_time()
        result = call(*arguments)
        taken = time.thread_time() - began
        self.seconds[kind, name] = min(taken, self.seconds.get((kind, name), taken))
        return result

    def milliseconds(self, kind: str) -> float:
        """Mean over all things of a kind."""
        return 1e3 * float(np.mean([taken for what, taken in self.seconds.items() if what[0] == kind]))


def measure(folder: Path, epochs: int, rounds: int) -> tuple[Times, list[dict[str, Sample]]]:
    """Let the ways and the decoding of each file take turns; also give the last samples."""
    known = oddscape.data.open("cityscapes", folder, split="train")
    negatives = oddscape.data.open("ade20k", folder)
    pictures = TrainingPictures(
        known, CROP, scale=SCALE, pad_colour=PAD_COLOUR, negatives=Negatives(negatives), cache_bytes=0
    )
    times, samples = Times(), {}
    for _, epoch, i in np.ndindex(rounds, epochs, len(known)):
        pictures.set_epoch(epoch)
        plain = times.take(PLAIN, (epoch, i), plain_sample, known.entries, negatives.entries, epoch, i)
        ours = times.take(OURS, (epoch, i), pictures.__getitem__, i)
        samples[i] = {PLAIN: plain, OURS: ours}
        for file in folder.rglob(f"{i}[._]*"):
            times.take(file.relative_to(folder).parts[0], file, lambda path: Image.open(path).load(), file)
    return times, list(samples.values())


# ── Showing ─────────────────────────────────────────────────────────────────────────────────────────────────


def table_of(times: Times, samples: list[dict[str, Sample]]) -> Table:
    table = Table("way", "pictures/s", "ms", "PNG", "JPEG", "the rest", "of plain's", "MB passed on")
    png = sum(times.milliseconds(folder) for folder in PNG_FOLDERS)
    jpeg = times.milliseconds(JPEG_FOLDER)
    for way in (PLAIN, OURS):
        whole = times.milliseconds(way)
        rest, plain_rest = (times.milliseconds(name) - png - jpeg for name in (way, PLAIN))
        table.add_row(
            way,
            f"{1e3 / whole:.1f}",
            f"{whole:.1f}",
            *(f"{part:.1f} ({part / whole:.0%})" for part in (png, jpeg, rest)),
            f"{rest / plain_rest:.2f}",
            f"{sum(part.nbytes for part in samples[0][way].values()) / 1e6:.1f}",
        )
    return table


def difference_of(samples: list[dict[str, Sample]]) -> str:
    """How far the two ways' pictures and labels lie apart."""
    plain, ours = (
        {key: torch.stack([sample[way][key] for sample in samples]) for key in ("image", "labels", "pasted")}
        for way in (PLAIN, OURS)
    )
    assert torch.equal(plain["pasted"], ours["pasted"])
    apart = (255 * plain["image"] - ours["image"]).abs()
    labels = (plain["labels"] != ours["labels"]).double().mean()
    return f"pictures: at most {apart.max():.0f} of 255, {apart.mean():.4f} on average; labels: {labels:.1e}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=4, help="default: %(default)s")
    parser.add_argument("--epochs", type=int, default=6, help="crops of each; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with TemporaryDirectory() as directory:
        folder = Path(directory)
        save_pictures(folder, options.pictures)
        sizes = [file.stat().st_size for file in folder.rglob("*_leftImg8bit.png")]
        times, samples = measure(folder, options.epochs, options.rounds)
    table = table_of(times, samples)
    table.title = f"{len(sizes)} pictures of {np.mean(sizes) / 1e6:.1f} MB, {options.epochs} crops of each"
    console = Console(width=max(Console().width, 120))
    console.print(table)
    console.print(f"the two ways differ in {difference_of(samples)}")


if __name__ == "__main__":
    main()

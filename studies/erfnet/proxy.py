"""Make the pictures on which the fine-tuning of ERFNet is chosen, so that no set of real anomalies is.

    python proxy.py DATA OUT

DATA holds camvid/, idd_lite/ and coco128/. OUT gets a folder for each kind of picture, in the layout of
SegmentMeIfYouCan: ``large`` (one object on 5 to 20 % of the picture) and ``small`` (two to four objects, each
on 0.02 to 0.5 %), both over validation pictures of CamVid and IDD-Lite; and ``elsewhere-large`` and
``elsewhere-small``, the same over COCO's pictures of streets, which no training picture resembles in light,
camera or country. Objects are of COCO categories that training never shows, pasted at the pictures' own size,
so that they are as sharp as what surrounds them.
"""

from __future__ import annotations

import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

import oddscape as odd
from oddscape.data import Dataset
from oddscape.data.coco_outlines import CATEGORIES, ROAD_CATEGORIES
from oddscape.data.object_pasting import ObjectPasting, paste_objects
from oddscape.labels import IGNORED
from oddscape.scenes import Scene

HELD_OUT = (
    "dog", "horse", "bear", "zebra", "boat", "bench", "couch", "suitcase", "backpack", "umbrella", "clock",
    "cake",
)  # fmt: skip
"""COCO categories that are pasted here and never in training."""

KINDS = {
    "large": ObjectPasting(count=(1, 1), area=(0.05, 0.2)),
    "small": ObjectPasting(count=(2, 4), area=(2e-4, 5e-3)),
}
PICTURES = 40  # of each source and kind
STREET = frozenset(("car", "motorcycle", "bus", "train", "truck", "traffic light", "stop sign"))


def main(data: Path, out: Path) -> None:
    """Write all pictures."""
    others = [name for name in CATEGORIES if name not in HELD_OUT]
    objects = odd.data.open("coco-outlines", data / "coco128", exclude=others)
    sources = {
        "camvid": (odd.data.open("camvid", data / "camvid", split="val", held_out=()), ""),
        "idd": (odd.data.open("idd-lite", data / "idd_lite", split="val"), ""),
        "coco": (_streets(data / "coco128"), "elsewhere-"),
    }
    for name, (dataset, prefix) in sources.items():
        for kind, pasting in KINDS.items():
            indices = np.linspace(0, len(dataset) - 1, min(PICTURES, len(dataset))).astype(int)
            for index in np.unique(indices):
                rng = np.random.default_rng((zlib.crc32(f"{name} {kind}".encode()), index))
                scene = dataset[int(index)]
                mixed = paste_objects(scene, objects, rng, pasting)
                mask = np.where(mixed.pasted, 1, np.where(scene.labels == IGNORED, IGNORED, 0))
                _save(out / (prefix + kind), f"{name}_{index:03d}", mixed.image, mask.astype(np.uint8))


def _streets(coco: Path) -> Dataset:
    """COCO's pictures that show traffic; what is no part of a road there, or held out, is ignored."""
    off_road = odd.data.open("coco-outlines", coco, exclude=ROAD_CATEGORIES)
    ignored_there = {entry.name: index for index, entry in enumerate(off_road.entries)}
    traffic = odd.data.open(
        "coco-outlines", coco, exclude=[name for name in CATEGORIES if name not in STREET]
    )

    def read(text: Path, size: tuple[int, int]) -> tuple[np.ndarray, None]:
        known = np.zeros(size, np.uint8)
        if text.stem in ignored_there:
            labels = off_road[ignored_there[text.stem]].labels
            known[labels != IGNORED] = IGNORED
        return known, None

    dataset = replace(traffic, read_truth=read)
    streets = [entry for entry, scene in zip(traffic.entries, traffic, strict=True) if _is_street(scene)]
    return replace(dataset, entries=tuple(streets))


def _is_street(scene: Scene) -> bool:
    """Whether outlines of traffic cover two hundredths of a picture."""
    return bool((scene.labels != IGNORED).mean() > 0.02)


def _save(folder: Path, name: str, image: np.ndarray, mask: np.ndarray) -> None:
    for part, array in (("images", image), ("labels_masks", mask)):
        (folder / part).mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(folder / part / f"{name}.png")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

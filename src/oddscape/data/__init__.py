"""Data sets: each opens a folder and yields :class:`~oddscape.scenes.Scene` objects."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

from oddscape.data import (
    ade20k,
    bdd_anomaly,
    camvid,
    cityscapes,
    coco_outlines,
    fishyscapes,
    folder,
    idd_lite,
    lost_and_found,
    masks,
    roadanomaly,
    smiyc,
    streethazards,
)
from oddscape.data.dataset import Dataset, Entry, missing_files
from oddscape.data.files import read_image, read_mask
from oddscape.data.transforms import resize_image, resize_mask
from oddscape.errors import OddscapeError

__all__ = ["DATASETS", "Dataset", "Entry", "open", "read_image", "read_mask", "resize_image", "resize_mask"]

DATASETS: dict[str, Callable[..., Dataset]] = {
    "ade20k": ade20k.ade20k,
    "bdd-anomaly": bdd_anomaly.bdd_anomaly,
    "camvid": camvid.camvid,
    "cityscapes": cityscapes.cityscapes,
    "coco-outlines": coco_outlines.coco_outlines,
    "fishyscapes-lost-and-found": fishyscapes.fishyscapes_lost_and_found,
    "fishyscapes-static": fishyscapes.fishyscapes_static,
    "folder": folder.folder,
    "idd-lite": idd_lite.idd_lite,
    "lost-and-found": lost_and_found.lost_and_found,
    "masks": masks.masks,
    "roadanomaly": roadanomaly.roadanomaly,
    "roadanomaly21": smiyc.roadanomaly21,
    "roadobstacle21": smiyc.roadobstacle21,
    "streethazards": streethazards.streethazards,
    "streethazards-13": streethazards.streethazards_13,
    "town": streethazards.town,
}
"""Name → function that opens the data set in a directory."""


def open(name: str, directory: str | Path, **options: Any) -> Dataset:
    """Open a data set by name.

    Args:
        name: a name in :data:`DATASETS`.
        directory: where the data set lies.
        options: further arguments of the data set's own function, such as ``split``.

    Raises:
        OddscapeError: the name or an option is unknown, the directory is not laid out as expected, or a
            picture or label file is missing.
    """
    dataset = find(name, directory, **options)
    if missing := missing_files(dataset):
        more = f" (and {len(missing) - 1} more missing)" if len(missing) > 1 else ""
        raise OddscapeError(missing[0] + more)
    return dataset


def find(name: str, directory: str | Path, **options: Any) -> Dataset:
    """Find a data set's scenes as :func:`open` does, whether each file is there or not.

    Raises:
        OddscapeError: the name or an option is unknown, or the directory is not laid out as expected.
    """
    if name not in DATASETS:
        raise OddscapeError(f"unknown data set {name!r}; there are {', '.join(DATASETS)}")
    accepted = list(signature(DATASETS[name]).parameters)[1:]
    if unknown := sorted(options.keys() - set(accepted)):
        raise OddscapeError(f"{name} has no option {', '.join(unknown)}; it has {', '.join(accepted)}")
    return DATASETS[name](Path(directory), **options)

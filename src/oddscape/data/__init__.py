"""Data sets: each opens a folder and yields :class:`~oddscape.scenes.Scene` objects."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

from oddscape.data import ade20k, camvid, coco_outlines, masks, streethazards
from oddscape.data.dataset import Dataset, Entry
from oddscape.data.files import read_image, read_mask
from oddscape.data.transforms import resize_image, resize_mask
from oddscape.errors import OddscapeError

__all__ = ["DATASETS", "Dataset", "Entry", "open", "read_image", "read_mask", "resize_image", "resize_mask"]

DATASETS: dict[str, Callable[..., Dataset]] = {
    "ade20k": ade20k.ade20k,
    "camvid": camvid.camvid,
    "coco-outlines": coco_outlines.coco_outlines,
    "masks": masks.masks,
    "roadanomaly": masks.roadanomaly,
    "roadanomaly21": masks.roadanomaly21,
    "roadobstacle21": masks.roadobstacle21,
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
        OddscapeError: the name or an option is unknown, or the directory is not laid out as expected.
    """
    if name not in DATASETS:
        raise OddscapeError(f"unknown data set {name!r}; there are {', '.join(DATASETS)}")
    accepted = list(signature(DATASETS[name]).parameters)[1:]
    if unknown := sorted(options.keys() - set(accepted)):
        raise OddscapeError(f"{name} has no option {', '.join(unknown)}; it has {', '.join(accepted)}")
    return DATASETS[name](Path(directory), **options)

"""CamVid (Brostow et al., 2009) in SegNet's packaging, some of its classes held out as anomalies.

``<directory>/{train,val,test}/<recording>_<n>.{png,jpg,webp}`` with
``<directory>/{train,val,test}annot/<recording>_<n>.png``, 480×360.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from oddscape.data.dataset import Dataset, Entry
from oddscape.data.layout import partners, pictures_in
from oddscape.data.truth import read_labels
from oddscape.errors import OddscapeError
from oddscape.labels import LabelSpace

SPLITS = ("train", "val", "test")
_EXPECTED = "expected {train,val,test}/<name>.{png,jpg,webp} and {train,val,test}annot/<name>.png"

# By raw label, which begins at 0.
_CLASSES = {
    "sky": (112, 160, 208),
    "building": (128, 30, 30),
    "pole": (190, 190, 130),
    "road": (104, 72, 120),
    "pavement": (60, 40, 210),
    "tree": (120, 130, 20),
    "sign": (200, 140, 130),
    "fence": (64, 70, 128),
    "car": (70, 20, 120),
    "pedestrian": (80, 70, 20),
    "bicyclist": (20, 130, 190),
}
_VOID = 11


def label_space(held_out: Sequence[str] = ("pedestrian", "bicyclist")) -> LabelSpace:
    """Number the classes that are not held out; the others are anomalies, void is ignored.

    Raises:
        OddscapeError: a held-out name is no class of CamVid.
    """
    unknown = sorted(set(held_out) - set(_CLASSES))
    if unknown:
        raise OddscapeError(f"camvid has no class {', '.join(unknown)}; it has {', '.join(_CLASSES)}")
    raw = {name: value for value, name in enumerate(_CLASSES)}
    known = [name for name in _CLASSES if name not in held_out]
    return LabelSpace(
        name=f"camvid-{len(known)}",
        classes=tuple(known),
        colours=tuple(_CLASSES[name] for name in known),
        raw_to_train={raw[name]: train for train, name in enumerate(known)},
        anomalies=frozenset(raw[name] for name in held_out),
        ignored=frozenset({_VOID}),
    )


def camvid(
    directory: Path,
    split: str = "test",
    held_out: str | Sequence[str] = ("pedestrian", "bicyclist"),
    held_out_pictures: str = "keep",
) -> Dataset:
    """Open a split of CamVid; a fold is a recording, such as ``"0016E5"``.

    Args:
        directory: the folder that holds the splits.
        split: ``"train"``, ``"val"`` or ``"test"``.
        held_out: names of classes that are anomalies (truth 1, label 255), also as one text with commas;
            none for closed-set work.
        held_out_pictures: ``"drop"`` leaves out each picture with a held-out pixel (all masks are read
            once); the length of the data set says how many remain. ``"keep"`` keeps them.

    Raises:
        OddscapeError: an option is unknown; a folder or a mask is missing; no picture is there or left.
    """
    for given, allowed in (split, SPLITS), (held_out_pictures, ("keep", "drop")):
        if given not in allowed:
            raise OddscapeError(f"camvid: {given!r} is not one of {', '.join(allowed)}")
    space = label_space(held_out.split(",") if isinstance(held_out, str) and held_out else held_out)
    images = pictures_in(directory / split, _EXPECTED)
    truths = partners(images, directory / f"{split}annot", _EXPECTED)
    entries = tuple(
        Entry(image.stem, image, truth, fold=image.stem.split("_")[0])
        for image, truth in zip(images, truths, strict=True)
    )
    dataset = Dataset("camvid", space, entries, partial(read_labels, label_space=space))
    return dataset if held_out_pictures == "keep" else _without_anomalies(dataset)


def _without_anomalies(dataset: Dataset) -> Dataset:
    pairs = zip(dataset.entries, dataset, strict=True)
    entries = tuple(entry for entry, scene in pairs if not np.any(scene.anomaly == 1))
    if not entries:
        raise OddscapeError(f"{dataset.name}: every picture holds pixels of held-out classes; none is left")
    return replace(dataset, entries=entries)

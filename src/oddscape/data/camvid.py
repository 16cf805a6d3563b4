"""CamVid (Brostow et al., 2009) in SegNet's packaging, some of its classes held out as anomalies.

``<directory>/{train,val,test}/<recording>_<n>.{png,jpg,webp}`` with
``<directory>/{train,val,test}annot/<recording>_<n>.png``, 480×360.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from oddscape.data.dataset import Dataset, Entry, class_dataset
from oddscape.data.label_spaces import held_out_values, numbered_classes
from oddscape.data.layout import one_of, partners, pictures_in
from oddscape.data.selection import entries_whose_mask
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


def label_space(held_out: str | Sequence[str] = ("pedestrian", "bicyclist")) -> LabelSpace:
    """Number the classes that are not held out; the others are anomalies, void is ignored.

    Raises:
        OddscapeError: a held-out name is no class of CamVid.
    """
    anomalies = held_out_values("camvid", _CLASSES, held_out)
    return numbered_classes("camvid-{}", _CLASSES, anomalies=anomalies, ignored={_VOID})


def camvid(
    directory: Path,
    split: str = "test",
    held_out: str | Sequence[str] = ("pedestrian", "bicyclist"),
    held_out_pictures: str = "keep",
) -> Dataset:
    """Open a split of CamVid; a fold and a sequence is a recording, such as ``"0016E5"``.

    Args:
        directory: the folder that holds the splits.
        split: ``"train"``, ``"val"`` or ``"test"``.
        held_out: names of classes that are anomalies (truth 1, label 255), also as one text with commas;
            none for closed-set work.
        held_out_pictures: ``"drop"`` leaves out each picture with a held-out pixel (all masks are read
            once); the length of the data set says how many remain. ``"keep"`` keeps them.

    Raises:
        OddscapeError: an option is unknown; a folder is missing; no picture is there or left.
    """
    one_of("camvid", split, SPLITS)
    one_of("camvid", held_out_pictures, ("keep", "drop"))
    space = label_space(held_out)
    images = pictures_in(directory / split, _EXPECTED)
    truths = partners(images, directory / f"{split}annot", _EXPECTED)
    entries = tuple(map(_entry, images, truths))
    if held_out_pictures == "drop":
        entries = _without_anomalies(entries, space)
    return class_dataset("camvid", space, entries, "SegNet's")


def _entry(image: Path, truth: Path) -> Entry:
    recording = image.stem.split("_")[0]
    return Entry(image.stem, image, truth, fold=recording, sequence=recording)


def _without_anomalies(entries: tuple[Entry, ...], space: LabelSpace) -> tuple[Entry, ...]:
    anomalies = list(space.anomalies)
    left = entries_whose_mask(entries, lambda there: not there[anomalies].any())
    if not left:
        raise OddscapeError("camvid: every picture holds pixels of held-out classes; none is left")
    return left

"""A folder of one's own, however it is laid out: where pictures and masks lie and what the masks say."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from oddscape.data.dataset import Dataset, Entry, anomaly_dataset
from oddscape.data.label_spaces import mask_values
from oddscape.data.layout import PICTURE_SUFFIXES, existing, natural_order
from oddscape.errors import OddscapeError

_EXPECTED = "expected a folder of pictures and masks"


def folder(
    directory: Path,
    images: str = "images/*",
    masks: str = "labels_masks/{}.png",
    known: str = "0",
    anomaly: str = "1",
    ignored: str = "255",
    recording: str = "",
) -> Dataset:
    """Open pictures and masks that lie anywhere below a folder.

    Args:
        directory: the folder.
        images: glob pattern of the pictures in it, as in ``"**/*_rgb.jpg"``.
        masks: where the mask of a picture lies; ``{}`` stands for the picture's file name without suffix.
        known: values in the masks that stand for known pixels, as in ``"0,2"``.
        anomaly: values that stand for anomalies.
        ignored: values of pixels that no figure counts.
        recording: regular expression found in a picture's name; its first group, or else all of it, names the
            recording that the picture was taken from.

    Raises:
        OddscapeError: no folder, no picture, two of one name, an option that cannot be read, or a value of
            masks that is given twice.
    """
    found = (
        path
        for path in existing(directory, _EXPECTED).glob(images)
        if path.suffix.lower() in PICTURE_SUFFIXES
    )
    pictures = sorted(found, key=natural_order)
    if not pictures:
        raise OddscapeError(f"no picture {images!r} in {directory}")
    for name, count in Counter(path.stem for path in pictures).items():
        if count > 1:
            raise OddscapeError(f"{count} pictures of {images!r} in {directory} are called {name!r}")
    if "{}" not in masks:
        raise OddscapeError(f"masks = {masks!r}: expected {{}} for the picture's name, as in labels/{{}}.png")
    entries = tuple(
        Entry(path.stem, path, directory / masks.format(path.stem), sequence=sequence)
        for path, sequence in zip(pictures, _recordings(pictures, recording), strict=True)
    )
    values = {
        name: _values(name, text)
        for name, text in (("known", known), ("anomaly", anomaly), ("ignored", ignored))
    }
    for value, count in Counter(value for meant in values.values() for value in meant).items():
        if count > 1:
            raise OddscapeError(f"label value {value} is given twice among known, anomaly and ignored")
    encoding = mask_values(
        "folder", known=values["known"], anomalies=values["anomaly"], ignored=values["ignored"]
    )
    return anomaly_dataset("folder", encoding, entries, f"{images} with {masks}")


def _recordings(pictures: list[Path], pattern: str) -> list[str]:
    if not pattern:
        return [""] * len(pictures)
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise OddscapeError(f"recording = {pattern!r} is no regular expression: {error}") from None
    return [_recording(expression, picture) for picture in pictures]


def _recording(expression: re.Pattern[str], picture: Path) -> str:
    found = expression.search(picture.stem)
    if found is None:
        raise OddscapeError(f"{picture}: no recording {expression.pattern!r} in its name")
    return found.group(1) if expression.groups else found.group()


def _values(name: str, text: str) -> list[int]:
    try:
        values = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        values = [-1]
    if not all(0 <= value <= 255 for value in values):
        raise OddscapeError(f"{name} = {text!r}: expected values of 0 to 255, as in 0,2")
    return values

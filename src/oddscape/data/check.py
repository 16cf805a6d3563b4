"""Looking through a data set before anything is computed from it: what is there, and what is wrong."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddscape import data as data_sets
from oddscape.advance import Advance
from oddscape.data.dataset import Dataset, Entry, missing_files
from oddscape.data.files import read_image, read_mask
from oddscape.errors import OddscapeError
from oddscape.labels import IGNORED, LabelSpace, spans

_READERS = 2

# Data set and split ("" where it has none) → pictures, as its authors or the benchmark's program count them.
_PICTURES = {
    ("ade20k", "training"): 20_210,
    ("ade20k", "validation"): 2_000,
    ("bdd-anomaly", "train"): 6_280,
    ("bdd-anomaly", "validation"): 910,
    ("bdd-anomaly", "test"): 810,
    ("camvid", "train"): 367,
    ("camvid", "val"): 101,
    ("camvid", "test"): 233,
    ("cityscapes", "train"): 2_975,
    ("cityscapes", "val"): 500,
    ("fishyscapes-lost-and-found", ""): 100,
    ("fishyscapes-static", ""): 30,
    ("idd-lite", "train"): 1_403,
    ("idd-lite", "val"): 204,
    ("lost-and-found", "test"): 1_043,
    ("roadanomaly", ""): 60,
    ("roadanomaly21", "validation"): 10,
    ("roadobstacle21", "validation"): 30,
    ("streethazards", "training"): 5_125,
    ("streethazards", "validation"): 1_031,
    ("streethazards", "test"): 1_500,
    ("streethazards-13", "training"): 5_125,
    ("streethazards-13", "validation"): 1_031,
    ("streethazards-13", "test"): 1_500,
}
# Options that leave the number of pictures as it is.
_HARMLESS = {"split", "held_out", "version"}


@dataclass(frozen=True)
class LabelCount:
    """How often a value occurs in the label files.

    Args:
        value: the value as stored.
        meaning: ``"known"``, ``"anomaly"``, ``"ignored"``, ``"unknown"``, or ``"segment"`` of a negative.
        name: the class's name, where the value stands for a known one.
        pixels: how many pixels have it.
    """

    value: int
    meaning: str
    name: str
    pixels: int


@dataclass(frozen=True)
class CheckReport:
    """What a data set's folder holds.

    Args:
        name: the data set's name.
        directory: its folder.
        packaging: which of the layouts in use was found, and the version where the set has several.
        pictures: how many there should be, by the folder.
        with_truth: how many of them have a label file.
        expected: how many pictures the set is known to have; None where nobody has said.
        folds: number of pictures by fold; no entry where the set has no folds.
        sequences: number of recordings named, 0 where none is: then each picture is a unit of its own.
        sizes: number of pictures by (H, W).
        labels: each value in the label files, ascending.
        anomalous_share: anomalous pixels as a share of all that are not ignored; NaN without any.
        never_seen: values that the encoding knows and no label file holds.
        missing: each missing file, a line each.
        broken: each file that cannot be used and why, a line each.
        problems: what is wrong and how to put it right, a line each; empty where all is well.
    """

    name: str
    directory: Path
    packaging: str
    pictures: int
    with_truth: int
    expected: int | None
    folds: Mapping[str, int]
    sequences: int
    sizes: Mapping[tuple[int, int], int]
    labels: tuple[LabelCount, ...]
    anomalous_share: float
    never_seen: tuple[int, ...]
    missing: tuple[str, ...]
    broken: tuple[str, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class _Look:
    """What one entry's files hold; nothing where they are missing or broken."""

    entry: Entry
    size: tuple[int, int] | None = None
    histogram: NDArray[np.int64] | None = None
    broken: str = ""


def check(
    name: str, directory: str | Path, *, progress: Advance = lambda _done, _total: None, **options: Any
) -> CheckReport:
    """Read each picture and each label file of a data set once, and say what is there and what is wrong.

    Args:
        name: a name in ``odd.data.DATASETS``.
        directory: where the data set lies.
        progress: called with the number of pictures read and of all.
        options: options of the data set's reader, such as ``split``.

    Raises:
        OddscapeError: the name or an option is unknown, or the directory is not laid out as expected.
    """
    dataset = data_sets.find(name, directory, **options)
    missing = tuple(missing_files(dataset))
    looks = _look_through(dataset, progress)
    broken = tuple(look.broken for look in looks if look.broken)
    labels = _label_counts(dataset.encoding, looks)
    expected = _expected_pictures(name, options)
    problems = (
        *_number_problem(len(dataset), expected),
        *_file_problems("missing", missing, "put what is missing there, or get the set again"),
        *_file_problems("unusable", broken, "mend what is listed, or get it again"),
        *_unknown_values(dataset, looks),
        *_no_anomaly(dataset, labels),
    )
    return CheckReport(
        name=name,
        directory=Path(directory),
        packaging=dataset.packaging,
        pictures=len(dataset),
        with_truth=sum(entry.truth is not None and entry.truth.is_file() for entry in dataset.entries),
        expected=expected,
        folds=Counter(entry.fold for entry in dataset.entries if entry.fold),
        sequences=len({entry.sequence for entry in dataset.entries} - {""}),
        sizes=Counter(look.size for look in looks if look.size is not None),
        labels=labels,
        anomalous_share=_anomalous_share(labels),
        never_seen=_never_seen(dataset.encoding, labels),
        missing=missing,
        broken=broken,
        problems=problems,
    )


def _look_through(dataset: Dataset, progress: Advance) -> list[_Look]:
    looks = []
    with ThreadPoolExecutor(_READERS) as pool:
        for look in pool.map(lambda entry: _look(dataset, entry), dataset.entries):
            looks.append(look)
            progress(len(looks), len(dataset))
    return looks


def _look(dataset: Dataset, entry: Entry) -> _Look:
    if not entry.image.is_file():
        return _Look(entry)
    size = None
    try:
        height, width = read_image(entry.image).shape[:2]
        size = (height, width)
        if entry.truth is None or not entry.truth.is_file():
            return _Look(entry, size)
        return _Look(entry, size, _histogram(dataset, entry.truth, size))
    except OddscapeError as error:
        return _Look(entry, size, broken=str(error))


def _histogram(dataset: Dataset, truth: Path, size: tuple[int, int]) -> NDArray[np.int64]:
    values = read_mask(truth, size) if dataset.encoding else dataset.read_truth(truth, size)[0]
    return np.bincount(np.ravel(values), minlength=256) if values is not None else np.zeros(256, np.int64)


def _label_counts(encoding: LabelSpace | None, looks: Sequence[_Look]) -> tuple[LabelCount, ...]:
    histograms = [look.histogram for look in looks if look.histogram is not None]
    total = np.sum(histograms, axis=0) if histograms else np.zeros(256, np.int64)
    seen = [(value, int(pixels)) for value, pixels in enumerate(total) if pixels]
    return tuple(LabelCount(value, *_meaning(encoding, value), pixels) for value, pixels in seen)


def _meaning(encoding: LabelSpace | None, value: int) -> tuple[str, str]:
    """What a value stands for, and the class's name."""
    if encoding is None:
        return ("ignored" if value == IGNORED else "segment"), ""
    if value in encoding.raw_to_train:
        return "known", encoding.classes[encoding.raw_to_train[value]]
    if value in encoding.anomalies:
        return "anomaly", ""
    return ("ignored" if value in encoding.ignored else "unknown"), ""


def _anomalous_share(labels: Sequence[LabelCount]) -> float:
    pixels: Counter[str] = Counter()
    for label in labels:
        pixels[label.meaning] += label.pixels
    counted = pixels["known"] + pixels["anomaly"]
    return pixels["anomaly"] / counted if counted else math.nan


def _never_seen(encoding: LabelSpace | None, labels: Sequence[LabelCount]) -> tuple[int, ...]:
    seen = {label.value for label in labels}
    return tuple(value for value in encoding.raw_values if value not in seen) if encoding else ()


def _expected_pictures(name: str, options: Mapping[str, Any]) -> int | None:
    if options.keys() - _HARMLESS:
        return None
    split = signature(data_sets.DATASETS[name]).parameters.get("split")
    chosen = options.get("split", split.default if split else "")
    return _PICTURES.get((name, chosen))


def _number_problem(pictures: int, expected: int | None) -> list[str]:
    if expected in (None, pictures):
        return []
    what = "some were lost: get the set again" if pictures < (expected or 0) else "some are no part of it"
    return [f"{pictures} pictures where {expected} are expected: {what}"]


def _file_problems(kind: str, lines: Sequence[str], remedy: str) -> list[str]:
    files = "1 file is" if len(lines) == 1 else f"{len(lines)} files are"
    return [f"{files} {kind}: {remedy}"] if lines else []


def _unknown_values(dataset: Dataset, looks: Sequence[_Look]) -> list[str]:
    if dataset.encoding is None:
        return []
    known = dataset.encoding.raw_values
    holders: dict[int, list[Path | None]] = {}
    for look in looks:
        for value in np.flatnonzero(look.histogram).tolist() if look.histogram is not None else ():
            if value not in known:
                holders.setdefault(value, []).append(look.entry.truth)
    return [
        f"label value {value} is unknown ({dataset.name} knows {spans(known)}): write it as one of these "
        f"in {len(masks)} label {'file' if len(masks) == 1 else 'files'}, the first: {masks[0]}"
        for value, masks in sorted(holders.items())
    ]


def _no_anomaly(dataset: Dataset, labels: Sequence[LabelCount]) -> list[str]:
    meanings = {label.meaning for label in labels}
    # A set that names classes may well be for training; one of masks alone is there for its anomalies.
    if dataset.label_space or dataset.encoding is None or not labels or "anomaly" in meanings:
        return []
    ignored = f", and {IGNORED} counts nowhere" if "ignored" in meanings else ""
    return [
        f"no pixel is anomalous, so AP and AUROC are undefined: masks must say "
        f"{spans(sorted(dataset.encoding.anomalies))} where an anomaly is{ignored}"
    ]

"""A data set: a sequence of scenes that are read when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from oddscape.data.files import read_image
from oddscape.data.truth import Truth, read_anomaly, read_labels
from oddscape.labels import LabelSpace
from oddscape.scenes import Scene


class Scenes(Protocol):
    """What can be asked for its scenes one by one: a data set, or a list."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Scene: ...


@dataclass(frozen=True)
class Entry:
    """Where one scene lies on disk: its name and files, its fold and sequence (see ``Scene``).

    ``label_space`` is what its label file means where that is not the data set's own encoding.
    """

    name: str
    image: Path
    truth: Path | None = None
    fold: str = ""
    sequence: str = ""
    label_space: LabelSpace | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Scenes on disk, in a fixed order; ``dataset[i]`` reads one.

    Args:
        name: the data set's name in ``odd.data.DATASETS``.
        label_space: its known classes, or None where it has anomaly truth alone.
        entries: where the scenes lie; a reader lists files without looking whether each is there.
        read_truth: reads an entry's truth for a picture of size (H, W); raises ``OddscapeError`` on a bad
            file. Entries with a label space of their own are read by that.
        encoding: what the values in its masks mean, or None where they mean neither known nor anomaly.
        packaging: which of the layouts in use the folder has, in words.
    """

    name: str
    label_space: LabelSpace | None
    entries: tuple[Entry, ...]
    read_truth: Callable[[Path, tuple[int, int]], Truth]
    encoding: LabelSpace | None = None
    packaging: str = ""

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Scene:
        entry = self.entries[index]
        scene = Scene(entry.name, read_image(entry.image), fold=entry.fold, sequence=entry.sequence)
        if entry.truth is None:
            return scene
        if entry.label_space is None:
            labels, anomaly = self.read_truth(entry.truth, scene.size)
        else:
            labels, anomaly = read_labels(entry.truth, scene.size, entry.label_space)
        return replace(scene, labels=labels, anomaly=anomaly)

    def __iter__(self) -> Iterator[Scene]:
        return (self[index] for index in range(len(self)))

    @property
    def folds(self) -> tuple[str, ...]:
        """Names of the folds, in order of first appearance."""
        return tuple(dict.fromkeys(entry.fold for entry in self.entries))


def class_dataset(name: str, space: LabelSpace, entries: Iterable[Entry], packaging: str = "") -> Dataset:
    """Make a data set whose masks name classes, and anomalies where the label space has any."""
    return Dataset(name, space, tuple(entries), partial(read_labels, label_space=space), space, packaging)


def anomaly_dataset(
    name: str, encoding: LabelSpace, entries: Iterable[Entry], packaging: str = ""
) -> Dataset:
    """Make a data set whose masks tell anomalies from the rest and name no class."""
    read_truth = partial(read_anomaly, label_space=encoding)
    return Dataset(name, None, tuple(entries), read_truth, encoding, packaging)


def missing_files(dataset: Dataset) -> list[str]:
    """Name each picture and each label file that the data set should have and is not there, a line each."""
    lines = []
    for image, truth in ((entry.image, entry.truth) for entry in dataset.entries):
        if not image.is_file():
            lines.append(f"{truth or image}: no picture {image.name} in {image.parent}")
        elif truth is not None and not truth.is_file():
            lines.append(f"{image}: no label file {truth.name} in {truth.parent}")
    return lines

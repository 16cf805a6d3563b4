"""A data set: a sequence of scenes that are read when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from oddscape.data.files import read_image
from oddscape.data.truth import Truth
from oddscape.labels import LabelSpace
from oddscape.scenes import Scene


class Scenes(Protocol):
    """What can be asked for its scenes one by one: a data set, or a list."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Scene: ...


@dataclass(frozen=True)
class Entry:
    """Where one scene lies on disk: its name, its files and its fold."""

    name: str
    image: Path
    truth: Path | None = None
    fold: str = ""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Scenes on disk, in a fixed order; ``dataset[i]`` reads one.

    Args:
        name: the data set's name in ``odd.data.DATASETS``.
        label_space: its known classes, or None where it has anomaly truth alone.
        entries: where the scenes lie.
        read_truth: reads an entry's truth for a picture of size (H, W); raises ``OddscapeError`` on a bad
            file.
    """

    name: str
    label_space: LabelSpace | None
    entries: tuple[Entry, ...]
    read_truth: Callable[[Path, tuple[int, int]], Truth]

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Scene:
        entry = self.entries[index]
        scene = Scene(entry.name, read_image(entry.image), fold=entry.fold)
        if entry.truth is None:
            return scene
        labels, anomaly = self.read_truth(entry.truth, scene.size)
        return replace(scene, labels=labels, anomaly=anomaly)

    def __iter__(self) -> Iterator[Scene]:
        return (self[index] for index in range(len(self)))

    @property
    def folds(self) -> tuple[str, ...]:
        """Names of the folds, in order of first appearance."""
        return tuple(dict.fromkeys(entry.fold for entry in self.entries))

"""Several data sets of the same classes as one, each picture's labels read as its own data set means them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from oddscape.data.dataset import Dataset, Entry, class_dataset
from oddscape.errors import OddscapeError
from oddscape.labels import LabelSpace


def joined(parts: Mapping[str, Dataset], times: Mapping[str, int] | None = None) -> Dataset:
    """Join data sets of the same classes.

    Args:
        parts: the data sets by name; a scene is called by its part's name and its own: ``"town/t1/7"``.
        times: how often each scene of a part is listed, all of them before the first again; one that is not
            named: once.

    Returns:
        The parts' entries in their order; its label space names the classes, its entries say what their label
        files mean.

    Raises:
        OddscapeError: a part has no class labels, or its classes differ from those of the first in name or
            order.
    """
    times = times or {}
    spaces = {name: _class_labels(name, part) for name, part in parts.items()}
    (first, classes), *others = ((name, space.classes) for name, space in spaces.items())
    for name, its in others:
        if its != classes:
            raise OddscapeError(
                f"{first} and {name} cannot be joined, their classes differ: "
                f"{', '.join(classes)} in {first}, {', '.join(its)} in {name}"
            )
    entries = tuple(
        entry
        for name, part in parts.items()
        for entry in tuple(_renamed(name, part, spaces[name])) * times.get(name, 1)
    )
    name = " + ".join(parts)
    meant = replace(spaces[first], name=name, raw_to_train={}, anomalies=frozenset(), ignored=frozenset())
    return class_dataset(name, meant, entries)


def _class_labels(name: str, part: Dataset) -> LabelSpace:
    if part.label_space is None:
        raise OddscapeError(f"{name} has no class labels to be joined by")
    return part.label_space


def _renamed(name: str, part: Dataset, space: LabelSpace) -> Iterator[Entry]:
    for entry in part.entries:
        yield replace(entry, name=f"{name}/{entry.name}", label_space=entry.label_space or space)

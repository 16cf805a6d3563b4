"""Making label spaces from lists of classes, and from values in masks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from oddscape.errors import OddscapeError
from oddscape.labels import LabelSpace

Colour = tuple[int, int, int]


def numbered_classes(
    name: str,
    classes: Mapping[str, Colour],
    *,
    first: int = 0,
    anomalies: Iterable[int] = (),
    ignored: Iterable[int] = (),
) -> LabelSpace:
    """Give train ids to the classes that are neither anomalies nor ignored, in their order.

    Args:
        name: what the reading is called; ``{}`` stands for the number of known classes.
        classes: name → colour, in the order of the raw values.
        first: raw value of the first class.
        anomalies: raw values that stand for an anomaly.
        ignored: raw values that nothing counts.
    """
    anomalies, ignored = frozenset(anomalies), frozenset(ignored)
    known = [(raw, word) for raw, word in enumerate(classes, first) if raw not in anomalies | ignored]
    return LabelSpace(
        name=name.format(len(known)),
        classes=tuple(word for _, word in known),
        colours=tuple(classes[word] for _, word in known),
        raw_to_train={raw: train for train, (raw, _) in enumerate(known)},
        anomalies=anomalies,
        ignored=ignored,
    )


def held_out_values(
    dataset: str, classes: Mapping[str, Colour], held_out: str | Collection[str]
) -> frozenset[int]:
    """Turn names of classes, a list or one text with commas, into their raw values, which begin at 0.

    Raises:
        OddscapeError: a name is no class of the data set.
    """
    names = held_out.split(",") if isinstance(held_out, str) and held_out else held_out
    if unknown := sorted(set(names) - set(classes)):
        raise OddscapeError(f"{dataset} has no class {', '.join(unknown)}; it has {', '.join(classes)}")
    return frozenset(raw for raw, name in enumerate(classes) if name in names)


def mask_values(
    name: str,
    *,
    known: Iterable[int] = (0,),
    anomalies: Iterable[int] = (1,),
    ignored: Iterable[int] = (255,),
) -> LabelSpace:
    """Say what the values mean in masks that tell anomalies from the rest and name no class."""
    train_ids = dict.fromkeys(known, 0)
    return LabelSpace(
        name, ("known",), ((128, 128, 128),), train_ids, frozenset(anomalies), frozenset(ignored)
    )

"""Classes by their names alone, as files of weights tell them, in the colours of a data set that has them."""

from __future__ import annotations

from collections.abc import Sequence

from oddscape.data import camvid
from oddscape.data.bdd_anomaly import BDD_ANOMALY
from oddscape.data.streethazards import STREETHAZARDS_13
from oddscape.labels import CITYSCAPES, LabelSpace, label_space_of

_SPACES = (camvid.label_space(held_out=()), CITYSCAPES, STREETHAZARDS_13, BDD_ANOMALY)


def classes_named(names: Sequence[str]) -> LabelSpace:
    """Name classes, and colour them as the first data set does that has classes of all these names.

    Args:
        names: of the K known classes, by train id.

    Returns:
        Names and colours, without an encoding of label files; the colours are those of numbered classes where
        no data set has all the names.
    """
    for space in _SPACES:
        colours = dict(zip(space.classes, space.colours, strict=True))
        if colours.keys() >= set(names):
            which = space.name if len(names) == len(colours) else f"{len(names)} of {space.name}"
            return LabelSpace(which, tuple(names), tuple(colours[name] for name in names))
    return LabelSpace("named", tuple(names), label_space_of(len(names)).colours)

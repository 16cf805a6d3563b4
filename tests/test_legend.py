"""The legend holds every colour of a class map, in order, beside some text."""

import numpy as np

from oddscape.labels import ANOMALY_COLOUR, CITYSCAPES, LabelSpace
from oddscape.legend import legend


def swatches(picture):
    """The colours down the left edge of the swatches, without those between them."""
    column = [tuple(pixel) for pixel in np.array(picture)[:, 20]]
    changes = [colour for colour, before in zip(column[1:], column, strict=False) if colour != before]
    return [colour for colour in changes if colour not in ((0, 0, 0), (255, 255, 255))]


def test_colours_come_in_the_classes_order():
    assert swatches(legend(CITYSCAPES, anomaly=False)) == list(CITYSCAPES.colours)
    assert swatches(legend(CITYSCAPES, anomaly=True)) == [*CITYSCAPES.colours, ANOMALY_COLOUR]


def test_long_names_have_room():
    def dark(name):
        pixels = np.array(legend(LabelSpace("one", (name,), ((90, 90, 90),)), anomaly=False))
        return (pixels[:, 48:] < 128).any((0, 2))

    assert dark("a").any()
    columns = dark("a very long name of a class that somebody has")
    assert columns.sum() > dark("a").sum()
    assert not columns[-5:].any()

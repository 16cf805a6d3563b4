"""Classes by their names, in the colours of the data set that has them."""

from oddscape.data.camvid import label_space
from oddscape.data.named_classes import classes_named
from oddscape.labels import CITYSCAPES, LabelSpace


def test_names_of_a_data_set_have_its_colours():
    known = label_space(held_out=())
    assert classes_named(known.classes) == LabelSpace("camvid-11", known.classes, known.colours)
    assert classes_named(CITYSCAPES.classes) == CITYSCAPES


def test_some_of_its_names_in_any_order_do_too():
    known = label_space()
    assert classes_named(known.classes) == LabelSpace("9 of camvid-11", known.classes, known.colours)
    reversed_ = classes_named(known.classes[::-1])
    assert (reversed_.classes, reversed_.colours) == (known.classes[::-1], known.colours[::-1])


def test_names_of_none_are_coloured_as_numbers():
    space = classes_named(["road", "sofa"])
    assert (space.name, space.classes) == ("named", ("road", "sofa"))
    assert len(set(space.colours)) == 2

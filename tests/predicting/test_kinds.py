"""The files of a picture, read again."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from oddscape.errors import OddscapeError
from oddscape.predicting.kinds import KINDS, drawn, encoded, picture_kinds, video_kinds
from oddscape.report.pictures import heat_map


def read(kind, prediction, boxes=False):
    return Image.open(BytesIO(encoded(kind, prediction, "street.png", boxes=boxes)))


@pytest.mark.parametrize(("kind", "maps"), [("classes", "classes"), ("open-set", "open_set")])
def test_class_maps_hold_train_ids_and_show_in_colours(prediction, kind, maps):
    labels, picture = getattr(prediction, maps), read(kind, prediction)
    np.testing.assert_array_equal(picture, labels)
    np.testing.assert_array_equal(picture.convert("RGB"), prediction.label_space.paint(labels))


def test_the_anomaly_map_is_black_and_white(prediction):
    np.testing.assert_array_equal(read("anomaly", prediction), prediction.anomaly)


def test_scores_are_exact(prediction):
    score = np.load(BytesIO(encoded("score", prediction, "", boxes=False)))
    np.testing.assert_array_equal(score, prediction.score)
    assert score.dtype == np.float32


def test_the_heat_map_has_its_colours(prediction):
    np.testing.assert_array_equal(read("heat", prediction).convert("RGB"), heat_map(prediction.score))
    flat = drawn("heat", prediction, boxes=False, heat_range=(100.0, 200.0))
    assert not np.any(flat)


def test_boxes_are_drawn_where_asked_for(prediction):
    plain, boxed = (np.array(read("overlay", prediction, boxes)) for boxes in (False, True))
    np.testing.assert_array_equal(plain, prediction.overlay())
    assert (plain != boxed).any()


def test_kinds_that_there_are_by_default():
    assert picture_kinds((), decides=True) == tuple(kind for kind in KINDS if kind != "anomaly")
    assert picture_kinds((), decides=False) == ("classes", "score", "heat", "overlay")
    assert video_kinds((), decides=True) == ("overlay", "heat", "regions")
    assert video_kinds(("score", "anomaly"), decides=True) == ("anomaly",)


@pytest.mark.parametrize(
    ("asked", "decides", "message"),
    [
        (("heat", "hat"), True, "--write hat: unknown; known: classes, open-set, anomaly, score"),
        (("regions",), False, "--write regions needs a threshold: give --threshold"),
        (("score",), True, "of videos, no scores are written"),
    ],
)
def test_kinds_that_cannot_be_had(asked, decides, message):
    with pytest.raises(OddscapeError, match=message):
        video_kinds(asked, decides=decides)


def test_what_is_drawn_without_a_threshold(prediction):
    undecided = replace(prediction, threshold=None)
    painted = prediction.label_space.paint(prediction.classes)
    np.testing.assert_array_equal(read("overlay", undecided), undecided.overlay())
    np.testing.assert_array_equal(undecided.overlay(1.0), painted)

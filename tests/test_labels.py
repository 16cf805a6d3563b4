import numpy as np
import pytest

from oddscape.labels import ANOMALY_COLOUR, IGNORED_COLOUR, LabelSpace, spans

SPACE = LabelSpace(
    "made", ("road", "sky"), ((1, 2, 3), (4, 5, 6)), {7: 0, 3: 1}, frozenset({9}), frozenset({0, 255})
)


def test_decoding_gives_train_ids_and_anomaly_truth():
    labels, anomaly = SPACE.decode(np.array([[7, 3, 9], [0, 255, 7]], np.uint8))
    assert labels.tolist() == [[0, 1, 255], [255, 255, 0]]
    assert anomaly.tolist() == [[0, 0, 1], [255, 255, 0]]
    assert labels.dtype == anomaly.dtype == np.uint8


def test_unknown_value_is_named_with_those_known():
    with pytest.raises(ValueError, match=r"unknown label value \[4, 8\]: 'made' knows \[0, 3, 7, 9, 255\]"):
        SPACE.decode(np.array([[8, 3], [4, 8]], np.uint8))


def test_painting_shows_classes_anomalies_and_the_ignored():
    painted = SPACE.paint(np.array([[0, 1, 2, 255]]))
    assert painted.dtype == np.uint8
    assert [tuple(colour) for colour in painted[0].tolist()] == [
        (1, 2, 3),
        (4, 5, 6),
        ANOMALY_COLOUR,
        IGNORED_COLOUR,
    ]


def test_spans_shorten_runs_of_three():
    assert spans([]) == ""
    assert spans([0, 1, 4]) == "0, 1, 4"
    assert spans([0, *range(2, 201), 255]) == "0, 2 to 200, 255"


def test_counts():
    assert SPACE.num_classes == 2
    assert SPACE.raw_values == (0, 3, 7, 9, 255)

"""Confusion matrices against plain loops."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from oddscape.errors import OddscapeError
from oddscape.metrics import ConfusionMatrix

K = 4
SHAPE = (2, 3, 5)
PREDICTED = arrays.arrays(np.uint8, SHAPE, elements=st.integers(0, K - 1))
LABELS = arrays.arrays(np.uint8, SHAPE, elements=st.sampled_from([*range(K), 255]))


def measured(predicted, labels):
    matrix = ConfusionMatrix(K)
    matrix.update(predicted, labels)
    return matrix.compute()


@given(PREDICTED, LABELS)
def test_figures_follow_their_definitions(predicted, labels):
    result = measured(predicted, labels)
    kept = labels != 255
    expected = []
    for k in range(K):
        hit = np.sum((predicted == k) & (labels == k))
        union = np.sum(((predicted == k) | (labels == k)) & kept)
        expected.append(hit / union if union else np.nan)
    np.testing.assert_array_equal(result.class_iou, expected)
    if kept.any():
        assert result.miou == pytest.approx(np.nanmean(expected))
        assert result.accuracy == pytest.approx(np.mean(predicted[kept] == labels[kept]))
    else:
        assert result.undefined == "no pixel counts"
        assert np.isnan([result.miou, result.accuracy]).all()


@given(PREDICTED, LABELS)
def test_rows_are_truth_and_columns_prediction(predicted, labels):
    expected = np.zeros((K, K), int)
    for truth, guess in zip(labels.ravel(), predicted.ravel(), strict=True):
        if truth != 255:
            expected[truth, guess] += 1
    np.testing.assert_array_equal(measured(predicted, labels).matrix, expected)


@given(PREDICTED, LABELS)
def test_merged_parts_equal_the_whole_in_numpy_and_torch(predicted, labels):
    first, second = ConfusionMatrix(K), ConfusionMatrix(K)
    first.update(torch.tensor(predicted[0]).long(), torch.tensor(labels[0]))
    second.update(predicted[1], labels[1].astype(np.int64))
    first.merge(second)
    np.testing.assert_array_equal(first.compute().matrix, measured(predicted, labels).matrix)


def test_predictions_on_ignored_pixels_may_be_anything():
    result = measured(np.array([[1, 99]]), np.array([[1, 255]]))
    assert (result.miou, result.accuracy) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("predicted", "labels", "message"),
    [
        ([[0, 4]], [[0, 1]], "predicted: classes 0 to 4 where 0 to 3 are expected"),
        ([[0, 1]], [[0, 7]], "labels: classes 0 to 7 where 0 to 3 are expected"),
        ([[0, -1]], [[0, 1]], "predicted: classes -1 to 0 where 0 to 3 are expected"),
        ([[0, 1]], [[0], [1]], "shapes differ"),
    ],
)
def test_bad_input_is_one_clear_line(predicted, labels, message):
    with pytest.raises(OddscapeError, match=message):
        measured(np.array(predicted), np.array(labels))


def test_other_numbers_of_classes_do_not_merge():
    with pytest.raises(OddscapeError, match="cannot merge 3 classes into 4"):
        ConfusionMatrix(4).merge(ConfusionMatrix(3))

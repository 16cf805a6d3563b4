"""AP and recall by size against scikit-learn on subsets and a plain flood fill."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics as sklearn

from oddscape.metrics.by_size import SIZE_CLASSES, component_sizes, figures_by_size
from oddscape.metrics.operating_points import average_precision, count_operating_points

CLASSES = ((1, 3), (4, 20), (21, None))
TRUTHS = arrays(
    np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.sampled_from([0, 1, 255])
)


def flooded(truth):
    """Size of each anomalous pixel's component, and all components' sizes, pixel by pixel."""
    sizes, components = np.zeros(truth.shape, int), []
    anomalous = list(zip(*np.nonzero(truth == 1), strict=True))
    for start in anomalous:
        if sizes[start]:
            continue
        found, border = {start}, [start]
        while border:
            row, column = border.pop()
            around = {(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} - found
            fresh = [p for p in around if p in anomalous]
            found.update(fresh)
            border.extend(fresh)
        components.append(len(found))
        for pixel in found:
            sizes[pixel] = len(found)
    return sizes[truth == 1], components


def made_pictures():
    rng = np.random.default_rng(2)
    truth = (rng.random((3, 40, 50)) < 0.25).astype(np.uint8)
    truth[rng.random(truth.shape) < 0.1] = 255
    return np.round(rng.standard_normal(truth.shape, dtype=np.float32) + (truth == 1), 1), truth


@given(TRUTHS)
def test_sizes_are_those_of_a_flood_fill(truth):
    np.testing.assert_array_equal(component_sizes(truth), flooded(truth)[0])


def test_a_diagonal_joins_and_ignored_pixels_part():
    truth = np.array([[1, 0, 1], [0, 1, 255], [255, 255, 1], [255, 255, 255], [1, 255, 1]])
    assert component_sizes(truth).tolist() == [4, 4, 4, 4, 1, 1]


def test_a_batch_is_its_pictures_joined():
    _, truth = made_pictures()
    np.testing.assert_array_equal(component_sizes(truth), np.concatenate([*map(component_sizes, truth)]))


def test_no_anomaly_has_no_sizes():
    assert component_sizes(np.zeros((2, 3))).size == 0


def test_figures_equal_scikit_learn_on_each_class():
    score, truth = made_pictures()
    sizes, threshold = component_sizes(truth), 0.3
    figures = figures_by_size(
        count_operating_points(score, truth), score[truth == 1], sizes, threshold, CLASSES
    )
    everything = [size for picture in truth for size in flooded(picture)[1]]
    for own, (smallest, largest) in zip(figures, CLASSES, strict=True):
        largest = largest or truth.size
        chosen = score[truth == 1][(sizes >= smallest) & (sizes <= largest)]
        scores = np.concatenate((chosen, score[truth == 0]))
        labels = np.arange(scores.size) < chosen.size
        assert own.average_precision == pytest.approx(
            sklearn.average_precision_score(labels, scores), abs=1e-12
        )
        assert own.recall == np.mean(chosen.astype(np.float64) >= threshold)
        assert own.pixels == chosen.size > 0
        assert own.components == sum(smallest <= size <= largest for size in everything)


@given(st.randoms(use_true_random=False))
def test_the_order_of_pixels_changes_nothing(random):
    score, truth = made_pictures()
    points, scores, sizes = count_operating_points(score, truth), score[truth == 1], component_sizes(truth)
    order = list(range(scores.size))
    random.shuffle(order)
    assert figures_by_size(points, scores[order], sizes[order], 0.0, CLASSES) == figures_by_size(
        points, scores, sizes, 0.0, CLASSES
    )


def test_one_class_of_all_sizes_is_the_whole():
    score, truth = made_pictures()
    points = count_operating_points(score, truth)
    (whole,) = figures_by_size(points, score[truth == 1], component_sizes(truth), 0.0, [(1, None)])
    assert whole.average_precision == average_precision(points)
    assert whole.pixels == points.positives


def test_a_threshold_is_not_rounded_to_the_scores_type():
    score, truth = np.array([[0.1, 0.0]], np.float32), np.array([[1, 0]])
    points = count_operating_points(score, truth)
    above, below = np.nextafter(np.float64(score[0, 0]), [1, 0])
    recalls = [
        figures_by_size(points, score[:, 0], component_sizes(truth), threshold)[0].recall
        for threshold in (above, below)
    ]
    assert recalls == [0, 1]


def test_an_empty_class_and_an_undefined_threshold_are_nan():
    score, truth = np.array([[0.5, 0.0]]), np.array([[1, 0]])
    figures = figures_by_size(
        count_operating_points(score, truth), score[truth == 1], component_sizes(truth), float("nan")
    )
    assert [(own.smallest, own.largest) for own in figures] == list(SIZE_CLASSES)
    assert [own.components for own in figures] == [1, 0, 0, 0]
    assert figures[0].average_precision == 1
    assert np.isnan([own.average_precision for own in figures[1:]]).all()
    assert np.isnan([own.recall for own in figures]).all()

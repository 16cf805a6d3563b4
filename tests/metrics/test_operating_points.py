"""Operating points and areas against scikit-learn and plain loops over thresholds."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from oddscape.metrics import auroc, average_precision, count_operating_points, fpr
from oddscape.metrics.operating_points import best_f1, count_split
from oddscape.metrics.sorting import sort_blocks

ANY_SCORES = st.integers(-5, 5) | st.floats(-2, 2, width=16) | st.sampled_from([np.inf, -np.inf, -0.0])
COUNTS = ("thresholds", "true_positives", "false_positives", "false_positives_above")


@st.composite
def pixels(draw, scores=ANY_SCORES):
    """Scores with many ties and truths of one picture, both kinds present: any float, uint8 [1, n]."""
    pairs = draw(st.lists(st.tuples(scores, st.sampled_from([0, 0, 1, 255])), min_size=2, max_size=60))
    score, truth = np.array(pairs).T
    truth = truth.astype(np.uint8)
    assume({0, 1} <= set(truth.tolist()))
    return score.astype(draw(st.sampled_from([np.float16, np.float32, np.float64])))[None], truth[None]


def counted(score, truth):
    keep = truth != 255
    return score[keep], truth[keep]


def ranked(score, truth):
    """The counted pixels' ranks, which scikit-learn takes where it refuses infinite scores, and truths."""
    score, truth = counted(score, truth)
    return np.unique(score, return_inverse=True)[1], truth


def naive_points(score, truth):
    """(threshold, TP, FP) at each distinct score of any pixel, from the highest."""
    score, truth = counted(score, truth)
    for threshold in np.unique(score)[::-1]:
        called = score >= threshold
        yield float(threshold), int(np.sum(called & (truth == 1))), int(np.sum(called & (truth == 0)))


def figures(points):
    return average_precision(points), auroc(points), fpr(points)[0], best_f1(points)[0]


def assert_same_counts(one, other):
    for name in COUNTS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert (one.positives, one.negatives) == (other.positives, other.negatives)


@given(pixels())
def test_counts_are_those_of_a_loop_over_thresholds(pictures):
    points = count_operating_points(*pictures)
    score, truth = counted(*pictures)
    for threshold, true, false, above in zip(*(getattr(points, name) for name in COUNTS), strict=True):
        assert true == np.sum(score[truth == 1] >= threshold)
        assert false == np.sum(score[truth == 0] >= threshold)
        assert above == np.sum(score[truth == 0] > threshold)
    np.testing.assert_array_equal(points.thresholds, np.unique(score[truth == 1])[::-1])


@given(pixels())
def test_average_precision_is_the_step_sum(pictures):
    points = count_operating_points(*pictures)
    previous, expected = 0.0, 0.0
    for _, true_positives, false_positives in naive_points(*pictures):
        recall = true_positives / points.positives
        expected += (recall - previous) * true_positives / (true_positives + false_positives)
        previous = recall
    assert average_precision(points) == pytest.approx(expected, abs=1e-12)


@given(pixels())
def test_auroc_is_the_share_of_pairs_in_order(pictures):
    rank, truth = ranked(*pictures)
    pairs = np.sign(rank[truth == 1][:, None] - rank[truth == 0][None])
    assert auroc(count_operating_points(*pictures)) == pytest.approx(np.mean((pairs + 1) / 2), abs=1e-12)


@given(pixels())
def test_areas_equal_scikit_learn(pictures):
    points = count_operating_points(*pictures)
    rank, truth = ranked(*pictures)
    expected = sklearn.average_precision_score(truth, rank)
    assert average_precision(points) == pytest.approx(expected, abs=1e-12)
    assert auroc(points) == pytest.approx(sklearn.roc_auc_score(truth, rank), abs=1e-12)


@given(pixels())
def test_best_f1_is_the_first_best_of_all_thresholds(pictures):
    points = count_operating_points(*pictures)
    best, at = max(
        (2 * true / (true + false + points.positives), threshold)
        for threshold, true, false in naive_points(*pictures)
    )
    assert best_f1(points) == (best, at)


def test_best_f1_equals_scikit_learn():
    score, truth = np.random.default_rng(1).random((1, 500)), np.arange(500)[None] % 3 == 0
    f1, threshold = best_f1(count_operating_points(score, truth.astype(int)))
    assert f1 == pytest.approx(sklearn.f1_score(truth[0], score[0] >= threshold), abs=1e-12)


def test_of_equal_f1_the_highest_threshold_counts():
    points = count_operating_points(np.array([[4.0, 3, 2, 1]]), np.array([[1, 0, 0, 1]]))
    assert best_f1(points) == (2 / 3, 4)


def test_a_tie_at_the_threshold_counts_as_called():
    points = count_operating_points(np.array([[1.0, 1.0, 0.0]]), np.array([[1, 0, 0]]))
    assert figures(points) == (0.5, 0.75, 0.5, pytest.approx(2 / 3))


@pytest.mark.parametrize("transform", [lambda s: 3 * s + 7, np.exp, lambda s: s**3])
@given(pictures=pixels(scores=st.integers(-5, 5)))
def test_monotone_transforms_change_nothing(transform, pictures):
    score, truth = pictures
    after = count_operating_points(transform(score.astype(np.float64)), truth)
    assert figures(count_operating_points(score, truth)) == figures(after)


@given(pixels(), st.randoms(use_true_random=False))
def test_the_order_of_pixels_changes_nothing(pictures, random):
    order = list(range(pictures[0].size))
    random.shuffle(order)
    assert_same_counts(
        count_operating_points(*pictures), count_operating_points(*(maps[:, order] for maps in pictures))
    )


@given(pixels(), st.sampled_from([np.nan, np.inf, -7.0]))
def test_ignored_pixels_never_matter(pictures, anything):
    score, truth = pictures
    changed = np.where(truth == 255, score.dtype.type(anything), score)
    assert_same_counts(count_operating_points(score, truth), count_operating_points(changed, truth))


@given(pixels(), st.lists(st.integers(0, 60), max_size=4), st.booleans())
def test_chunks_however_cut_count_as_the_whole(pictures, cuts, presorted):
    score, truth = counted(*pictures)
    known = np.split(score[truth == 0].astype(np.float64), sorted(cuts))
    chunks = [view for chunk in known for view in sort_blocks(chunk)] if presorted else known
    split = count_split(score[truth == 1].astype(np.float64), iter(chunks), presorted)
    assert_same_counts(split, count_operating_points(*pictures))


def test_callers_arrays_are_left_as_they_are():
    positives, negatives = np.array([2.0, 1.0]), np.array([3.0, 0.0])
    count_split(positives, [negatives])
    assert (positives.tolist(), negatives.tolist()) == ([2, 1], [3, 0])


@pytest.fixture
def _two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_two_threads")
@pytest.mark.parametrize("share", [0.01, 0.4])
def test_many_pixels_counted_by_blocks_and_threads_equal_scikit_learn(share):
    rng = np.random.default_rng(3)
    truth = (rng.random((2, 1000, 1024)) < share).astype(np.uint8)
    score = np.round(rng.standard_normal(truth.shape, dtype=np.float32) + truth, 6)
    points = count_operating_points(score, truth)
    false, true, thresholds = sklearn.roc_curve(truth.ravel(), score.ravel())
    first = np.argmax(true > 0.95)
    expected = sklearn.average_precision_score(truth.ravel(), score.ravel())
    assert average_precision(points) == pytest.approx(expected, abs=1e-12)
    assert auroc(points) == pytest.approx(sklearn.auc(false, true), abs=1e-12)
    assert fpr(points) == (false[first], thresholds[first])


@given(pixels(), st.data())
def test_some_anomalous_pixels_among_all_known_ones(pictures, data):
    score, truth = pictures
    anomalous = np.flatnonzero(truth == 1)
    kept = data.draw(st.sets(st.sampled_from(anomalous.tolist())))
    left_out = truth.copy()
    left_out[:, list(set(anomalous.tolist()) - kept)] = 255
    points = count_operating_points(score, truth)
    assert_same_counts(points.among(score[left_out == 1]), count_operating_points(score, left_out))


@pytest.mark.parametrize(
    ("truth", "reason"),
    [
        ([[1, 1]], "no known pixel among the 2 that count"),
        ([[0, 255]], "no anomalous pixel among the 1 that count"),
        ([[255, 255]], "no pixel counts"),
    ],
)
def test_one_kind_of_pixel_is_undefined_and_says_why(truth, reason):
    points = count_operating_points(np.array([[0.5, 1.0]]), np.array(truth))
    assert points.undefined == reason
    assert np.isnan([*figures(points), best_f1(points)[1]]).all()

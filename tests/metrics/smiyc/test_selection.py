"""Partly sorted scores against NumPy's sort."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddscape.metrics.smiyc import selection
from oddscape.metrics.smiyc.selection import fully_sorted, partly_sorted

SCORES = st.lists(
    st.sampled_from([-0.0, 0.0, 1e-40, -3.0, 7.5]) | st.floats(-(2.0**90), 2.0**90, width=32), min_size=1
)


@pytest.fixture
def always_in_bins(monkeypatch):
    """Small arrays take the way of large ones."""
    monkeypatch.setattr(selection, "_FEW", 0)


@pytest.mark.usefixtures("always_in_bins")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ranks_and_values_asked_for(dtype):
    @settings(max_examples=40, deadline=None)
    @given(SCORES, st.lists(st.integers(0, 10**6)), st.lists(st.floats(-(2.0**90), 2.0**90)))
    def check(scores, ranks, values):
        scores, values = np.array(scores, dtype), np.array([*values, *scores])
        ranks = np.array(ranks, np.intp) % scores.size
        order = partly_sorted(scores, ranks, values)
        np.testing.assert_array_equal(order.at(ranks), np.sort(scores)[ranks])
        np.testing.assert_array_equal(order.below(values), (scores.astype(float) < values[:, None]).sum(1))

    check()


def test_most_scores_stay_out_of_the_sort_of_many():
    scores = np.random.default_rng(0).standard_normal(300_000).astype(np.float32)
    ranks = np.arange(0, scores.size, 3000)
    order = partly_sorted(scores, ranks, np.array([0.3]))
    assert 0 < order.kept.size < scores.size / 4
    np.testing.assert_array_equal(order.at(ranks), np.sort(scores)[ranks])
    np.testing.assert_array_equal(order.below(np.array([0.3])), [(scores.astype(float) < 0.3).sum()])


def test_a_full_sort_answers_everything():
    scores = np.random.default_rng(0).standard_normal(300_000).astype(np.float32)
    order, expected = fully_sorted(scores), np.sort(scores)
    np.testing.assert_array_equal(order.at(np.arange(scores.size)), expected)
    np.testing.assert_array_equal(
        order.below(np.array([-9.0, 0.1, 9.0])), np.searchsorted(expected, [-9, 0.1, 9])
    )

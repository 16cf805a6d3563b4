"""Moments by class: against NumPy, and how they add up."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oddscape.errors import OddscapeError
from oddscape.scores.fitted.class_moments import merged_moments, moments_of, no_moments

K, C = 4, 3


def some_pixels(seed, count, offset=0.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, C)).astype(np.float32) + np.float32(offset), rng.integers(0, K - 1, count)


def naive(values, classes):
    """Count, mean and scatter of each class in float64; the last class has no pixel."""
    values = values.astype(np.float64)
    groups = [values[classes == k] for k in range(K)]
    means = [group.mean(0) if len(group) else np.zeros(C) for group in groups]
    scatters = [(g - mean).T @ (g - mean) for g, mean in zip(groups, means, strict=True)]
    return np.array([len(group) for group in groups]), np.array(means), np.array(scatters)


@pytest.mark.parametrize("kind", ["class", "shared", "diagonal"])
@given(
    seed=st.integers(0, 1000), cuts=st.lists(st.integers(0, 40), max_size=4), offset=st.sampled_from([0, 3e4])
)
@settings(max_examples=30)
def test_parts_add_up_to_the_whole(kind, seed, cuts, offset):
    values, classes = some_pixels(seed, 40, offset)
    moments = no_moments(K, C, kind)
    for v, c in zip(np.split(values, sorted(cuts)), np.split(classes, sorted(cuts)), strict=True):
        moments = merged_moments(moments, moments_of(torch.from_numpy(v), torch.from_numpy(c), K, kind))
    count, mean, scatter = naive(values, classes)
    wanted = {"class": scatter, "shared": scatter.sum(0), "diagonal": scatter.sum(0).diagonal()}[kind]
    np.testing.assert_array_equal(moments.count, count)
    np.testing.assert_allclose(moments.mean, mean, rtol=1e-12, atol=1e-12)
    # An offset of thirty thousand deviations costs a sum of squares nine of its sixteen digits.
    np.testing.assert_allclose(moments.scatter, wanted, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        moments.shared_scatter, wanted.sum(0) if kind == "class" else wanted, atol=1e-9
    )
    np.testing.assert_allclose(moments.total_mean, values.astype(np.float64).mean(0), rtol=1e-12, atol=1e-12)


def test_other_networks_do_not_add_up():
    with pytest.raises(OddscapeError, match=r"\[4, 3\] and \[5, 3\].*cannot be merged"):
        merged_moments(no_moments(K, C, "shared"), no_moments(K + 1, C, "shared"))

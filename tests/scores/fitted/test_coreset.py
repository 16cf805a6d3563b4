"""The bounded sample: of the whole whatever the parts, and uniform."""

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oddscape.errors import OddscapeError
from oddscape.scores.fitted.coreset import coreset_of, greedy_centres, merged_coreset, no_coreset


def rows(coreset):
    return {tuple(vector) for vector in coreset.vectors.tolist()}


@given(
    seed=st.integers(0, 1000),
    size=st.integers(1, 70),
    order=st.permutations(range(50)),
    cut=st.integers(0, 50),
)
@settings(max_examples=40)
def test_parts_in_any_order_make_the_sample_of_the_whole(seed, size, order, cut):
    vectors = torch.randn(50, 3, generator=torch.Generator().manual_seed(seed))
    shuffled = vectors[list(order)]
    sample = no_coreset(3, size)
    # Some vectors come twice.
    for part in (shuffled[:cut], shuffled[cut:], shuffled[: cut // 2]):
        sample = merged_coreset(sample, coreset_of(part, size))
    whole = coreset_of(vectors, size)
    assert torch.equal(sample.vectors, whole.vectors)
    assert len(rows(whole)) == min(size, 50)
    assert rows(whole) <= {tuple(vector) for vector in vectors.tolist()}


def test_is_uniform():
    vectors = torch.arange(20.0).view(20, 1)
    drawn = torch.zeros(20)
    for seed in range(1000):
        drawn[coreset_of(vectors, 5, seed).vectors.flatten().long()] += 1
    # 250 ± 14 by chance; the largest of 20 deviations stays below four.
    assert (drawn - 250).abs().max() < 4 * 14


def test_equal_vectors_count_once():
    vectors = torch.tensor([[0.0, 1.0], [-0.0, 1.0], [0.0, 1.0], [2.0, 3.0]])
    assert rows(coreset_of(vectors, 4)) == {(0.0, 1.0), (2.0, 3.0)}


def test_samples_of_different_kinds_do_not_merge():
    with pytest.raises(OddscapeError, match=r"\[5, 3\] and \[5, 4\] vectors and channels"):
        merged_coreset(no_coreset(3, 5), no_coreset(4, 5))


# ── Greedy centres ──────────────────────────────────────────────────────────────────────────────────────────


def distances(vectors):
    """[n, n], float64."""
    x = vectors.double().numpy()
    return np.sqrt(((x[:, None] - x[None]) ** 2).sum(-1))


def covering_radius(between, centres):
    """The largest distance of any vector to the nearest centre."""
    return between[:, list(centres)].min(1).max()


@given(seed=st.integers(0, 1000), n=st.integers(1, 40), count=st.integers(1, 45), channels=st.integers(1, 5))
@settings(max_examples=50)
def test_each_centre_is_the_farthest_from_those_before(seed, n, count, channels):
    vectors = torch.randn(n, channels, generator=torch.Generator().manual_seed(seed))
    between, naive = distances(vectors), [0]
    while len(naive) < min(n, count):
        naive.append(max(range(n), key=lambda i: min(between[i, j] for j in naive)))
    assert greedy_centres(vectors, count).tolist() == naive


@given(places=st.lists(st.tuples(*[st.integers(-9, 9)] * 2), min_size=1, max_size=9), count=st.integers(1, 4))
@settings(max_examples=100)
def test_covers_within_twice_the_best_radius(places, count):
    vectors = torch.tensor(places, dtype=torch.float32)
    between, numbers = distances(vectors), greedy_centres(vectors, count).tolist()
    best = min(
        covering_radius(between, some) for some in combinations(range(len(places)), min(count, len(places)))
    )
    assert covering_radius(between, numbers) <= 2 * best + 1e-6
    assert len({places[i] for i in numbers}) == len(numbers) == min(count, len(set(places)))


def test_no_vectors_have_no_centres():
    assert greedy_centres(torch.empty(0, 3), 4).tolist() == []

"""The bounded sample: of the whole whatever the parts, and uniform."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oddscape.errors import OddscapeError
from oddscape.scores.fitted.coreset import coreset_of, merged_coreset, no_coreset


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

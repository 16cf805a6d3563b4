"""Sorting by blocks against NumPy's sort, and work shared by threads."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oddscape.metrics import sorting


@pytest.mark.parametrize("width", [32, 64])
@pytest.mark.parametrize("radix", [True, False])
@given(data=st.data())
def test_a_block_is_sorted_as_numpy_sorts_it(width, radix, data):
    values = data.draw(st.lists(st.floats(width=width, allow_nan=False), max_size=40))
    scores = np.array(values, f"float{width}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorting, "_HAS_RADIX_SORT", radix)
        ordered = sorting.sort_block(scores)
    assert ordered.dtype == scores.dtype
    np.testing.assert_array_equal(ordered, np.sort(scores))


def test_long_arrays_are_sorted_in_place_block_by_block():
    scores = np.random.default_rng(0).standard_normal(sorting.BLOCK + 1000, dtype=np.float32)
    before = scores.copy()
    first, second = sorting.sort_blocks(scores)
    assert (first.size, second.size) == (sorting.BLOCK, 1000)
    np.testing.assert_array_equal(scores[: first.size], first)
    np.testing.assert_array_equal(first, np.sort(before[: first.size]))
    np.testing.assert_array_equal(second, np.sort(before[first.size :]))


@pytest.fixture(params=[1, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_every_item_is_worked_on_once_and_few_are_waiting(threads):
    taken, done, ahead = [], [], []

    def items():
        for item in range(50):
            taken.append(item)
            ahead.append(len(taken) - len(done))
            yield item

    sorting.for_each(done.append, items())
    assert sorted(done) == list(range(50))
    assert max(ahead) <= threads + 1


def test_a_fault_in_the_work_is_raised_and_threads_stay_as_they_were(threads):
    def fail(item):
        raise ValueError(item)

    with pytest.raises(ValueError, match="7"):
        sorting.for_each(fail, [7])
    assert torch.get_num_threads() == threads


def test_workers_leave_each_other_a_processor(threads):
    seen = []
    sorting.for_each(lambda _: seen.append(torch.get_num_threads()), range(6))
    assert seen == [1] * 6
    assert torch.get_num_threads() == threads

"""Sorting scores by blocks, in parallel and in little memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from oddscape.metrics.arrays import FloatArray

BLOCK = 1 << 18
"""Most scores sorted at a time: with their temporary arrays they take 8 MB and fit a processor's caches."""

MOST_THREADS = 4
"""Blocks in work at a time, which bounds the memory on machines with many cores."""

T = TypeVar("T")

# PyTorch's radix sort of integers takes a quarter of the time of NumPy's AVX-512 sort on AMD Zen 4 and no
# longer elsewhere. A build without it sorts by comparisons, more slowly than NumPy.
_HAS_RADIX_SORT = "USE_FBGEMM" in torch.__config__.show()


def blocks(scores: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Cut an array [n] into views of at most ``BLOCK`` elements."""
    return (scores[start : start + BLOCK] for start in range(0, scores.size, BLOCK))


def sort_blocks(scores: FloatArray) -> list[FloatArray]:
    """Sort scores in place, block by block.

    Args:
        scores: float32 or float64 [n], no NaN.

    Returns:
        Views of at most ``BLOCK`` scores, each in rising order.
    """
    views = list(blocks(scores))

    def sort(view: FloatArray) -> None:
        view[:] = sort_block(view)

    for_each(sort, views)
    return views


def sort_block(scores: FloatArray) -> FloatArray:
    """Give scores, float32 or float64 [n] without NaN, in rising order."""
    if not _HAS_RADIX_SORT:
        return np.sort(scores)
    integer = np.int32 if scores.itemsize == 4 else np.int64
    bits = _ordered_bits(np.ascontiguousarray(scores).view(integer))
    ordered: NDArray[Any] = torch.sort(torch.from_numpy(bits))[0].numpy()
    return _ordered_bits(ordered).view(scores.dtype)


def _ordered_bits(bits: NDArray[Any]) -> NDArray[Any]:
    """Flip all but the sign of negative numbers, so that integers order as floats do; its own inverse."""
    magnitude = np.iinfo(bits.dtype).max
    flipped: NDArray[Any] = bits ^ ((bits >> (8 * bits.itemsize - 1)) & magnitude)
    return flipped


def for_each(work: Callable[[T], None], items: Iterable[T]) -> None:
    """Call a function on every item from a few threads; items are taken only as threads become free."""
    threads = torch.get_num_threads()
    if threads == 1:
        for item in items:
            work(item)
        return
    # One PyTorch thread a worker: threads that share a sort wait for each other at every pass.
    workers = min(threads, MOST_THREADS)
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    try:
        _feed(pool, work, items, workers)
    finally:
        pool.shutdown()
        # What a worker sets for itself is also what threads started later would begin with.
        torch.set_num_threads(threads)


def _feed(pool: ThreadPoolExecutor, work: Callable[[T], None], items: Iterable[T], most_pending: int) -> None:
    pending: set[Future[None]] = set()
    for item in items:
        if len(pending) == most_pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
        pending.add(pool.submit(work, item))
    for future in pending:
        future.result()

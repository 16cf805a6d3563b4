"""How far long work is: one callback, and what turns the work's own reports into it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oddscape.data import Dataset
    from oddscape.scenes import Scene

Advance = Callable[[int, int], None]
"""Called with what is done and what there is to do."""


def counted(advance: Advance, total: int) -> Callable[[Iterable[int]], Iterator[int]]:
    """Wrap batches that are numbers of pictures, as the town's makers report them."""

    def batches(finished: Iterable[int]) -> Iterator[int]:
        done = 0
        for pictures in finished:
            yield pictures
            done += pictures
            advance(done, total)

    return batches


def scenes(advance: Advance) -> Callable[[Dataset], Iterator[Scene]]:
    """Wrap a data set so that going through its scenes tells how far it is."""

    def shown(dataset: Dataset) -> Iterator[Scene]:
        for done, scene in enumerate(dataset, start=1):
            yield scene
            advance(done, len(dataset))

    return shown

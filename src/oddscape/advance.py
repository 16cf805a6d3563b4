"""How far long work is: one callback, and what turns the work's own reports into it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from oddscape.data import Dataset
    from oddscape.scenes import Scene

T = TypeVar("T")

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


def each(advance: Advance, things: Collection[T]) -> Iterator[T]:
    """Go through things so that it tells how far it is."""
    for done, thing in enumerate(things, start=1):
        yield thing
        advance(done, len(things))


def scenes(advance: Advance) -> Callable[[Dataset], Iterator[Scene]]:
    """Wrap a data set so that going through its scenes tells how far it is."""

    def shown(dataset: Dataset) -> Iterator[Scene]:
        for done, scene in enumerate(dataset, start=1):
            yield scene
            advance(done, len(dataset))

    return shown

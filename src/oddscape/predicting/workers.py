"""Threads that work on several pictures at once, so that neither cores nor a GPU wait."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from threading import Semaphore
from typing import TYPE_CHECKING, Self, TypeVar

import torch

from oddscape.ahead import map_ahead
from oddscape.errors import OddscapeError
from oddscape.wrappers.mc_dropout import MCDropout

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from oddscape.detector import Detector, Prediction

T = TypeVar("T")
R = TypeVar("R")

_ON_A_CPU, _BESIDE_A_GPU = 4, 8  # threads at most, as each holds a picture in memory


class Workers:
    """Threads that read, predict and write, each a batch of pictures at a time.

    On a CPU, each runs the network with its share of the cores: two pictures on a core each are done sooner
    than one on both, as much of the work beside the network takes one core. On a GPU, and where a network is
    not known to bear several threads, it runs in one of them at a time, while the others read and write.

    To be used in a ``with`` block.

    Args:
        detector: the detector.
        count: of threads; None: as many as torch computes with, at most 4, on a CPU; of the machine's cores,
            at most 8, with a GPU. With one, everything is done by the caller's own thread.
        batch: pictures that the network is shown at once, where they are of one size.
        pictures: how many there are, for no more threads than pictures begin; None: many.

    Raises:
        OddscapeError: fewer than one thread or picture.
    """

    def __init__(
        self, detector: Detector, count: int | None = None, batch: int = 1, pictures: int | None = None
    ) -> None:
        for name, given in (("workers", count), ("batch", batch)):
            if given is not None and given < 1:
                raise OddscapeError(f"--{name} {given}: expected 1 or more")
        on_gpu = next(detector.net.parameters()).device.type != "cpu"
        self.detector, self.batch = detector, batch
        by_default = (
            min(_BESIDE_A_GPU, os.cpu_count() or 1) if on_gpu else min(_ON_A_CPU, torch.get_num_threads())
        )
        self.count = count or by_default
        if pictures is not None:
            self.count = max(1, min(self.count, pictures))
        networks = 1 if on_gpu or not _bears_threads(detector.net) else self.count
        self._turn = Semaphore(networks)
        self._threads_before = torch.get_num_threads()
        self._threads = max(1, self._threads_before // networks)

    def __enter__(self) -> Self:
        # What torch is told here, it tells the threads that begin later.
        torch.set_num_threads(self._threads)
        self._pool = ThreadPoolExecutor(
            self.count, initializer=torch.set_num_threads, initargs=(self._threads,)
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        torch.set_num_threads(self._threads_before)

    def in_batches(self, work: Callable[[list[T]], Iterable[R]], things: Iterable[T]) -> Iterator[R]:
        """Do work on batches of things, and give what comes of it in the order of the things.

        So few things wait at any time that their number does not matter.
        """
        batches = _batches(things, self.batch)
        if self.count == 1:
            for batch in batches:
                yield from work(batch)
            return
        for results in map_ahead(self._pool, work, batches, 2 * self.count - 1):
            yield from results

    def predict(self, images: Sequence[NDArray[np.uint8]]) -> list[Prediction | OddscapeError]:
        """Score pictures uint8 [H, W, 3], those of one size together; an error in the place of a bad one."""
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for number, image in enumerate(images):
            by_shape.setdefault(image.shape, []).append(number)
        results: dict[int, Prediction | OddscapeError] = {}
        with self._turn:
            for numbers in by_shape.values():
                alike = self._predict_alike([images[number] for number in numbers])
                results.update(zip(numbers, alike, strict=True))
        return [results[number] for number in range(len(images))]

    def _predict_alike(self, images: Sequence[NDArray[np.uint8]]) -> Sequence[Prediction | OddscapeError]:
        try:
            if len(images) > 1:
                return self.detector.predict_batch(images)
            return [self.detector.predict(images[0])]
        except (OddscapeError, RuntimeError) as error:  # torch's: too small or large
            if len(images) == 1:
                return [OddscapeError(" ".join(str(error).split()))]
            return [result for image in images for result in self._predict_alike([image])]


def _bears_threads(net: nn.Module) -> bool:
    """Whether several threads may run a network at once: MC dropout, hooks and unknown code keep a state."""
    return not any(
        isinstance(module, MCDropout)
        or module._forward_pre_hooks  # as of ReAct and of networks whose features are recorded
        or module._forward_hooks
        or not type(module).__module__.startswith(("oddscape.", "torch.nn."))
        for module in net.modules()
    )


def _batches(things: Iterable[T], size: int) -> Iterator[list[T]]:
    remaining = iter(things)
    while batch := list(islice(remaining, size)):
        yield batch

"""Several processes that do one work together, as ``torchrun`` and ``accelerate launch`` start them."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Self, TypeVar

from torch import distributed

from oddscape.errors import OddscapeError

T = TypeVar("T")

_MAIN = 0
_LAUNCHED = {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}
# Parts take unequally long, and the main process works alone in the end.
_PATIENCE = timedelta(days=7)


def is_main_process() -> bool:
    """Whether this program was started on its own, or by a launcher as the first of its processes."""
    return os.environ.get("RANK", "0") == "0"


@dataclass(frozen=True)
class Processes:
    """The running process among all that take part.

    Args:
        number: its own, from 0, which is the main one.
        count: of all.
        group: what they talk through; None for a process on its own.
    """

    number: int = _MAIN
    count: int = 1
    group: Any = None

    @classmethod
    def joined(cls) -> Self:
        """Join the processes that a launcher started or that PyTorch knows already; all must do so."""
        if not distributed.is_initialized():
            if not _LAUNCHED.issubset(os.environ) or os.environ["WORLD_SIZE"] == "1":
                return cls()
            distributed.init_process_group("gloo")
            atexit.register(_leave)
        return cls(distributed.get_rank(), distributed.get_world_size(), _group(distributed.group.WORLD))

    @property
    def is_main(self) -> bool:
        """Whether this process brings everything together, prints and writes."""
        return self.number == _MAIN

    def part(self, items: int) -> slice:
        """Its share of some items: all shares one after another are the whole, in its order."""
        return slice(self.number * items // self.count, (self.number + 1) * items // self.count)

    def others(self, mine: T) -> Iterator[T]:
        """Hand ``mine`` to the main process, which is given everybody else's, in their order, one at a time.

        Every process goes through this at the same place; all but the main one are given nothing.

        Raises:
            OddscapeError: another process has ended.
        """
        for sender in range(1, self.count):
            if self.number == sender:
                with _connected():
                    distributed.send_object_list([mine], _MAIN, self.group)
            elif self.is_main:
                received: list[Any] = [None]
                with _connected():
                    distributed.recv_object_list(received, sender, self.group)
                yield received[0]

    def told_by_main(self, value: T | None) -> T:
        """The main process's value, in every process."""
        told: list[Any] = [value]
        if self.count > 1:
            with _connected():
                distributed.broadcast_object_list(told, _MAIN, self.group)
        result: T = told[0]
        return result


def _leave() -> None:
    # Groups that outlive Python let their threads abort a program that ended well.
    if distributed.is_initialized():
        distributed.destroy_process_group()
    _group.cache_clear()


@contextmanager
def _connected() -> Iterator[None]:
    try:
        yield
    except RuntimeError:
        raise OddscapeError(
            "another process ended before its work was done; what it said itself tells why"
        ) from None


@cache
def _group(_world: object) -> Any:
    # A group of its own, for NCCL would take everything through the memory of GPUs; the same each time.
    return distributed.new_group(backend="gloo", timeout=_PATIENCE)

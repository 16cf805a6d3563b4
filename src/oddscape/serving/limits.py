"""What clients may ask of the server: how much, how large, how long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.exceptions import HTTPException


@dataclass(frozen=True)
class Limits:
    """Bounds that keep one client from taking what the others need.

    Args:
        upload: bytes of a picture's file.
        pixels: of a picture.
        waiting: pictures that may wait for the network; a further one is refused.
        memory: bytes of uploads and answers kept for all clients at once.
        connections: open at once.
        request_seconds: until a client has sent the head of its request.
        upload_seconds: until it has sent the whole picture.
        answer_seconds: until it has read the answer, from the first time that it does not keep up.
    """

    upload: int = 20 * 2**20
    pixels: int = 25_000_000
    waiting: int = 16
    memory: int = 2**29
    connections: int = 100
    request_seconds: float = 10.0
    upload_seconds: float = 30.0
    answer_seconds: float = 60.0


def busy(why: str) -> HTTPException:
    """The answer to a client that should try again in a while."""
    return HTTPException(503, f"the server is busy: {why}; try again in a while", {"Retry-After": "2"})


class Memory:
    """Counts the bytes kept for all clients, and refuses what would exceed the limit."""

    def __init__(self, limit: int) -> None:
        self.limit, self.held = limit, 0

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """One client's share: call what is given with bytes more; leaving the block gives them all back.

        Raises:
            HTTPException: 503 where the limit is reached.
        """
        mine = 0

        def take(more: int) -> None:
            nonlocal mine
            if self.held + more > self.limit:
                raise busy("it keeps as much for other clients as its memory allows")
            mine += more
            self.held += more

        try:
            yield take
        finally:
            self.held -= mine

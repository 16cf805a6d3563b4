"""One thread that does the heavy work, one piece at a time, while the server goes on listening."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from oddscape.serving.limits import busy

T = TypeVar("T")


class Worker:
    """Decodes, predicts and encodes in one thread; pieces of work wait in the order in which they came.

    Args:
        waiting: so many pieces may wait; a further one is refused.
    """

    def __init__(self, waiting: int) -> None:
        self._most, self._waiting = waiting, 0
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "predict")

    async def run(self, work: Callable[[], T]) -> T:
        """Do a piece of work when its turn comes. Cancelled while it waits, it is never done.

        Raises:
            HTTPException: 503 where too many pieces wait.
        """
        if self._waiting >= self._most:
            raise busy(f"{self._most} pictures wait")
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        running = asyncio.get_running_loop().run_in_executor(self._thread, work)
        running.add_done_callback(self._end_turn)
        # Work that runs cannot be stopped: its turn lasts until the thread is free again.
        return await asyncio.shield(running)

    def _end_turn(self, done: asyncio.Future[Any]) -> None:
        self._turn.release()
        if not done.cancelled():
            done.exception()  # looked at, or asyncio would complain where nobody waits for it any more

    def close(self) -> None:
        """Take no more work."""
        self._thread.shutdown(wait=False, cancel_futures=True)


async def unless_gone(request: Request, work: asyncio.Task[T]) -> T:
    """Wait for work, and drop it when the client goes away.

    Args:
        request: its body has been read.
        work: under way.

    Raises:
        ClientDisconnect: nobody waits for the result any more.
    """
    gone = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise ClientDisconnect
        return work.result()
    finally:
        gone.cancel()
        work.cancel()

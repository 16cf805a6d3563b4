"""The server under the page: one process, one port, and deadlines for slow clients."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterable
from functools import partial
from typing import Any

from starlette.types import ASGIApp
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from oddscape.errors import OddscapeError
from oddscape.serving.app import make_app
from oddscape.serving.detectors import Detectors
from oddscape.serving.guard import Guard, is_loopback, names_of
from oddscape.serving.limits import Limits


def listen(host: str, port: int) -> socket.socket:
    """Take a port; 0: any that is free.

    Raises:
        OddscapeError: it is taken, or no address of this machine.
    """
    if not 0 <= port <= 65535:
        raise OddscapeError(f"--port {port}: expected 0 to 65535")
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise OddscapeError(f"port {port} of {host} is in use: give another by --port") from None
        raise OddscapeError(f"cannot listen on {host}, port {port}: {error.strerror}") from None


def make_server(detectors: Detectors, host: str, limits: Limits, names: Iterable[str] = ()) -> Server:
    """Make the server; ``run(sockets=[listen(…)])`` starts it and ends at Ctrl-C or SIGTERM.

    Args:
        detectors: to choose from.
        host: that it is bound to.
        limits: of what clients may ask.
        names: under which it is asked, too; it knows its own.
    """
    app: ASGIApp = Guard(
        make_app(detectors, limits), names_of(host, names), any_address=not is_loopback(host)
    )
    config = Config(
        app,
        http=partial(_Connection, limits),  # type: ignore[arg-type]  # uvicorn but calls it
        ws="none",
        lifespan="on",
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=limits.connections,
        timeout_graceful_shutdown=5,
    )
    return Server(config)


class _Connection(H11Protocol):
    """A connection for one request, with a deadline for its head and one for reading the answer.

    The deadline of the request's body is that of :func:`~oddscape.serving.uploads.read_upload`.
    """

    def __init__(self, limits: Limits, **settings: Any) -> None:
        super().__init__(**settings)
        self.limits = limits
        self.deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._end_in(self.limits.request_seconds)

    def data_received(self, data: bytes) -> None:
        if self.cycle is not None and not self.cycle.more_body:
            return  # nothing belongs behind the one request
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_started:
            self._end_never()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.deadline is None:
            self._end_in(self.limits.answer_seconds)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.deadline is None:
            self._end_in(self.limits.answer_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._end_never()

    def _end_in(self, seconds: float) -> None:
        self.deadline = self.loop.call_later(seconds, self.transport.abort)

    def _end_never(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

"""What stands before every request: whom the page answers, and what its answers forbid."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection, Iterable
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Connection": "close",  # one request each, so that a deadline of a connection is one of a request
}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_OTHER_NAME = "this server answers under its own names alone; oddscape serve --name adds others"
# Seconds of reading on, so that a client sees why it was refused: in all, and without anything coming.
_PATIENCE, _SILENCE = 5.0, 0.5


def names_of(host: str, others: Iterable[str] = ()) -> frozenset[str]:
    """Names under which a server bound to ``host`` is asked: loopback's, that one, and some others.

    Where other machines reach it, the names that this machine knows of itself are among them.
    """
    machine = () if is_loopback(host) else _names_of_this_machine()
    return frozenset(name.lower() for name in (*_LOOPBACK, host, *machine, *others))


def _names_of_this_machine() -> tuple[str, ...]:
    name = socket.gethostname()
    short = name.partition(".")[0]
    return name, short, f"{short}.local", socket.getfqdn()


def is_loopback(host: str) -> bool:
    """Whether a server bound to ``host`` answers this machine alone."""
    return ip_address(host).is_loopback if is_address(host) else host.lower() == "localhost"


def is_wildcard(host: str) -> bool:
    """Whether a server bound to ``host`` answers on every address of this machine."""
    return is_address(host) and ip_address(host).is_unspecified


def is_address(host: str) -> bool:
    """Whether ``host`` is an IP address and no name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class Guard:
    """Refuses requests to other names and from other pages, and gives every answer its headers.

    A page elsewhere can point a name of its own at this machine (DNS rebinding): the Host header then bears
    that name. It can also post here from its own name: the Origin header then bears it.

    Args:
        app: what is guarded.
        names: under which the server is asked.
        any_address: whether it is asked under any IP address, too; rebinding takes a name.
    """

    def __init__(self, app: ASGIApp, names: Collection[str], *, any_address: bool = False) -> None:
        self.app, self.names, self.any_address = app, names, any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        upload = _Upload(receive, waits_to_be_asked="expect" in Headers(scope=scope))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] >= 400:
                    await upload.read_on()
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        refusal = self._refusal(Headers(scope=scope), scope["method"])
        await (refusal or self.app)(scope, upload.receive, send_with_headers)

    def _refusal(self, headers: Headers, method: str) -> JSONResponse | None:
        asked = headers.getlist("host")
        if len(asked) != 1 or not self._is_ours(asked[0]):
            return JSONResponse({"error": _OTHER_NAME}, 421)
        if method in ("GET", "HEAD"):
            return None
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != asked[0].lower():
            return JSONResponse({"error": "requests from other pages are refused"}, 403)
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:  # brackets without an address between them
            return False
        return name in self.names or (self.any_address and is_address(name))


class _Upload:
    """The body of a request on its way in."""

    def __init__(self, receive: Receive, *, waits_to_be_asked: bool) -> None:
        self._receive, self._waits_to_be_asked, self._more = receive, waits_to_be_asked, True

    async def receive(self) -> Message:
        self._waits_to_be_asked = False
        message = await self._receive()
        self._more = message.get("more_body", False)
        return message

    async def read_on(self) -> None:
        """Throw the rest away: a connection closed on a client that still sends loses the answer."""
        if self._waits_to_be_asked:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                while self._more:
                    async with asyncio.timeout(_SILENCE):
                        await self.receive()

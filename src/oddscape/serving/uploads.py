"""Taking in a picture's file: no larger, no slower than allowed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request

from oddscape.serving.limits import Limits


async def read_upload(request: Request, limits: Limits, take: Callable[[int], None]) -> bytes:
    """The body of a request, counted as it comes.

    Args:
        request: its body is the picture's file.
        limits: of size and time.
        take: told of the bytes of each piece; it may refuse.

    Raises:
        HTTPException: 408 too slow, 413 too large, 422 nothing sent.
    """
    if int(request.headers.get("content-length", 0)) > limits.upload:
        raise _too_large(limits)
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.upload_seconds):
            async for piece in request.stream():
                size += len(piece)
                if size > limits.upload:
                    raise _too_large(limits)
                take(len(piece))
                pieces.append(piece)
    except TimeoutError:
        raise HTTPException(408, f"the picture did not arrive in {limits.upload_seconds:g} s") from None
    if not size:
        raise HTTPException(422, "no picture was sent: expected its file as the request's body")
    return b"".join(pieces)


def _too_large(limits: Limits) -> HTTPException:
    return HTTPException(413, f"the file is larger than {limits.upload / 2**20:g} MB, the most that is taken")

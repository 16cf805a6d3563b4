"""The web page and what it asks for, as an ASGI application."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from oddscape.errors import OddscapeError
from oddscape.labels import ANOMALY_COLOUR
from oddscape.report.heat import HEAT
from oddscape.serving.answers import ANSWERS, Answer, with_threshold
from oddscape.serving.decoding import KINDS, decode_picture
from oddscape.serving.detectors import DetectorFacts, Detectors
from oddscape.serving.limits import Limits, Memory
from oddscape.serving.uploads import read_upload
from oddscape.serving.worker import Worker, unless_gone
from oddscape.sizes import Size, format_size, seen_size

_MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_PIECE = 2**16


def make_app(detectors: Detectors, limits: Limits) -> Starlette:
    """Make the application.

    ``GET /`` is the page, ``GET /detectors`` what there is to choose from, ``GET /health`` says that the
    server runs. ``POST /predict.json``, ``.safetensors``, ``.npy`` and ``.png`` take a picture's file as body
    and, in the query, ``detector``, ``score``, ``threshold`` and ``side``
    (:mod:`oddscape.serving.answers`). Errors are JSON: ``{"error": "one line"}``.

    Args:
        detectors: to choose from.
        limits: of what clients may ask.
    """
    worker = Worker(limits.waiting)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        worker.close()

    predict = _Predict(detectors, limits, worker, Memory(limits.memory))
    return Starlette(
        routes=[
            *(Route(path, partial(_file, read)) for path, read in _page().items()),
            Route("/detectors", partial(_json, _choices(detectors, limits))),
            Route("/health", partial(_json, {"status": "ok"})),
            *(Route(f"/predict.{kind}", predict, methods=["POST"]) for kind in ANSWERS),
        ],
        exception_handlers={HTTPException: _refused, OddscapeError: _refused, Exception: _failed},
        lifespan=lifespan,
    )


@dataclass(frozen=True)
class _Question:
    """What is asked about a picture, as the query says; the ending of the path says what is answered."""

    answer: str
    detector: str
    score: str
    threshold: float | None
    side: int | None

    @classmethod
    def of(cls, request: Request, detectors: Detectors) -> _Question:
        query = request.query_params
        name, score = detectors.choose(query.get("detector"), query.get("score"))
        threshold = _number(query.get("threshold"), "threshold")
        side = _number(query.get("side"), "side")
        if side is not None and side < 1:
            raise OddscapeError(f"side is {side:g}: expected 1 or more pixels")
        answer = PurePosixPath(request.url.path).suffix.removeprefix(".")
        return cls(answer, name, score, threshold, None if side is None else int(side))


class _Predict:
    """Takes a picture in and sends what is asked of its prediction."""

    def __init__(self, detectors: Detectors, limits: Limits, worker: Worker, memory: Memory) -> None:
        self.detectors, self.limits, self.worker, self.memory = detectors, limits, worker, memory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        question = _Question.of(request, self.detectors)  # before anything is taken in
        with self.memory.share() as take:
            try:
                data = await read_upload(request, self.limits, take)
                work = asyncio.ensure_future(self.worker.run(partial(self._answer, data, question)))
                answer = await unless_gone(request, work)
            except ClientDisconnect:
                return
            take(len(answer.body))
            await _response(answer)(scope, receive, send)

    def _answer(self, data: bytes, question: _Question) -> Answer:
        """What the worker does, from the file to the bytes that are sent."""
        image = decode_picture(data, self.limits.pixels)
        detector = self.detectors.get(question.detector, question.score)
        _refuse_too_narrow(seen_size((image.shape[0], image.shape[1]), detector.size), self.limits.pixels)
        prediction = with_threshold(detector.predict(image), question.threshold)
        return ANSWERS[question.answer](prediction, question.side)


def _refuse_too_narrow(seen: Size, max_pixels: int) -> None:
    """A picture that is small, but enlarged by its shorter side for the network."""
    if math.prod(seen) > max_pixels:
        shown = format_size(seen)
        raise HTTPException(413, f"the picture is too narrow: the network would see it at {shown}")


def _response(answer: Answer) -> Response:
    """In pieces, so that the server waits for the client and knows when it has them."""

    async def pieces() -> AsyncIterator[memoryview]:
        for start in range(0, len(answer.body), _PIECE):
            yield memoryview(answer.body)[start : start + _PIECE]
            await asyncio.sleep(0)  # in which the server may learn that the client has gone

    length = {"Content-Length": str(len(answer.body))}
    return StreamingResponse(pieces(), headers=length, media_type=answer.media_type)


def _number(text: str | None, name: str) -> float | None:
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise OddscapeError(f"{name} is {text!r}: expected a number")
    return number


def _page() -> dict[str, Response]:
    """The files beside this one that make the page, by their paths on the server."""
    read = {
        f"/{file.name}": Response(file.read_bytes(), media_type=_MEDIA_TYPES[suffix])
        for file in files("oddscape.serving").iterdir()
        if (suffix := PurePosixPath(file.name).suffix) in _MEDIA_TYPES
    }
    return {"/": read.pop("/page.html"), **read}


async def _file(response: Response, _request: Request) -> Response:
    return response


async def _json(content: Any, _request: Request) -> Response:
    return JSONResponse(content)


async def _refused(_request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, error.status_code, dict(error.headers or {}))
    return JSONResponse({"error": str(error)}, 422)


async def _failed(_request: Request, error: Exception) -> Response:
    reason = " ".join(str(error).split())
    return JSONResponse({"error": f"the server failed ({type(error).__name__}: {reason})"}, 500)


def _choices(detectors: Detectors, limits: Limits) -> dict[str, Any]:
    """What the page has to know beforehand."""
    return {
        "detectors": {name: _described(facts) for name, facts in detectors.facts.items()},
        "limits": {"upload": limits.upload, "pixels": limits.pixels, "kinds": KINDS},
        "anomaly_colour": ANOMALY_COLOUR,
        "heat": HEAT.tolist(),
    }


def _described(facts: DetectorFacts) -> dict[str, Any]:
    space = facts.label_space
    return {
        "score": facts.score,
        "scores": dict(facts.formulas),
        "threshold": facts.threshold,
        "rules": {"min_region": facts.rules.min_region, "low": facts.rules.low},
        "classes": [
            {"name": name, "colour": colour}
            for name, colour in zip(space.classes, space.colours, strict=True)
        ],
    }

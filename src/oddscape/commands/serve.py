"""``oddscape serve``: a local web page that shows what a detector makes of a picture."""

from __future__ import annotations

import re
import socket
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console

from oddscape.commands.options import NetworkOptions, load_detector
from oddscape.errors import OddscapeError
from oddscape.weights.shipped import SHIPPED

if TYPE_CHECKING:
    from oddscape.detector import Detector

_ANSWER = 6  # bytes a pixel, a little more than its score and its class take


def serve(
    *,
    detector: Annotated[tuple[Path, ...], Parameter(show_default=False)] = (),
    host: str = "127.0.0.1",
    names: Annotated[tuple[str, ...], Parameter(name="--name", show_default=False)] = (),
    port: int = 8000,
    open_browser: Annotated[bool, Parameter(name="--open")] = False,
    max_upload: float = 20,
    max_pixels: float = 25,
    threads: int | None = None,
    device: str | None = None,
) -> None:
    """Show a web page on this machine: drop a picture, see the result, move the threshold.

    Nothing leaves the machine, and pictures are kept no longer than it takes to answer. Ctrl-C ends it.

    Parameters
    ----------
    detector
        File of ``oddscape detector save``, several times for several to choose from, one of which is in
        memory at a time; by default street-lite, which comes with Oddscape.
    host
        Address to listen on; 0.0.0.0: all that this machine has. Any but the default lets other machines in,
        by any address and by the names that this machine knows of itself: there is no password.
    names
        Further name that the page is asked for by, such as one that a proxy or a name server gives this
        machine; may be given several times. Requests by other names are refused, since a page elsewhere could
        make up a name for this machine (DNS rebinding).
    port
        Port to listen on; 0: any that is free.
    open_browser
        Open the page in the browser.
    max_upload
        Largest file that is taken, in MB.
    max_pixels
        Largest picture that is taken, in millions of pixels.
    threads
        Threads that a CPU computes with; by default torch's own choice.
    device
        Where the network runs, as in ``cpu`` or ``cuda:1``; by default a GPU where there is one.
    """
    from oddscape.models.packages import load_package

    for package in ("starlette", "uvicorn"):
        load_package(package, "serve")
    from oddscape.serving.detectors import Detectors
    from oddscape.serving.guard import is_loopback, is_wildcard
    from oddscape.serving.limits import Limits
    from oddscape.serving.server import listen, make_server

    upload, pixels = _positive(max_upload, 2**20, "upload"), _positive(max_pixels, 10**6, "pixels")
    # Two of the largest pictures and answers find place, or a large one would be refused for ever.
    limits = Limits(upload, pixels, memory=max(Limits.memory, 2 * (upload + _ANSWER * pixels)))
    _check_names(names)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    loaders = _loaders(detector or (Path(SHIPPED),), NetworkOptions(threads=threads, device=device))
    with listen(host, port) as taken:
        detectors = Detectors(loaders)
        server = make_server(detectors, host, limits, names)
        port = taken.getsockname()[1]
        page = _address("localhost" if is_wildcard(host) else host, port)  # browsers open no 0.0.0.0
        console.print(f"{', '.join(loaders)}: {page} (Ctrl-C ends it)")
        if not is_loopback(host):
            _warn(host, _address(socket.gethostname() if is_wildcard(host) else host, port))
        if open_browser:
            webbrowser.open(page)
        with suppress(KeyboardInterrupt):  # the way to end it, after the last answers are sent
            server.run(sockets=[taken])


def _loaders(files: tuple[Path, ...], network: NetworkOptions) -> dict[str, Callable[[], Detector]]:
    """By the name of each file without its ending."""
    loaders: dict[str, Callable[[], Detector]] = {}
    for file in files:
        if file.stem in loaders:
            raise OddscapeError(f"two detectors are called {file.stem!r}: rename one of the files")
        loaders[file.stem] = partial(_load, file, network)
    return loaders


def _load(file: Path, network: NetworkOptions) -> Detector:
    return load_detector(file, network)[0]


def _positive(amount: float, unit: int, what: str) -> int:
    if not amount * unit >= 1:
        raise OddscapeError(f"--max-{what} {amount:g}: expected more than 0")
    return int(amount * unit)


def _check_names(names: tuple[str, ...]) -> None:
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
            raise OddscapeError(f"--name {name}: expected a name alone, as in street.example")


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _warn(host: str, page: str) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(
        f"warning: listening on {host}, other machines can reach {page}, and there is no password"
    )

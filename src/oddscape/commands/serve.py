"""``oddscape serve``: a local web page that shows what a detector makes of a picture."""

from __future__ import annotations

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
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def serve(
    *,
    detector: tuple[Path, ...] = (),
    host: str = "127.0.0.1",
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
        Address to listen on. Any but the default lets other machines in: there is no password.
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
    from oddscape.serving.limits import Limits
    from oddscape.serving.server import listen, make_server

    upload, pixels = _positive(max_upload, 2**20, "upload"), _positive(max_pixels, 10**6, "pixels")
    # Two of the largest pictures and answers find place, or a large one would be refused for ever.
    limits = Limits(upload, pixels, memory=max(Limits.memory, 2 * (upload + _ANSWER * pixels)))
    console = Console(soft_wrap=True, highlight=False, markup=False)
    loaders = _loaders(detector or (Path(SHIPPED),), NetworkOptions(threads=threads, device=device))
    with listen(host, port) as taken:
        detectors = Detectors(loaders)
        server = make_server(detectors, host, limits)
        page = f"http://{_in_address(host)}:{taken.getsockname()[1]}/"
        console.print(f"{', '.join(loaders)}: {page} (Ctrl-C ends it)")
        if host not in _LOOPBACK:
            _warn(host)
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


def _in_address(host: str) -> str:
    """As it stands in the address of a page."""
    return f"[{host}]" if ":" in host else host


def _warn(host: str) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(
        f"warning: listening on {host}, other machines can reach the page, and there is no password"
    )

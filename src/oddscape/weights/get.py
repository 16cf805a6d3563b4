"""Getting released weights into a folder, from which they are taken without a network afterwards."""

from __future__ import annotations

import os
from pathlib import Path

from oddscape.errors import OddscapeError
from oddscape.fetch import MIRROR_VARIABLE, BytesDone, fetch, is_web_page, silent
from oddscape.weights.sources import ReleasedWeights, weights_named

CACHE_VARIABLE = "ODDSCAPE_CACHE"
"""Environment variable that names the folder for what is fetched."""


def cache_folder() -> Path:
    """The folder for released weights: below ``$ODDSCAPE_CACHE``, ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named).expanduser() / "weights"
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "oddscape" / "weights"


def get(
    name: str, folder: str | Path | None = None, *, mirror: str | None = None, progress: BytesDone = silent
) -> Path:
    """Fetch released weights, unless they are there; a broken download goes on.

    Args:
        name: a name in :data:`~oddscape.weights.sources.WEIGHTS`.
        folder: where to put the file; by default :func:`cache_folder`.
        mirror: address of a folder that holds the file under its name; None means ``$ODDSCAPE_MIRROR``.
        progress: called with the bytes done.

    Returns:
        The path of the file.

    Raises:
        OddscapeError: the name is unknown; the file wants a browser, and where to put it then; it cannot be
            fetched, or is not the expected one.
    """
    source, folder = weights_named(name), cache_folder() if folder is None else Path(folder)
    path = folder / source.file.name
    if source.in_browser and not (path.exists() or mirror or os.environ.get(MIRROR_VARIABLE)):
        raise OddscapeError(f"{name} wants a browser: {_by_hand(source, path)}")
    fetch(source.file, folder, mirror=mirror, progress=progress)
    if is_web_page(path):
        path.unlink()
        raise OddscapeError(f"{name}: a web page came in place of {path.name}; {_by_hand(source, path)}")
    return path


def _by_hand(source: ReleasedWeights, path: Path) -> str:
    note = f" ({source.note})" if source.note else ""
    page = f"; its page is {source.file.page}" if source.file.page else ""
    mirror = f"or name a mirror (${MIRROR_VARIABLE})"
    return f"open {source.file.url} and save the file{note} as {path}, {mirror}{page}"

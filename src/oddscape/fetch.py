"""Fetching one file over HTTP, so that a cut connection costs only what was under way.

Written on the standard library's urllib: pooch, the usual choice, cannot go on from half a file, and
requests or httpx would be one more dependency for what is a loop around a Range header here.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import cast
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from oddscape.errors import OddscapeError
from oddscape.version import __version__

MIRROR_VARIABLE = "ODDSCAPE_MIRROR"
"""Environment variable that names a mirror; see :func:`fetch`."""

PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds to wait before each new attempt, while attempts bring nothing new."""

BytesDone = Callable[[int, int | None], None]
"""Called with the bytes that are done and the bytes that there are, None where nobody knows."""

_TIMEOUT = 30.0
_CHUNK = 1 << 20
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_RANGE_BEYOND_THE_END = 416
_PARTIAL_CONTENT = 206


@dataclass(frozen=True)
class RemoteFile:
    """A file at an address.

    Args:
        url: where it lies, http or https.
        name: the name it gets on disk, and has on a mirror.
        checksum: algorithm and digest, as in ``"sha256:9f86…"``, or as much of the digest as is
            published; None where nobody has published one.
        size: bytes, or None where unknown.
        page: the page that offers it to people, for the error where the address is dead.
    """

    url: str
    name: str
    checksum: str | None = None
    size: int | None = None
    page: str = ""


class _CutError(Exception):
    """The connection failed in a way that may pass."""


def silent(_done: int, _total: int | None) -> None:
    """Tell nobody how far the work is."""


def fetch(
    remote: RemoteFile, folder: Path, *, mirror: str | None = None, progress: BytesDone = silent
) -> Path:
    """Fetch a file into a folder, unless it is there whole.

    What has arrived is kept in ``<name>.part``; the next call goes on from there if the server can, and if
    the file has not changed meanwhile. Failures that may pass are tried again. The final name appears only
    when size and checksum, where known, are right.

    Args:
        remote: what to fetch.
        folder: where to put it; made where missing.
        mirror: address of a folder that holds the file under its name; the file is fetched from
            ``<mirror>/<name>`` instead of from its own address. None means ``$ODDSCAPE_MIRROR``.
        progress: called with the bytes done.

    Returns:
        The path of the file.

    Raises:
        OddscapeError: the address is dead or unreachable, the file is not the expected one, or the disk is
            full.
    """
    path = folder / remote.name
    if path.exists():
        if fault := _fault(path, remote):
            raise OddscapeError(f"{path} {fault}; remove it to fetch it again")
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OddscapeError(f"cannot write {folder}: {error.strerror or error}") from error
    partial = _Partial(path.with_name(f"{path.name}.part"), _address(remote, mirror))
    _download(remote, partial, progress)
    if fault := _fault(partial.path, remote):
        partial.discard()
        raise OddscapeError(f"{partial.address} {fault}: it came damaged, or is another file by now")
    partial.path.replace(path)
    partial.discard()
    return path


def require_space(folder: Path, needed: int) -> None:
    """Make sure that a folder's disk has room for so many bytes.

    Raises:
        OddscapeError: it has not.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OddscapeError(f"{folder} has {megabytes(free)} free, {megabytes(needed)} are needed")


def is_web_page(path: Path) -> bool:
    """Whether a file is a web page, which servers send in place of a file that wants a click."""
    with path.open("rb") as file:
        return file.read(512).lstrip().lower().startswith((b"<!doctype", b"<html"))


def megabytes(size: int) -> str:
    """A number of bytes in megabytes, for people."""
    return f"{size / 1e6:,.1f} MB"


@dataclass(frozen=True)
class _Partial:
    """What has arrived of a file, with a note of which version of it that is."""

    path: Path
    address: str

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def _note_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    @property
    def resumable(self) -> bool:
        return self.size > 0 and self._note()["validator"] is not None

    @property
    def complete(self) -> bool:
        return self.resumable and self._note()["total"] == self.size

    def range_headers(self) -> dict[str, str]:
        """Ask for what is missing, but for the whole file if it has changed."""
        if not self.resumable:
            return {}
        return {"Range": f"bytes={self.size}-", "If-Range": str(self._note()["validator"])}

    def take_note(self, validator: str | None, total: int | None) -> None:
        note = {"address": self.address, "validator": validator, "total": total}
        self._note_path.write_text(json.dumps(note), encoding="utf-8")

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._note_path.unlink(missing_ok=True)

    def _note(self) -> dict[str, object]:
        nothing: dict[str, object] = {"address": self.address, "validator": None, "total": None}
        try:
            note = json.loads(self._note_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return nothing
        known = isinstance(note, dict) and note.keys() == nothing.keys() and note["address"] == self.address
        return note if known else nothing


def _address(remote: RemoteFile, mirror: str | None) -> str:
    mirror = mirror or os.environ.get(MIRROR_VARIABLE)
    if not mirror:
        return remote.url
    if not mirror.startswith(("http://", "https://")):
        raise OddscapeError(f"mirror {mirror!r}: expected an address that begins with http:// or https://")
    return f"{mirror.rstrip('/')}/{quote(remote.name)}"


def _download(remote: RemoteFile, partial: _Partial, progress: BytesDone) -> None:
    """Try until the file is there, or until attempt after attempt brought nothing new."""
    furthest, failures = partial.size, 0
    while not partial.complete:
        try:
            _attempt(remote, partial, progress)
            return
        except _CutError as cut:
            failures = 1 if partial.size > furthest else failures + 1
            furthest = max(furthest, partial.size)
            if failures > len(PAUSES):
                raise _unreachable(remote, partial, str(cut)) from cut
            time.sleep(PAUSES[failures - 1])


def _attempt(remote: RemoteFile, partial: _Partial, progress: BytesDone) -> None:
    with _open(remote, partial) as response:
        offset, total = _extent(response, partial)
        if None not in (total, remote.size) and total != remote.size:
            reason = f"it has {total} bytes, expected {remote.size}, so it is another file by now"
            raise _unreachable(remote, partial, reason)
        require_space(partial.path.parent, (total or 0) - offset)
        try:
            done = _receive(response, partial, offset, total, progress)
        except OSError as error:
            raise OddscapeError(f"cannot write {partial.path}: {error.strerror or error}") from error
    if total is not None and done < total:
        raise _CutError(f"the connection ended after {done} of {total} bytes")


def _open(remote: RemoteFile, partial: _Partial) -> HTTPResponse:
    headers = {"User-Agent": f"oddscape/{__version__}", **partial.range_headers()}
    try:
        return cast(HTTPResponse, urlopen(Request(partial.address, headers=headers), timeout=_TIMEOUT))
    except HTTPError as error:
        error.close()
        if error.code == _RANGE_BEYOND_THE_END:
            partial.discard()
        elif error.code not in _PASSING:
            raise _unreachable(remote, partial, f"{error.code} {error.reason}") from error
        raise _CutError(f"{error.code} {error.reason}") from error
    except URLError as error:
        if isinstance(error.reason, ConnectionError | TimeoutError):
            raise _CutError(_words(error.reason)) from error
        raise _unreachable(remote, partial, _words(error.reason)) from error
    except ValueError as error:
        raise _unreachable(remote, partial, str(error)) from error
    except (OSError, HTTPException) as error:
        raise _CutError(_words(error)) from error


def _extent(response: HTTPResponse, partial: _Partial) -> tuple[int, int | None]:
    """Where the answer begins in the file, and how long the file is."""
    if response.status != _PARTIAL_CONTENT:
        length = response.headers.get("Content-Length")
        return 0, int(length) if length else None
    answer = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if answer is None or int(answer[1]) != partial.size:
        partial.discard()
        raise _CutError("the server sent another part of the file than was asked for")
    return partial.size, None if answer[2] == "*" else int(answer[2])


def _receive(
    response: HTTPResponse, partial: _Partial, offset: int, total: int | None, progress: BytesDone
) -> int:
    """Write what comes after what is there, and count the bytes of the file that are there then."""
    done = offset
    with partial.path.open("ab" if offset else "wb") as file:
        partial.take_note(_validator(response), total)
        progress(done, total)
        for chunk in _chunks(response):
            file.write(chunk)
            done += len(chunk)
            progress(done, total)
    return done


def _chunks(response: HTTPResponse) -> Iterator[bytes]:
    try:
        while chunk := response.read1(_CHUNK):
            yield chunk
    except (OSError, HTTPException) as error:
        raise _CutError(_words(error)) from error


def _validator(response: HTTPResponse) -> str | None:
    """What tells this version of the file from another; a weak ETag does not."""
    tag: str | None = response.headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified")


def _fault(path: Path, remote: RemoteFile) -> str | None:
    """What tells a file from the expected one."""
    size = path.stat().st_size
    if remote.size is not None and size != remote.size:
        return f"has {size} bytes, expected {remote.size}"
    if remote.checksum is None:
        return None
    algorithm, _, expected = remote.checksum.partition(":")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
    known = digest.startswith(expected)
    return None if known else f"has the {algorithm} {digest}, expected {expected}"


def _unreachable(remote: RemoteFile, partial: _Partial, reason: str) -> OddscapeError:
    by_hand = f"fetch {remote.name} by hand{f' from {remote.page}' if remote.page else ''}"
    advice = f"{by_hand} and put it into {partial.path.parent}, or name a mirror (${MIRROR_VARIABLE})"
    if partial.resumable:
        advice = f"{megabytes(partial.size)} are kept, the same command goes on from there; or {advice}"
    return OddscapeError(f"cannot fetch {partial.address}: {reason}; {advice}")


def _words(error: object) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)

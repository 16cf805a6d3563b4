"""Writing files so that nothing half-written stays behind."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oddscape.errors import OddscapeError

_PROCESS = re.compile(r"\.(\d{1,9})\.partial$")


@contextmanager
def written_atomically(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to, and move it there when the block ends well.

    An interrupted or failed block leaves ``path`` as it was and removes the temporary file.

    Raises:
        OddscapeError: the disk refused, as when it is full.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise OddscapeError(f"cannot write {path}: {error.strerror or error}") from error


def path_text(path: str | Path) -> str:
    """A path, or a line that names one, as text; bytes that are no UTF-8 are in hexadecimal digits."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def remove_abandoned(folder: Path) -> None:
    """Remove the temporary files that killed processes left in a folder and below it."""
    for partial in folder.rglob(".*.partial"):
        process = _PROCESS.search(partial.name)
        if process is not None and not _is_running(int(process[1])):
            partial.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    if os.name != "posix":  # elsewhere, to ask is to interrupt
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True

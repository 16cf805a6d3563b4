"""Writing files so that nothing half-written stays behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oddscape.errors import OddscapeError


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

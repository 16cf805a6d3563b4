"""Whether a picture is still the file that was scored, told without reading it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Stamp:
    """Size and time of a file; when either has changed, the picture is taken to have.

    Args:
        size: in bytes.
        modified: when the file was last changed, in nanoseconds since 1970.
    """

    size: int
    modified: int

    @classmethod
    def of(cls, path: str) -> Self | None:
        """The stamp of a file, or of what a link leads to; None where there is none to be had."""
        try:
            found = Path(path).stat()
        except (OSError, ValueError):
            return None
        return cls(found.st_size, found.st_mtime_ns)

"""Arrays that wait on disk until they are needed again."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterable, Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from oddscape.errors import OddscapeError

Arrays = tuple[NDArray[Any], ...]


class Spool:
    """Groups of arrays in a temporary file that has no name and goes with the process.

    A threshold that depends on all pictures is known only after the last one; keeping their scores in memory
    until then would take gigabytes, and a second pass of the network hours.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115, it lives as long as the spool
        weakref.finalize(self, self._file.close)
        self._groups: list[int] = []

    def append(self, *arrays: NDArray[Any]) -> None:
        """Put a group of arrays at the end.

        Raises:
            OddscapeError: the disk refused, as when it is full.
        """
        try:
            for array in arrays:
                np.save(self._file, array, allow_pickle=False)
        except OSError as error:
            raise OddscapeError(
                f"cannot keep scores in {tempfile.gettempdir()}: {error.strerror or error}; "
                "TMPDIR names another folder"
            ) from error
        self._groups.append(len(arrays))

    def extend(self, groups: Iterable[Arrays]) -> None:
        """Put groups of arrays at the end, as those of another spool.

        Raises:
            OddscapeError: the disk refused, as when it is full.
        """
        for group in groups:
            self.append(*group)

    def __reduce__(self) -> tuple[type[Self], tuple[()], None, Iterator[Arrays]]:
        # To another process it goes group by group, which extend() there takes.
        return type(self), (), None, iter(self)

    def __iter__(self) -> Iterator[Arrays]:
        """Read every group in the order in which it came."""
        self._file.seek(0)
        for count in self._groups:
            yield tuple(np.load(self._file, allow_pickle=False) for _ in range(count))

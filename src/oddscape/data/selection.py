"""Choosing pictures by what their masks hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oddscape.data.dataset import Entry
from oddscape.data.files import read_mask
from oddscape.errors import OddscapeError

_READERS = 4


def entries_whose_mask(
    entries: Sequence[Entry], holds: Callable[[NDArray[np.bool_]], bool]
) -> tuple[Entry, ...]:
    """Keep the entries whose mask is as wanted; all masks are read once.

    A mask that is missing or cannot be read is kept, so that its turn to be read names it.

    Args:
        entries: where the scenes lie.
        holds: takes bool [256], which raw values occur in a mask, and says whether to keep it.
    """

    def kept(entry: Entry) -> bool:
        try:
            return entry.truth is None or holds(raw_values(entry.truth))
        except OddscapeError:
            return True

    with ThreadPoolExecutor(_READERS) as pool:
        return tuple(entry for entry, keep in zip(entries, pool.map(kept, entries), strict=True) if keep)


def raw_values(path: Path) -> NDArray[np.bool_]:
    """Which raw values occur in a mask, bool [256].

    Raises:
        OddscapeError: the mask is missing or does not decode.
    """
    return np.bincount(read_mask(path).ravel(), minlength=256) > 0

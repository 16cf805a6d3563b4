"""Ratios that may be undefined."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def ratio(part: ArrayLike, whole: ArrayLike) -> NDArray[np.float64]:
    """``part / whole`` of counts of one shape, float64; NaN where the whole is 0."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    result: NDArray[Any] = np.full(part.shape, np.nan)
    np.divide(part, whole, out=result, where=whole > 0)
    return result

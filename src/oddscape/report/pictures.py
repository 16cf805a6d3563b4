"""Heat maps of whole scores, as pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oddscape.report.heat import paint_heat, robust_range


def heat_map(score: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Paint a score map [H, W] between its 1 % and 99 % quantiles, uint8 [H, W, 3]."""
    low, high = robust_range(score)
    return paint_heat(np.nan_to_num(score, nan=low), low, high)

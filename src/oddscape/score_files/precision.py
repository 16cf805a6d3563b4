"""What a storage type takes from a score map: distinct scores that merge, large ones that overflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddscape.score_files.png16 import to_levels

_TOP = 0.99  # anomalies are rare: the top of the scores decides AP and FPR95
_FEW = 32
_CROWD = 0.1  # so large a share of the top at one value is a step that AP and FPR95 feel


@dataclass(frozen=True)
class PrecisionLoss:
    """What is lost when a score map is stored as ``dtype``.

    Args:
        dtype: the stored type, as in ``"float16"``; ``"uint16"`` stands for the levels of a 16-bit PNG.
        distinct: number of distinct scores.
        kept: number of distinct scores after the cast.
        top_distinct: number of distinct scores among the top 1 % of pixels.
        top_merged: how many of these share their stored value with another distinct score.
        overflowed: number of pixels whose finite score becomes infinite.
        top_crowd: the largest share of the top 1 % of pixels that the cast brings to one value.
    """

    dtype: str
    distinct: int
    kept: int
    top_distinct: int
    top_merged: int
    overflowed: int
    top_crowd: float

    @property
    def matters(self) -> bool:
        """Whether figures can feel it; scores that merge with their neighbours alone change none."""
        return self.overflowed > 0 or self.top_crowd > _CROWD

    def __str__(self) -> str:
        name = _type_words(self.dtype)
        lost = 100 * (1 - self.kept / self.distinct)
        parts = [
            f"{name} keeps {self.kept:,} of {self.distinct:,} distinct scores ({lost:.1f} % lost)",
            f"of the {self.top_distinct:,} in the top 1 % of pixels, {self.top_merged:,} merged with another",
            f"infinite by overflow in {self.overflowed:,} of the pixels",
        ]
        return "; ".join(parts if self.overflowed else parts[:2])


def measure_loss(score: NDArray[np.floating], dtype: str) -> PrecisionLoss | None:
    """Count what a cast merges and overflows.

    Args:
        score: floats of any shape, no NaN.
        dtype: the type to store, as in ``"float16"``; ``"uint16"`` stands for the levels of a 16-bit PNG.

    Returns:
        The counts, or None where every score stays finite and every two distinct ones stay distinct.
    """
    if np.can_cast(score.dtype, dtype):
        return None
    ordered = np.sort(score, axis=None)
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    values, pixels = ordered[first], np.diff(first, append=ordered.size)
    stored = _stored(values, dtype)
    overflowed = int(pixels[np.isfinite(values) & ~np.isfinite(stored)].sum())
    alike = stored[1:] == stored[:-1]
    if not overflowed and not alike.any():
        return None
    merged = np.concatenate([[False], alike]) | np.concatenate([alike, [False]])
    first_top = int(np.searchsorted(values, _top_pixels(ordered)[0]))
    top = merged[first_top:]
    kept = len(values) - int(alike.sum())
    crowd = _crowd(stored[first_top:], pixels[first_top:])
    return PrecisionLoss(dtype, len(values), kept, len(top), int(top.sum()), overflowed, crowd)


def precision_loss(score: NDArray[np.floating], dtype: str) -> str:
    """Say what a cast merges and overflows (see :func:`measure_loss`); ``""`` where it loses nothing."""
    loss = measure_loss(score, dtype)
    return str(loss) if loss else ""


def summarise_losses(losses: Mapping[str, PrecisionLoss | None]) -> str:
    """One line for a whole folder: a warning where figures feel the loss, else a note; ``""`` for none."""
    lossy = {name: loss for name, loss in losses.items() if loss}
    if not lossy:
        return ""
    worst = max(lossy, key=lambda name: (lossy[name].overflowed, lossy[name].top_crowd, name))
    loss, maps = lossy[worst], f"{len(lossy)} of {len(losses)} score maps"
    if loss.matters:
        return f"warning: {maps} lose precision, the most in {worst}: {loss}"
    return (
        f"note: {_type_words(loss.dtype)} merges scores that lie close in {maps}; of the top 1 % of pixels, "
        f"{100 * loss.top_crowd:.1f} % at most share a value, too few for figures to feel it"
    )


def saturation(score: NDArray[np.floating]) -> str:
    """Say that the scores which decide AP and FPR95 are nearly all alike; ``""`` where they are not.

    Args:
        score: floats of any shape; nothing is said of fewer than about 1,000 pixels.
    """
    top = _top_pixels(np.partition(score, int(_TOP * score.size), axis=None))
    distinct = len(np.unique(top))
    if distinct >= min(_FEW, len(top) // 10):
        return ""
    return f"saturated, fewer than {_FEW} distinct scores in the top 1 % of pixels"


def _top_pixels(ordered: NDArray[Any]) -> NDArray[Any]:
    return ordered[int(_TOP * ordered.size) :]


def _crowd(stored: NDArray[Any], pixels: NDArray[np.int64]) -> float:
    """The largest share of pixels at one stored value that stands for several; both ascending by score."""
    first = np.flatnonzero(np.concatenate([[True], stored[1:] != stored[:-1]]))
    at_one_value, distinct = np.add.reduceat(pixels, first), np.diff(first, append=stored.size)
    return float(np.max(at_one_value, where=distinct > 1, initial=0) / pixels.sum())


def _type_words(dtype: str) -> str:
    return "a 16-bit PNG" if dtype == "uint16" else dtype


def _stored(values: NDArray[np.floating], dtype: str) -> NDArray[Any]:
    if dtype == "uint16":
        return to_levels(values)
    with np.errstate(over="ignore"):
        return values.astype(dtype)

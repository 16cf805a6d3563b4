"""Intervals: the range that a figure lies in, made of its bootstrap replicates."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oddscape.errors import OddscapeError

Floats = NDArray[np.float64]

FEW_UNITS = 20
"""An interval from fewer units deserves a caution."""


class Interval(NamedTuple):
    """A closed interval of fractions; both ends NaN where nothing can be said."""

    low: float
    high: float

    @property
    def width(self) -> float:
        """``high − low``."""
        return self.high - self.low


def interval(replicates: Floats, level: float = 0.95) -> Interval:
    """The percentile interval of a figure: what leaves (1 − level) / 2 of the replicates at either side.

    Replicates that are NaN are left out; :func:`undefined_replicates` counts them.

    Args:
        replicates: float64 [replicates].
        level: in (0, 1).

    Returns:
        Both ends NaN where no replicate is defined.
    """
    defined = replicates[~np.isnan(replicates)]
    if not defined.size:
        return Interval(np.nan, np.nan)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def undefined_replicates(replicates: Floats) -> int:
    """How many replicates are NaN, as without a single anomalous pixel: no interval counts them."""
    return int(np.count_nonzero(np.isnan(replicates)))


class Difference(NamedTuple):
    """How much one figure exceeds another.

    Args:
        mean: over the replicates.
        interval: of the replicates' differences; where it holds 0, either may be the higher.
    """

    mean: float
    interval: Interval


def paired_difference(a: Floats, b: Floats, level: float = 0.95) -> Difference:
    """The difference a − b of two methods' figures on the same pictures, replicate by replicate.

    Both figures rise and fall together with the pictures drawn, so the difference is known far better than
    either.

    Args:
        a: float64 [replicates].
        b: float64 [replicates], over the same units by the same seed.
        level: in (0, 1).

    Raises:
        OddscapeError: their numbers of replicates differ.
    """
    if a.shape != b.shape:
        raise OddscapeError(f"replicates of two figures are no pairs: {a.size} and {b.size} of them")
    differences = a - b
    return Difference(_mean(differences[~np.isnan(differences)]), interval(differences, level))


def few_units(count: int, unit: str = "picture") -> str:
    """Caution where there are too few units to trust an interval; "" where there are 20 or more."""
    if count >= FEW_UNITS:
        return ""
    if count < 2:
        return f"no interval: {count} {unit}{'' if count == 1 else 's'} cannot be resampled"
    return f"intervals from {count} {unit}s only: fewer than {FEW_UNITS}, they tend to be too narrow"


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else float("nan")

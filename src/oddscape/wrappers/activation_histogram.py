"""Percentiles of any number of activations in bounded memory: counts by the leading bits of a float32."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_DROPPED_BITS = 13  # of the 23 of the mantissa: a cell is as wide as a thousandth of its values
_POSITIVE = 1 << (31 - _DROPPED_BITS)
_CELLS = 2 * _POSITIVE
_CHUNK = 1 << 22


def no_activations(device: torch.device | str = "cpu") -> Tensor:
    """An empty histogram, int64 [524,288]; the sum of two is that of all their activations."""
    return torch.zeros(_CELLS, dtype=torch.int64, device=device)


def activation_histogram(activations: Tensor) -> Tensor:
    """Count activations of any shape in 524,288 cells, in rising order; int64 [524,288], 4 MB."""
    counts = no_activations(activations.device)
    values = activations.detach().float().flatten()
    for start in range(0, len(values), _CHUNK):
        bits = values[start : start + _CHUNK].view(torch.int32) >> _DROPPED_BITS
        # Read as integers, floats rise from 0 on, and fall below it.
        cell = torch.where(bits < 0, -1 - bits, bits + _POSITIVE)
        counts += torch.bincount(cell, minlength=_CELLS)
    return counts


def percentile_of(histogram: Tensor, percentile: float) -> float:
    """The least value with at least ``percentile`` per cent of the activations at or below it.

    Args:
        histogram: int64 [524,288], of at least one activation.
        percentile: above 0, up to 100.

    Returns:
        The middle of the value's cell, off by at most 1/2048 of the value.
    """
    at_or_below = histogram.cumsum(0)
    wanted = max(math.ceil(percentile / 100 * int(at_or_below[-1])), 1)
    cell = int(torch.searchsorted(at_or_below, wanted))
    bits = cell - _POSITIVE if cell >= _POSITIVE else -1 - cell
    middle = (bits << _DROPPED_BITS) + (1 << (_DROPPED_BITS - 1))
    return torch.tensor(middle, dtype=torch.int32).view(torch.float32).item()

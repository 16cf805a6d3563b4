"""The colour map of the heat maps: lightness rises evenly, so it reads without hue and in grey print."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Lightness, chroma and hue (degrees) in Oklab: night blue, violet, rose, amber, straw.
_LIGHTNESS = (0.13, 0.97)
_CHROMA = (0.05, 0.14, 0.175, 0.175, 0.165, 0.15, 0.06)
_HUE = (275, 292, 325, 370, 402, 440, 465)

# Oklab → linear sRGB: B. Ottosson, "A perceptual color space for image processing", 2020.
_LAB_TO_LMS = np.array(
    [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
)
_LMS_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def _colour_table() -> NDArray[np.uint8]:
    at = np.linspace(0, 1, 256)
    knots = np.linspace(0, 1, len(_HUE))
    lightness = np.interp(at, (0, 1), _LIGHTNESS)
    chroma, hue = np.interp(at, knots, _CHROMA), np.radians(np.interp(at, knots, _HUE))
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], 1)
    linear = ((lab @ _LAB_TO_LMS.T) ** 3 @ _LMS_TO_RGB.T).clip(0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    table: NDArray[np.uint8] = (encoded * 255).round().astype(np.uint8)
    return table


HEAT = _colour_table()
"""uint8 [256, 3], RGB from the lowest score to the highest."""


def robust_range(score: NDArray[np.float32]) -> tuple[float, float]:
    """The 1 % and 99 % quantiles of the finite scores; a range of length one around a constant."""
    finite = score[np.isfinite(score)]
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.quantile(finite, (0.01, 0.99)))
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def paint_heat(score: NDArray[np.float32], low: float, high: float) -> NDArray[np.uint8]:
    """Colour scores, uint8 [H, W, 3]; beyond ``low`` … ``high`` lie the ends' colours, NaN is the lowest."""
    painted: NDArray[np.uint8] = HEAT[heat_levels(score, low, high)]
    return painted


def heat_levels(score: NDArray[np.float32], low: float, high: float) -> NDArray[np.uint8]:
    """Where scores lie in :data:`HEAT`, uint8 [H, W]."""
    level = np.nan_to_num((score - low) / (high - low), nan=0.0, posinf=1.0, neginf=0.0)
    levels: NDArray[np.uint8] = (level.clip(0, 1) * 255).round().astype(np.uint8)
    return levels

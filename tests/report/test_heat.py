import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from oddscape.report.heat import HEAT, paint_heat, robust_range


def lightness(colours: np.ndarray) -> np.ndarray:
    """CIE L*, from Rec. 709 luminance."""
    share = colours / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    y = linear @ [0.2126, 0.7152, 0.0722]
    return np.where(y > (6 / 29) ** 3, 116 * np.cbrt(y) - 16, y * (29 / 3) ** 3)


def test_lightness_rises_evenly():
    steps = np.diff(lightness(HEAT))
    assert lightness(HEAT)[0] < 5
    assert lightness(HEAT)[-1] > 90
    assert (np.diff(lightness(HEAT[::2])) > 0).all()
    smoothed = np.convolve(steps, np.ones(32) / 32, "valid")
    assert smoothed.max() < 2.5 * smoothed.min()


def test_range_ignores_extremes_and_infinities():
    score = np.linspace(0, 1, 10001, dtype=np.float32)
    score[:5], score[-5:] = -np.inf, 1e9
    assert robust_range(score) == pytest.approx((0.01, 0.99), abs=0.002)


@pytest.mark.parametrize("value", [0.0, 3.0, np.nan])
def test_range_of_a_constant_is_one_wide(value):
    low, high = robust_range(np.full((4, 4), value, np.float32))
    assert high - low == 1


def test_colours_of_the_ends_and_beyond():
    painted = paint_heat(np.array([[-np.inf, 0, 1, 5, np.inf, np.nan]], np.float32), 0.0, 1.0)
    assert [HEAT.tolist().index(colour) for colour in painted[0].tolist()] == [0, 0, 255, 255, 255, 0]


@given(arrays(np.float32, (3, 5), elements=st.floats(-10, 10, width=32)))
def test_higher_scores_are_never_darker(score):
    painted = paint_heat(score, *robust_range(score))
    order = np.argsort(score, axis=None)
    assert (np.diff(lightness(painted.reshape(-1, 3)[order])) > -0.2).all()

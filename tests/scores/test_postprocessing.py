"""Steps on finished maps: against scipy and a naive loop, and what they must leave alone."""

import inspect

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from oddscape.scores import POSTPROCESSING
from oddscape.scores.postprocessing import smooth, suppress_boundaries


def maps(seed=0, n=2, size=(23, 31)):
    return torch.randn(n, *size, generator=torch.Generator().manual_seed(seed))


def regions(seed=0, n=2, size=(23, 31)):
    """Class maps with a few large regions."""
    noise = maps(seed, n, size).numpy()
    return torch.from_numpy(
        np.stack([np.digitize(ndimage.gaussian_filter(m, 4), [-0.03, 0.03]) for m in noise]).astype(np.uint8)
    )


@pytest.mark.parametrize(("kernel_size", "sigma", "dilation"), [(7, 1, 6), (3, 0.7, 1), (5, 2, 3)])
def test_smoothing_equals_scipys_correlation(kernel_size, sigma, dilation):
    taps = np.arange(kernel_size) - kernel_size // 2
    gaussian = np.exp(-(taps[:, None] ** 2 + taps[None] ** 2) / (2 * sigma**2))
    kernel = np.zeros(((kernel_size - 1) * dilation + 1,) * 2)
    kernel[::dilation, ::dilation] = gaussian / gaussian.sum()
    wanted = [ndimage.correlate(m, kernel, mode="nearest") for m in maps().double().numpy()]
    np.testing.assert_allclose(smooth(maps(), kernel_size, sigma, dilation), wanted, rtol=1e-4, atol=1e-5)


@given(level=st.floats(-1e3, 1e3), seed=st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_smoothing_keeps_what_is_even_and_stays_between_the_extremes(level, seed):
    even = torch.full((1, 20, 15), level)
    torch.testing.assert_close(smooth(even), even, rtol=1e-5, atol=1e-5)
    score = maps(seed)
    assert smooth(score).min() >= score.min()
    assert smooth(score).max() <= score.max()


def naive_suppression(score, classes, width):
    """Pixel by pixel in float64: rings around where classes meet, filled from outside inwards."""
    height, across = score.shape
    steps_to_other = np.full((height, across), 99)
    for label in np.unique(classes):
        others = ndimage.distance_transform_cdt(classes == label, metric="taxicab")
        if (classes != label).any():
            steps_to_other[classes == label] = others[classes == label]
    for half in range(width // 2, 0, -1):
        boundary = steps_to_other <= half
        before = score.copy()
        for y, x in zip(*np.nonzero(boundary), strict=True):
            near = [
                (min(max(y + dy, 0), height - 1), min(max(x + dx, 0), across - 1))
                for dy in (-1, 0, 1)
                for dx in (-1, 0, 1)
            ]
            outside = [before[place] for place in near if not boundary[place]]
            if outside:
                score[y, x] = np.mean(outside)
    return score


@pytest.mark.parametrize("width", [2, 4, 8])
@pytest.mark.parametrize("seed", [0, 1])
def test_suppression_equals_a_naive_loop(width, seed):
    score, classes = maps(seed), regions(seed)
    wanted = [
        naive_suppression(s, c, width) for s, c in zip(score.double().numpy(), classes.numpy(), strict=True)
    ]
    np.testing.assert_allclose(suppress_boundaries(score, classes, width), wanted, rtol=1e-4, atol=1e-5)


def test_a_ridge_along_a_boundary_disappears():
    classes = torch.zeros(1, 20, 30, dtype=torch.uint8)
    classes[..., 15:] = 1
    ridge = torch.zeros(1, 20, 30)
    ridge[..., 12:18] = 5.0
    assert torch.equal(suppress_boundaries(ridge, classes), torch.zeros(1, 20, 30))
    assert suppress_boundaries(ridge, classes, 4).max() == 5.0


def test_one_class_has_no_boundary():
    score = maps()
    assert torch.equal(suppress_boundaries(score, torch.full(score.shape, 3, dtype=torch.uint8)), score)


def test_boundaries_without_anything_outside_are_left_as_they_were():
    score = maps(size=(6, 6))
    checkers = (torch.arange(6).view(-1, 1) + torch.arange(6)).remainder(2).to(torch.uint8).expand(2, 6, 6)
    assert torch.equal(suppress_boundaries(score, checkers), score)


@given(seed=st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_suppression_changes_nothing_far_from_boundaries_and_stays_between_the_extremes(seed):
    score, classes = maps(seed), regions(seed)
    suppressed = suppress_boundaries(score, classes)
    far = torch.from_numpy(
        np.stack([ndimage.maximum_filter(c, 11) == ndimage.minimum_filter(c, 11) for c in classes.numpy()])
    )
    assert torch.equal(suppressed[far], score[far])
    assert suppressed.min() >= score.min() - 1e-6
    assert suppressed.max() <= score.max() + 1e-6


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 2)])
def test_small_maps(size):
    score, classes = maps(size=size), regions(size=size)
    assert smooth(score).shape == suppress_boundaries(score, classes).shape == (2, *size)


@pytest.mark.parametrize("name", POSTPROCESSING)
def test_steps_keep_dtype_and_the_maps_they_are_given(name):
    score, classes = maps(), regions()
    before = score.clone()
    step = POSTPROCESSING[name]
    result = step.function(score, classes)
    assert (result.dtype, result.shape) == (torch.float32, score.shape)
    assert torch.equal(score, before)
    described = {"boundaries": suppress_boundaries, "smoothing": smooth}[name]
    assert {p.name for p in step.parameters} <= set(inspect.signature(described).parameters)

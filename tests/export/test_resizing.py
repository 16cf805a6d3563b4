"""Pictures resized as Pillow does it, within one grey level."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given

from oddscape.data import resize_image
from oddscape.export.resizing import seen_by_network
from oddscape.sizes import seen_size

SIDES = st.integers(1, 60)
OWN_SIDES = st.integers(2, 60)  # a picture of 1×60 is too narrow to be enlarged


@given(OWN_SIDES, OWN_SIDES, st.one_of(st.none(), SIDES, st.tuples(SIDES, SIDES)), st.integers(0, 9))
def test_pictures_are_resized_as_pillow_does(height, width, asked, seed):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    if min(seen_size((height, width), asked)) < 1:
        return
    wanted = resize_image(image, seen_size((height, width), asked)).astype(np.float32)
    seen = seen_by_network(torch.from_numpy(image)[None], asked)
    assert seen.dtype == torch.float32
    given_values = 255 * seen[0].permute(1, 2, 0).numpy()
    assert given_values.shape == wanted.shape
    np.testing.assert_allclose(given_values, wanted, atol=1.001)


@pytest.mark.parametrize("asked", [432, 300])
def test_hardly_a_value_is_another(asked):
    smooth = np.linspace(0, 255, 1280)[:, None] * np.linspace(0.2, 1, 3)
    image = np.broadcast_to(smooth, (720, 1280, 3)).astype(np.uint8)
    wanted = resize_image(image, seen_size((720, 1280), asked))
    seen = (
        255 * seen_by_network(torch.from_numpy(image)[None].contiguous(), asked)[0].permute(1, 2, 0).numpy()
    )
    assert np.mean(np.abs(seen - wanted) > 0.5) < 1e-3

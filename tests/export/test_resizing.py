"""Pictures resized as Pillow does it, within one grey level."""

import hypothesis.strategies as st
import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given
from torch import nn

from oddscape.data import resize_image
from oddscape.export.conversion import to_onnx, traced
from oddscape.export.resizing import _seen, seen_by_network
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


@given(SIDES, SIDES, st.sampled_from([(1, 2), (2, 1), (2, 2)]), st.integers(0, 9))
def test_at_half_a_side_no_value_is_another(height, width, times, seed):
    if times == (2, 2):  # of tall pictures, Pillow may resize the other side first
        width = max(height, width)
    own = (times[0] * height, times[1] * width, 3)
    image = np.random.default_rng(seed).integers(0, 256, own, np.uint8)
    seen = seen_by_network(torch.from_numpy(image)[None], (height, width))
    wanted = torch.from_numpy(resize_image(image, (height, width)))
    assert torch.equal(seen[0].permute(1, 2, 0), wanted.float() / 255)


class Seen(nn.Module):
    """Lines as long as the sides at which a network sees pictures."""

    def forward(self, image):
        height, width = _seen((image.shape[1], image.shape[2]), 1080)
        return torch.zeros(height), torch.zeros(width)


def test_the_size_is_right_in_onnx_where_float32_would_round_it_up(tmp_path):
    path = tmp_path / "seen.onnx"
    program = traced(Seen(), (torch.zeros(2, 30, 40, 3),), [(0, 1, 2)], "seen")
    to_onnx(program, ["image"], ["height", "width"]).save(path)
    session = onnxruntime.InferenceSession(path)
    for own in ((2167, 8049), (8049, 2167), (2179, 8372)):
        lines = session.run(None, {"image": np.zeros((1, *own, 3), np.float32)})
        assert tuple(map(len, lines)) == seen_size(own, 1080)

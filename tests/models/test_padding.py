import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from oddscape.models.padding import cut_padding, pad_to_multiple

sides = st.integers(1, 70)


@given(sides, sides, st.sampled_from([1, 2, 8, 32]))
def test_full_resolution_maps_are_those_of_the_picture(height, width, multiple):
    image = torch.rand(1, 2, height, width)
    padded = pad_to_multiple(image, multiple)
    assert padded.shape[-2] % multiple == padded.shape[-1] % multiple == 0
    assert padded.shape[-2] - height < multiple
    assert torch.equal(cut_padding(padded, (height, width), padded), image)
    assert torch.equal(padded[..., :height, -1], image[..., -1])


@given(sides, sides, st.sampled_from([2, 4, 8, 32]))
def test_coarse_maps_keep_every_place_that_lies_over_the_picture(height, width, stride):
    padded = pad_to_multiple(torch.zeros(1, 1, height, width), 32)
    inside = torch.zeros_like(padded)
    inside[..., :height, :width] = 1
    touched = F.max_pool2d(inside, stride)
    kept = cut_padding(touched, (height, width), padded)
    assert kept.min() == 1
    assert kept.sum() == touched.sum()

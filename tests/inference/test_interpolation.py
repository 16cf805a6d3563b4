import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from oddscape.inference.interpolation import neighbours


@given(st.integers(1, 40), st.integers(1, 90), st.booleans())
def test_blend_is_what_interpolate_does(native, full, align_corners):
    values = torch.randn(1, 1, native, generator=torch.Generator().manual_seed(native))
    wanted = F.interpolate(values, full, mode="linear", align_corners=align_corners)
    found, line = neighbours(native, full, align_corners=align_corners), values[0, 0].numpy()
    blend = line[found.low] * (1 - found.share) + line[found.high] * found.share
    np.testing.assert_allclose(blend, wanted[0, 0].numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("align_corners", [False, True])
def test_places_lie_within_the_native_maps(align_corners):
    found = neighbours(256, 2048, align_corners=align_corners)
    assert found.low.min() == 0
    assert found.high.max() == 255
    assert 0 <= found.share.min() <= found.share.max() < 1

import pytest
import torch
import torch.nn.functional as F

from oddscape.errors import OddscapeError
from oddscape.models import create_model, probe
from oddscape.scores import SCORES
from oddscape.wrappers.multi_scale import MultiScaleFlip
from oddscape.wrappers.windows import SlidingWindows


@pytest.fixture
def net():
    torch.manual_seed(0)
    return create_model("densehybrid_small_ladder", num_classes=4).eval()


@torch.no_grad()
def test_flipped_passes_are_flipped_back_and_averaged(net):
    image = torch.rand(2, 3, 70, 90)
    out, mirrored = net(image), net(image.flip(-1))
    given = MultiScaleFlip(net)(image)
    for name in ("logits", "outlier_logits"):
        wanted = (getattr(out, name) + getattr(mirrored, name).flip(-1)) / 2
        torch.testing.assert_close(getattr(given, name), wanted, rtol=1e-5, atol=1e-5)
    assert given.native.features.shape == out.native.features.shape


@torch.no_grad()
def test_a_mirrored_picture_gives_mirrored_maps(net):
    image = torch.rand(1, 3, 64, 96)
    there, back = (MultiScaleFlip(net, scales=(0.5, 1))(x).logits for x in (image, image.flip(-1)))
    torch.testing.assert_close(there, back.flip(-1), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_scales_are_averaged_at_picture_size(net):
    image, wanted = torch.rand(1, 3, 64, 90), 0
    for height, width in ((48, 68), (64, 90), (96, 135)):
        seen = F.interpolate(image, (height, width), mode="bilinear", antialias=True)
        wanted = wanted + F.interpolate(net(seen).native.logits, (64, 90), mode="bilinear") / 3
    given = MultiScaleFlip(net, scales=(0.75, 1, 1.5), flip=False)(image)
    assert given.size == (64, 90)
    torch.testing.assert_close(given.logits, wanted, rtol=1e-4, atol=1e-4)
    assert given.native.features.shape[-2:] == (24, 34)
    for name in ("msp", "densehybrid"):
        assert SCORES[name](given).shape == (1, 64, 90)


@torch.no_grad()
def test_one_pass_changes_nothing(net):
    image = torch.rand(1, 3, 65, 64)
    given, wanted = MultiScaleFlip(net, flip=False)(image), net(image)
    assert torch.equal(given.native.logits, wanted.native.logits)
    assert probe(MultiScaleFlip(net)).fields == probe(net).fields


@torch.no_grad()
def test_every_scale_may_be_shown_in_windows(net):
    given = MultiScaleFlip(SlidingWindows(net, (64, 64)), scales=(1, 1.5))(torch.rand(1, 3, 80, 96))
    assert given.logits.shape == (1, 4, 80, 96)


@pytest.mark.parametrize("scales", [(), (1, 0), (float("nan"),), (float("inf"),)])
def test_scales_that_are_none_are_said(net, scales):
    with pytest.raises(OddscapeError, match=r"expected one or more factors above 0"):
        MultiScaleFlip(net, scales)

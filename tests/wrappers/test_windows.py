from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from oddscape.errors import OddscapeError
from oddscape.inference import postprocess
from oddscape.models import create_model, probe
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.scores import SCORES, fitting_scores
from oddscape.wrappers.windows import SlidingWindows, blending_weight, cut


class Local(nn.Module):
    """Three padded 3x3 convolutions down to a stride, every kind of map, and a record of what it was shown.

    Args:
        stride: 4 or 8, of the logits; features are twice as fine.
        align_corners: of its output.
    """

    def __init__(self, stride=4, align_corners=False):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 6, 3, 2, padding=1)
        self.second = nn.Conv2d(6, 6, 3, stride // 4, padding=1)
        self.third = nn.Conv2d(6, 6, 3, 2, padding=1)
        self.heads = nn.Conv2d(6, 5 + 2 + 1, 1)
        for convolution in (self.first, self.second, self.third, self.heads):
            nn.init.orthogonal_(convolution.weight, gain=2)
        self.align_corners, self.seen = align_corners, []

    def forward(self, image):
        self.seen.append(tuple(image.shape))
        fine = self.second(F.leaky_relu(self.first(image)))
        logits, outlier, void = self.heads(F.leaky_relu(self.third(F.leaky_relu(fine)))).split([5, 2, 1], 1)
        maps = NativeMaps(
            logits, outlier, void, fine, fine.square(), member_logits=torch.stack([logits, -logits])
        )
        return DenseOutput(maps, tuple(image.shape[-2:]), self.align_corners)


MAPS = ("logits", "outlier_logits", "void_logits", "features", "student_features", "member_logits")
SIZES = [(128, 192), (131, 197), (97, 65), (64, 300), (40, 201), (200, 33), (65, 64)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stride", [4, 8])
@pytest.mark.parametrize("align_corners", [False, True])
@torch.no_grad()
def test_a_network_that_looks_not_far_gives_what_it_gives_for_the_whole_picture(size, stride, align_corners):
    net, image = Local(stride, align_corners), torch.rand(2, 3, *size)
    whole = net(image)
    assert whole.native.logits.std((-2, -1)).min() > 0.1
    net.seen.clear()
    given = SlidingWindows(net, (64, 96), 0.5, stride=8, batch_size=3)(image)
    assert given.size == whole.size == size
    assert given.align_corners == align_corners
    for name in MAPS:
        torch.testing.assert_close(
            getattr(given.native, name), getattr(whole.native, name), rtol=1e-5, atol=1e-5
        )
    for score in fitting_scores(whole.fields).values():
        torch.testing.assert_close(score(given), score(whole), rtol=1e-5, atol=1e-5)
    if size[0] > 64 or size[1] > 96:
        assert all(n <= 3 and h <= 64 and w <= 96 for n, _, h, w in net.seen)
    else:
        assert net.seen == [(2, 3, *size)]


@torch.no_grad()
def test_padding_reaches_the_result_where_the_overlap_is_too_small():
    net, image = Local(), torch.rand(1, 3, 64, 200)
    given, whole = SlidingWindows(net, (64, 64), 0, stride=8)(image).logits, net(image).logits
    assert (given - whole).abs().max() > 0.01


class Uneven(nn.Module):
    """Pixelwise logits, given at a size that no stride of the picture leads to."""

    def __init__(self, cells=None):
        super().__init__()
        self.classifier, self.cells = nn.Conv2d(3, 4, 1), cells

    def forward(self, image):
        height, width = image.shape[-2:]
        size = self.cells or (height - 1, width - 1)
        return DenseOutput(
            NativeMaps(F.interpolate(self.classifier(image), size, mode="bilinear")), (height, width)
        )


@pytest.mark.parametrize("cells", [None, (32, 32), (50, 31)])
@torch.no_grad()
def test_maps_off_the_grid_are_blended_at_picture_size(cells):
    # A plane stays a plane through bilinear resizing, but for the borders.
    net = Uneven(cells)
    image = torch.linspace(0, 1, 150).expand(1, 3, 100, 150)
    given, wanted = SlidingWindows(net, (64, 64), 0.5, stride=8)(image), net.classifier(image)
    assert given.logits.shape == (1, 4, 100, 150)
    assert (given.logits - wanted)[..., 4:-4].abs().max() < 2e-3


@torch.no_grad()
def test_real_networks_windows_stay_close_and_their_scores_run():
    torch.manual_seed(0)
    net, image = create_model("erfnet", num_classes=5).eval(), torch.rand(1, 3, 144, 272)
    given = SlidingWindows(net, (128, 192), 0.5)(image)
    for name in ("logits", "features"):
        given_maps, whole = getattr(given.native, name), getattr(net(image).native, name)
        assert given_maps.shape == whole.shape
        assert (given_maps - whole).abs().mean() < 0.1 * whole.std()
    assert set(postprocess(given, {"energy": SCORES["energy"]}).scores) == {"energy"}
    assert probe(SlidingWindows(net, (64, 64))).fields == probe(net).fields


@torch.no_grad()
def test_batches_of_windows_change_nothing():
    net, image = Local(), torch.rand(2, 3, 150, 170)
    one, many = (SlidingWindows(net, (64, 64), stride=8, batch_size=size)(image) for size in (1, 100))
    torch.testing.assert_close(one.logits, many.logits)
    assert max(shape[0] for shape in net.seen) > 1


def test_maps_of_queries_are_left_out_whatever_the_size():
    class Masks(nn.Module):
        def forward(self, image):
            maps = NativeMaps(image, mask_logits=image, class_logits=image[..., 0])
            return DenseOutput(maps, tuple(image.shape[-2:]))

    net = SlidingWindows(Masks(), (64, 64))
    assert net(torch.rand(1, 3, 64, 64)).fields == net(torch.rand(1, 3, 90, 64)).fields == {"logits"}


def test_half_precision_maps_are_blended_in_float32_and_gradients_flow():
    net, image = Local(), torch.rand(1, 3, 100, 64, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        out = SlidingWindows(net, (64, 64), stride=8)(image)
    assert out.native.logits.dtype == torch.float32
    out.logits.sum().backward()
    assert image.grad.abs().sum((1, 3)).gt(0).all()


@given(
    st.integers(1, 700),
    st.integers(2, 12),
    st.sampled_from([1, 2, 8, 32]),
    st.sampled_from([0, 0.1, 0.25, 0.5, 0.8]),
)
@settings(max_examples=200, deadline=None)
def test_cuts_cover_a_side_and_their_weights_sum_to_one(length, strides, stride, overlap):
    window = strides * stride
    if window * (1 - overlap) < stride:
        overlap = 0
    spans = cut(length, window, overlap, stride)
    assert spans[0][0] == 0
    assert spans[-1][1] == length
    assert all(start % stride == 0 and 0 < end - start <= window for start, end in spans)
    for (start, end), (following, _) in pairwise(spans):
        assert start < following
        assert end - following >= overlap * window - 1e-6
    position = torch.arange(length, dtype=torch.float64) + 0.5
    weights = torch.stack([blending_weight(spans, i, position) for i in range(len(spans))])
    torch.testing.assert_close(weights.sum(0), torch.ones_like(position))
    assert weights.min() >= 0
    for (start, end), weight in zip(spans, weights, strict=True):
        assert not weight[(position < start) | (position > end)].any()


def test_weights_follow_a_raised_cosine_over_the_middle_half_of_the_overlap():
    position = torch.tensor([0.0, 56, 60, 64, 68, 72, 90], dtype=torch.float64)
    given = blending_weight([(0, 72), (56, 128)], 0, position)
    wanted = torch.tensor([1.0, 1, 1, 0.5, 0, 0, 0], dtype=torch.float64)
    torch.testing.assert_close(given, wanted)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"window": (100, 64)}, "window 64×100: its sides must be multiples of the stride 32, 64 or more"),
        ({"window": (32, 64)}, "window 64×32: its sides"),
        ({"window": (64, 64), "overlap": 0.9}, "overlap 0.9: expected at least 0, and small enough"),
        ({"window": (64, 64), "overlap": -1}, "overlap -1: expected"),
        ({"window": (64, 64), "batch_size": 0}, "batch_size 0: expected 1 window at once or more"),
    ],
)
def test_what_does_not_fit_is_said(options, words):
    with pytest.raises(OddscapeError, match=words):
        SlidingWindows(Local(), **options)

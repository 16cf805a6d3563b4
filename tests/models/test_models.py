"""Every network in MODELS: what any of them must keep."""

import pytest
import torch
import torch.nn.functional as F

from oddscape.errors import OddscapeError
from oddscape.models import MODELS, create_model, probe
from oddscape.models.deeplab import DeepLabWidths
from oddscape.models.pyramid import pool_to_grid
from oddscape.models.wide_resnet import WideResNetWidths

_NARROW_WRN = {
    "widths": DeepLabWidths(
        trunk=WideResNetWidths(8, (8, 8), (8, 8), (12, 12), (8, 16), (8, 12, 16), (12, 16, 20)),
        aspp=8,
        fine=4,
        decoder=8,
    )
}
NARROW = {
    "wrn38": _NARROW_WRN,
    "densehybrid_wrn38": _NARROW_WRN,
    "pspnet": {"width": 4},
    "dicnet": {"width": 4},
}
"""Options that make a large network small: what holds for one width holds for the other."""


def make(name, num_classes):
    return create_model(name, num_classes, **NARROW.get(name, {}))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("size", [(64, 96), (61, 99)])
@torch.no_grad()
def test_any_size_gives_maps_at_the_pictures_size(name, size):
    net = make(name, num_classes=5).eval()
    out = net(torch.rand(2, 3, *size))
    assert net.num_classes == 5
    assert out.logits.shape == (2, 5, *size)
    assert out.logits.dtype == torch.float32
    assert out.fields == probe(net).fields


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_pictures_of_a_batch_do_not_see_each_other(name):
    net, images = make(name, num_classes=4).eval(), torch.rand(2, 3, 64, 64)
    together, alone = net(images).logits[1:], net(images[1:]).logits
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_channels_last_and_bf16_change_little(name):
    torch.manual_seed(0)
    net, image = make(name, num_classes=4).eval(), torch.rand(1, 3, 64, 64)
    wanted = net(image).logits
    with torch.autocast("cpu", torch.bfloat16):
        given = net.to(memory_format=torch.channels_last)(image.to(memory_format=torch.channels_last)).logits
    assert (given - wanted).abs().mean() < 0.1 * wanted.std()


@pytest.mark.parametrize("name", MODELS)
def test_exports_without_a_graph_break(name):
    net, image = make(name, num_classes=4).eval(), torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        exported = torch.export.export(net, (image,)).module()(image)
        torch.testing.assert_close(exported.logits, net(image).logits, rtol=1e-4, atol=1e-5)


def test_unknown_names_and_options_are_said():
    with pytest.raises(OddscapeError, match=r"unknown model 'ernet'; known: ldn121, .*erfnet"):
        create_model("ernet", num_classes=19)
    with pytest.raises(OddscapeError, match=r"'small_ladder' does not take these options.*void"):
        create_model("small_ladder", num_classes=19, void=True)


def test_void_is_one_more_output_beside_the_known_classes():
    net = create_model("erfnet", num_classes=19, void=True).eval()
    out = net(torch.rand(1, 3, 16, 16))
    assert out.logits.shape[1] == 19
    assert out.void_logits.shape[1] == 1


def test_erfnet_pads_sides_that_are_no_multiple_of_eight():
    net, image = create_model("erfnet", num_classes=3).eval(), torch.rand(1, 3, 20, 30)
    padded = F.pad(image, (0, 2, 0, 4), mode="replicate")
    torch.testing.assert_close(net(image).logits, net(padded).logits[..., :20, :30])


@pytest.mark.parametrize("grid", [(1, 1), (2, 4), (6, 6), (5, 3)])
@pytest.mark.parametrize("size", [(6, 10), (7, 13), (12, 5)])
def test_pooling_to_a_grid_equals_adaptive_average_pooling(grid, size):
    x = torch.rand(2, 3, *size)
    torch.testing.assert_close(pool_to_grid(x, grid), F.adaptive_avg_pool2d(x, grid))


def test_a_teacher_never_trains():
    net = create_model("dicnet_small_ladder", num_classes=4).train()
    assert not net.teacher.training
    assert net.student.training
    out = net(torch.rand(2, 3, 32, 32))
    assert not out.native.features.requires_grad
    assert out.native.student_features.requires_grad
    assert out.native.features.shape == out.native.student_features.shape


def test_a_student_may_give_each_batch_a_mean_of_its_own_as_its_teacher_does():
    net = create_model("dicnet_small_ladder", num_classes=4).train()
    dark, bright = (net(torch.full((2, 3, 64, 64), grey)).native for grey in (0.1, 0.9))
    for features in ("features", "student_features"):
        means = [getattr(native, features).mean((0, 2, 3)) for native in (dark, bright)]
        assert (means[0] - means[1]).abs().max() > 0.01

"""Every network in MODELS: what any of them must keep."""

import onnxruntime
import pytest
import torch
import torch.nn.functional as F

from oddscape.errors import OddscapeError
from oddscape.export import export_onnx, export_program
from oddscape.models import MODELS, create_model, probe
from oddscape.models.deeplab import DeepLabWidths
from oddscape.models.efficientnet_lite import STAGES
from oddscape.models.fused_batch_norms import fuse_batch_norms
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
_SHALLOW_LDN = {"blocks": (1, 2, 1, 1)}
_SHALLOW_LITE = {"width": 8, "stages": tuple(stage._replace(blocks=1) for stage in STAGES)}
NARROW = {
    "ldn121": _SHALLOW_LDN,
    "densehybrid_ldn121": _SHALLOW_LDN,
    "wrn38": _NARROW_WRN,
    "densehybrid_wrn38": _NARROW_WRN,
    "pspnet": {"width": 4},
    "dicnet": {"width": 4},
    "lite_ladder": _SHALLOW_LITE,
    "densehybrid_lite_ladder": _SHALLOW_LITE,
}
"""Options that make a large network small: what holds for one width holds for the other."""


PARTS = [
    *("ldn121", "wrn38", "pspnet", "lite_ladder"),
    *("small_ladder", "densehybrid_small_ladder", "void_small_ladder"),
]
"""Networks whose every layer another one has."""
WHOLE = [name for name in MODELS if name not in PARTS]
"""The others: what takes long is tested with them alone."""


def make(name, num_classes):
    return create_model(name, num_classes, **NARROW.get(name, {}))


def maps_of(out):
    return {name: getattr(out.native, name) for name in out.fields}


def assert_same_maps(given, wanted):
    assert given.keys() == wanted.keys()
    for name, maps in wanted.items():
        torch.testing.assert_close(given[name], maps, rtol=1e-3, atol=1e-4 * float(maps.std(correction=0)))


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
@torch.no_grad()
def test_fused_batch_norms_change_nothing(name):
    torch.manual_seed(0)
    net = make(name, num_classes=4).eval()
    for norm in (layer for layer in net.modules() if isinstance(layer, torch.nn.BatchNorm2d)):
        for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            tensor.uniform_(0.5, 1.5)
    fused = fuse_batch_norms(net)
    assert fused.folded
    for size in [(64, 96), (61, 99)]:
        image = torch.rand(2, 3, *size)
        wanted, given = net(image), fused(image)
        assert given.fields == wanted.fields
        for field in wanted.fields:
            maps = getattr(wanted.native, field)
            assert (getattr(given.native, field) - maps).abs().max() < 3e-5 * maps.std(), field


# Both functions have compared their export with the network at five sizes of both orientations.
@pytest.mark.parametrize("name", PARTS)
@torch.no_grad()
def test_exports_for_pictures_of_any_size(name):
    net, image = make(name, num_classes=4).eval(), torch.rand(3, 3, 75, 140)
    assert_same_maps(maps_of(export_program(net).module()(image)), maps_of(net(image)))


@pytest.mark.slow
@pytest.mark.parametrize("name", WHOLE)
@torch.no_grad()
def test_exports_to_onnx_for_pictures_of_any_size(name, tmp_path):
    net, image = make(name, num_classes=4).eval(), torch.rand(3, 3, 75, 140)
    export_onnx(net, tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    names = [output.name for output in session.get_outputs()]
    arrays = session.run(names, {"image": image.numpy()})
    given = {name: torch.from_numpy(array) for name, array in zip(names, arrays, strict=True)}
    assert_same_maps(given, maps_of(net(image)))


@pytest.mark.slow
@pytest.mark.parametrize("name", WHOLE)
def test_compiles_whole_with_equal_outputs_and_gradients_at_any_size(name):
    torch.manual_seed(0)
    net = make(name, num_classes=4)
    compiled = torch.compile(net, backend="eager", fullgraph=True, dynamic=True)
    for size in [(64, 96), (75, 41)]:
        image = torch.rand(2, 3, *size)
        given, wanted = (trained_maps_and_gradients(net, run, image) for run in (compiled, net))
        assert_same_maps(given, wanted)


def trained_maps_and_gradients(net, run, image):
    """In training mode but for what depends on chance or changes with each pass: dropout and batch norms."""
    net.train()
    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm2d | torch.nn.Dropout2d):
            layer.eval()
    net.zero_grad()
    maps = maps_of(run(image))
    sum(native.float().square().mean() for native in maps.values()).backward()
    gradients = {name: weight.grad for name, weight in net.named_parameters() if weight.grad is not None}
    return {name: tensor.detach().clone() for name, tensor in (maps | gradients).items()}


def test_unknown_names_and_options_are_said():
    with pytest.raises(OddscapeError, match=r"unknown model 'ernet'; known: ldn121, .*erfnet"):
        create_model("ernet", num_classes=19)
    with pytest.raises(OddscapeError, match=r"'small_ladder' does not take these options.*depth"):
        create_model("small_ladder", num_classes=19, depth=3)


@pytest.mark.parametrize("name", ["erfnet", "small_ladder"])
def test_void_is_one_more_output_beside_the_known_classes(name):
    net = create_model(name, num_classes=19, void=True).eval()
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

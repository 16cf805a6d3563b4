"""Fused batch norms: which are folded, and that nothing else changes."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from oddscape.errors import OddscapeError
from oddscape.models import create_model
from oddscape.models.adapters import wrap
from oddscape.models.fused_batch_norms import fuse_batch_norms
from oddscape.models.outlier_head import with_outlier_head


def trained(net):
    """A network whose norms have weights and statistics of their own, in float64, for exact comparison."""
    torch.manual_seed(0)
    for layer in net.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            for tensor in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
                if tensor is not None:
                    nn.init.uniform_(tensor, 0.5, 1.5)
    return net.double().eval()


def assert_fused(net, folded):
    """The norms of these names are folded, and the network gives the same as before."""
    image = torch.rand(2, 3, 33, 47, dtype=torch.float64)
    before = {name: weight.clone() for name, weight in net.state_dict().items()}
    fused = fuse_batch_norms(net)
    assert fused.folded == folded
    with torch.no_grad():
        torch.testing.assert_close(tensors(fused(image)), tensors(net(image)))
    assert all(torch.equal(weight, before[name]) for name, weight in net.state_dict().items())


def tensors(out):
    return list(vars(out).values()) if isinstance(out, SimpleNamespace) else out


@pytest.mark.parametrize(
    "convolution",
    [
        nn.Conv2d(3, 6, 3),
        nn.Conv2d(3, 6, 3, bias=False, padding=1, padding_mode="reflect"),
        nn.Conv2d(3, 6, 3, groups=3, dilation=2, stride=2),
        nn.ConvTranspose2d(3, 6, 3, stride=2),
        nn.ConvTranspose2d(3, 6, 3, groups=3, bias=False),
    ],
    ids=repr,
)
@pytest.mark.parametrize("affine", [True, False])
def test_any_convolution_takes_its_norm_in(convolution, affine):
    norm = nn.BatchNorm2d(6, eps=0.1, affine=affine)
    assert_fused(trained(nn.Sequential(convolution, norm, nn.ReLU(inplace=True))), ("1",))


class Net(nn.Module):
    """A convolution, a norm, and whatever a test does with them."""

    def __init__(self, run):
        super().__init__()
        self.conv, self.norm, self.other = nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3), nn.BatchNorm2d(3)
        self.run = run

    def forward(self, image):
        return self.run(self, image)


def _hidden(net, image):
    maps = net.conv(image)
    return SimpleNamespace(raw=maps, normalised=net.norm(maps))


def _changed_in_place(net, image):
    maps = net.conv(image)
    maps[:, :1] += 1
    return net.norm(maps)


@pytest.mark.parametrize(
    "run",
    [
        lambda net, x: net.norm(F.relu(net.conv(x))),
        lambda net, x: (maps := net.conv(x)) + net.norm(maps),
        lambda net, x: net.norm(maps := net.conv(x)) + net.other(maps),
        lambda net, x: net.norm(net.conv(net.conv(x))),
        lambda net, x: net.norm(net.conv(net.norm(x))),
        lambda net, x: net.norm(net.conv(x)) * net.conv.weight.sum(),
        lambda net, x: net.norm(net.conv(x)) + net.norm.running_mean.sum(),
        lambda net, x: F.batch_norm(net.conv(x), None, None, training=True),
        _hidden,
        _changed_in_place,
    ],
)
def test_what_a_fold_would_change_stays(run):
    assert_fused(trained(Net(run)), ())


def test_a_convolution_and_a_norm_are_paired_by_the_pass_and_not_by_their_names():
    assert_fused(
        trained(Net(lambda net, x: net.norm(x) + F.pad(net.other(net.conv(x)), (1,) * 4))), ("other",)
    )


class NormReLU(nn.BatchNorm2d):
    """What some libraries call a batch norm."""

    def forward(self, x):
        return F.relu(super().forward(x))


def test_derived_shared_computed_and_hooked_layers_stay():
    def convolution():
        return nn.Conv2d(3, 3, 3)

    tied = [convolution(), nn.BatchNorm2d(3), convolution()]
    tied[2].weight = tied[0].weight
    computed = nn.utils.parametrizations.weight_norm(convolution())
    without_statistics = nn.BatchNorm2d(3, track_running_stats=False)
    hooked = nn.BatchNorm2d(3)
    hooked.register_forward_hook(lambda _layer, _inputs, output: 2 * output)
    for layers in (
        [convolution(), NormReLU(3)],
        tied,
        [computed, nn.BatchNorm2d(3)],
        [convolution(), without_statistics],
        [convolution(), hooked],
    ):
        assert_fused(trained(nn.Sequential(*layers)), ())


@pytest.mark.parametrize(
    ("name", "folded", "kept"),
    [
        (
            "ldn121",
            1 + 58,
            58 + 3 + 6 + 6 + 1 + 3,
        ),  # each dense layer's second norm; the auxiliary heads' unused
        ("wrn38", 18 + 6 + 2, 17),
        ("pspnet", 3 + 16 * 3 + 4 + 4 + 1, 1),  # all but the deep supervision's, which is not run
        ("dicnet", 60 + 1 + 16 * 2 + 3 + 4, 1),
        ("erfnet", 2 * 17 + 2, 3),
        ("small_ladder", 24, 0),
    ],
)
def test_the_published_networks_fold_as_many_as_their_plans_let_them(name, folded, kept):
    with torch.device("meta"):
        fused = fuse_batch_norms(create_model(name, 19))
    assert (len(fused.folded), len(fused.kept)) == (folded, kept)


def test_layers_that_wrappers_read_stay_what_they_give():
    inner = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1), nn.BatchNorm2d(4)
    )
    net = trained(with_outlier_head(wrap(inner, features="0"), on="features"))
    image = torch.rand(1, 3, 20, 20, dtype=torch.float64)
    fused = fuse_batch_norms(net)
    assert fused.folded == ("net.net.4",)
    for name, maps in vars(net(image).native).items():
        if maps is not None:
            torch.testing.assert_close(getattr(fused(image).native, name), maps)


def test_it_is_for_inference_alone():
    fused = fuse_batch_norms(create_model("small_ladder", 3))
    assert not fused.training
    assert not any(weight.requires_grad for weight in fused.parameters())
    assert not fused.eval().net.training
    with pytest.raises(OddscapeError, match="SmallLadder with fused batch norms is for inference alone"):
        fused.train()


def test_it_exports_for_any_size_and_takes_other_formats():
    layers = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3))
    fused = fuse_batch_norms(trained(wrap(layers)).float())
    sides = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    exported = torch.export.export(fused, (torch.rand(1, 3, 64, 96),), dynamic_shapes=(sides,))
    assert not any("norm" in str(node.target) for node in exported.graph.nodes)
    image = torch.rand(1, 3, 61, 130)
    given = exported.module()(image).logits
    torch.testing.assert_close(given, fused(image).logits, rtol=1e-4, atol=1e-4)
    fused = fused.to(memory_format=torch.channels_last)
    torch.testing.assert_close(given, fused(image).logits, rtol=1e-4, atol=1e-4)

import copy
import gc
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from oddscape.errors import OddscapeError
from oddscape.models import DiCNet, create_model, load_checkpoint, save_checkpoint
from oddscape.models.outlier_head import with_outlier_head
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.scores import SCORES

LAYERS = ["features", "trunk.ladder.1", "trunk.encoder.stages.2"]


@pytest.fixture
def net():
    torch.manual_seed(0)
    return create_model("small_ladder", num_classes=4).eval()


@pytest.mark.parametrize("on", LAYERS)
@torch.no_grad()
def test_the_networks_output_stays_and_a_head_is_added(net, on):
    image = torch.rand(2, 3, 61, 90)
    wanted, given = net(image), with_outlier_head(net, on)(image)
    assert torch.equal(given.native.logits, wanted.native.logits)
    assert torch.equal(given.native.features, wanted.native.features)
    assert given.outlier_logits.shape == (2, 2, 61, 90)
    assert SCORES["densehybrid"](given).shape == (2, 61, 90)


@torch.no_grad()
def test_the_head_is_norm_relu_and_convolution_with_bias(net):
    headed, image = with_outlier_head(net), torch.rand(1, 3, 64, 64)
    head = headed.outlier_head
    head.norm.running_mean.uniform_()
    normed = F.batch_norm(
        net(image).native.features,
        head.norm.running_mean,
        head.norm.running_var,
        head.norm.weight,
        head.norm.bias,
    )
    wanted = F.conv2d(normed.relu(), head.conv.weight, head.conv.bias)
    torch.testing.assert_close(headed(image).native.outlier_logits, wanted)


@pytest.mark.parametrize("on", LAYERS)
def test_one_step_of_densehybrid_trains_network_and_head(net, on, densehybrid_loss):
    headed = with_outlier_head(net, on).train()
    assert net.training
    densehybrid_loss(headed, torch.rand(2, 3, 64, 64)).backward()
    without = [name for name, parameter in headed.named_parameters() if parameter.grad is None]
    assert not without
    assert headed.outlier_head.conv.weight.grad.abs().sum() > 0
    # The head alone, too, reaches the layers before it.
    net.zero_grad()
    headed(torch.rand(2, 3, 64, 64)).outlier_logits.square().sum().backward()
    assert net.trunk.encoder.stem[0][0].weight.grad.abs().sum() > 0


def test_a_frozen_teachers_head_trains(densehybrid_loss):
    teacher = create_model("small_ladder", num_classes=4)
    student = create_model("dicnet_small_ladder", num_classes=4).student
    headed = with_outlier_head(DiCNet(teacher, student)).train()
    assert not teacher.training
    densehybrid_loss(headed, torch.rand(2, 3, 64, 64)).backward()
    assert headed.outlier_head.conv.weight.grad.abs().sum() > 0
    assert next(teacher.parameters()).grad is None


def test_its_mode_is_the_networks(net):
    assert not with_outlier_head(net).training
    assert with_outlier_head(net.train()).outlier_head.training


@torch.no_grad()
def test_saved_weights_load_again(net, tmp_path):
    headed, image = with_outlier_head(net), torch.rand(1, 3, 64, 64)
    save_checkpoint(headed, tmp_path / "w.safetensors")
    other = with_outlier_head(create_model("small_ladder", num_classes=4).eval())
    load_checkpoint(other, tmp_path / "w.safetensors")
    assert torch.equal(other(image).outlier_logits, headed(image).outlier_logits)


@pytest.mark.parametrize("on", LAYERS)
@torch.no_grad()
def test_copies_stand_alone(net, on):
    headed, image = with_outlier_head(net, on), torch.rand(1, 3, 64, 64)
    twin = copy.deepcopy(headed)
    wanted = headed(image).outlier_logits
    for parameter in net.parameters():
        parameter.zero_()
    assert torch.equal(twin(image).outlier_logits, wanted)
    assert not torch.equal(headed(image).outlier_logits, wanted)


def hooks(net):
    return sum(len(layer._forward_hooks) for layer in net.modules())


@torch.no_grad()
def test_a_heads_hook_goes_with_it(net):
    headed = with_outlier_head(net, "trunk.ladder.1")
    with pytest.raises(OddscapeError):
        with_outlier_head(net, "trunk.encoder")
    assert hooks(net) == 1
    with pytest.raises(RuntimeError):
        headed(torch.rand(1, 5, 64, 64))
    headed(torch.rand(1, 3, 64, 64))
    net(torch.rand(1, 3, 64, 64))
    assert headed.recorder.given is None
    del headed
    gc.collect()
    assert hooks(net) == 0


@pytest.mark.parametrize("on", LAYERS)
def test_exports(net, on):
    headed, image = with_outlier_head(net, on), torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        exported = torch.export.export(headed, (image,)).module()(image)
        torch.testing.assert_close(
            exported.outlier_logits, headed(image).outlier_logits, rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("on", LAYERS)
@torch.no_grad()
def test_compiles(net, on):
    headed, image = with_outlier_head(net, on), torch.rand(1, 3, 64, 96)
    given = torch.compile(headed, backend="eager", fullgraph=True)(image).outlier_logits
    torch.testing.assert_close(given, headed(image).outlier_logits)


class Odd(nn.Module):
    """A network without features, with a layer that never runs and one that gives tokens."""

    def __init__(self):
        super().__init__()
        self.classifier, self.idle, self.tokens = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1), nn.Flatten(2)

    def forward(self, image):
        logits = self.classifier(image)
        self.tokens(logits)
        return DenseOutput(NativeMaps(logits), tuple(image.shape[-2:]))


@pytest.mark.parametrize(
    ("on", "words"),
    [
        ("clasifier", r"Odd has no layer 'clasifier'; it has, among others: classifier$"),
        (
            "features",
            r"Odd gives no features; name the layer .*; it has, among others: classifier, idle, tokens",
        ),
        ("idle", "layer 'idle' of Odd does not run when the network does"),
        ("tokens", r"layer 'tokens' of Odd gives shape \[1, 4, 4096\]; expected maps \[N, C, h, w\]"),
    ],
)
def test_layers_that_cannot_be_read_are_said(on, words):
    with pytest.raises(OddscapeError, match=words):
        with_outlier_head(Odd(), on)


def test_a_layer_may_be_called_features():
    net = Odd()
    net.features = net.classifier
    assert with_outlier_head(net).layer == "features"


def test_two_outlier_heads_and_plain_networks_are_refused(net):
    with pytest.raises(OddscapeError, match="NetworkWithOutlierHead has an outlier head already"):
        with_outlier_head(with_outlier_head(net))
    with pytest.raises(OddscapeError, match="Conv2d gives Tensor; expected a DenseOutput"):
        with_outlier_head(nn.Conv2d(3, 4, 1))


def test_replacing_maps_keeps_what_else_an_output_holds(net):
    class Void(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, image):
            out = self.net(image)
            return replace(
                out, native=replace(out.native, void_logits=out.native.logits[:, :1]), align_corners=True
            )

    out = with_outlier_head(Void())(torch.rand(1, 3, 64, 64))
    assert out.fields == {"logits", "features", "void_logits", "outlier_logits"}
    assert out.align_corners

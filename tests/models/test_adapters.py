import copy
import io
from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from oddscape.detector import Detector
from oddscape.errors import OddscapeError
from oddscape.models import load_checkpoint, probe, save_checkpoint
from oddscape.models.adapters import wrap
from oddscape.models.outlier_head import with_outlier_head
from oddscape.scores import SCORES
from oddscape.wrappers.windows import SlidingWindows

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def first_of_a_pair(logits):
    return logits, None


class Plain(nn.Module):
    """Six outputs at half the resolution, packed as somebody's library packs them."""

    def __init__(self, pack=lambda logits: logits):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, 2, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.classifier, self.pack = nn.Conv2d(8, 6, 1), pack

    def forward(self, image):
        return self.pack(self.classifier(self.body(image)))


PACKED = {
    "tensor": (lambda x: x, None),
    "torchvision": (lambda x: OrderedDict(out=x, aux=x[:, :1]), None),
    "transformers": (lambda x: {"loss": None, "logits": x}, None),
    "tuple": (lambda x: (x, None), None),
    "object": (lambda x: SimpleNamespace(logits=x), None),
    "key": (lambda x: {"semantic": x}, "semantic"),
    "attribute": (lambda x: SimpleNamespace(semantic=x), "semantic"),
    "position": (lambda x: [None, x], 1),
    "function": (lambda x: {"deep": [x]}, lambda given: given["deep"][0]),
}


@pytest.mark.parametrize("case", PACKED)
@torch.no_grad()
def test_logits_are_found_in_whatever_a_network_returns(case):
    pack, where = PACKED[case]
    net, image = Plain(pack).eval(), torch.rand(2, 3, 33, 48)
    out = wrap(net, logits=where)(image)
    wanted = net.classifier(net.body(image))
    assert torch.equal(out.native.logits, wanted)
    assert out.logits.shape == (2, 6, 33, 48)
    assert out.fields == {"logits"}


@torch.no_grad()
def test_features_are_a_layers_maps_and_pictures_are_normalised():
    net, image = Plain().eval(), torch.rand(1, 3, 32, 32)
    out = wrap(net, features="body.1", normalise=(MEAN, STD))(image)
    seen = (image - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    assert torch.equal(out.native.logits, net(seen))
    # Read once the network has run; the ReLU behind body.1 works on a copy.
    assert torch.equal(out.native.features, net.body[:2](seen))


@torch.no_grad()
def test_outputs_are_sorted_into_known_classes_and_void():
    net, image = Plain().eval(), torch.rand(1, 3, 32, 32)
    logits = net(image)
    first = wrap(net, num_classes=4)(image)
    assert torch.equal(first.native.logits, logits[:, :4])
    middle = wrap(net, void=2)(image)
    assert torch.equal(middle.native.logits, logits[:, [0, 1, 3, 4, 5]])
    assert torch.equal(middle.native.void_logits, logits[:, 2:3])
    chosen = wrap(net, keep=(5, 0), void=3)(image)
    assert torch.equal(chosen.native.logits, logits[:, [5, 0]])
    assert SCORES["void"](chosen).shape == (1, 32, 32)


@torch.no_grad()
def test_corners_are_aligned_where_asked_for():
    net, image = Plain().eval(), torch.rand(1, 3, 32, 32)
    wanted = F.interpolate(net(image), (32, 32), mode="bilinear", align_corners=True)
    torch.testing.assert_close(wrap(net, align_corners=True)(image).logits, wanted)


def test_a_function_is_a_network_too():
    def brightness(image):
        return torch.cat([image, 1 - image], 1)

    net = wrap(brightness)
    assert probe(net).num_classes == 6
    prediction = Detector(net, "msp").predict(np.full((20, 30, 3), 200, np.uint8))
    assert prediction.score.shape == (20, 30)
    with pytest.raises(OddscapeError, match=r"brightness has 6 outputs, 0 … 5; known classes .* void 6"):
        wrap(brightness, void=6)(torch.rand(1, 3, 8, 8))


def test_a_head_on_a_wrapped_network_trains_in_windows_and_is_saved(tmp_path):
    net = with_outlier_head(wrap(Plain(lambda x: {"out": x}), features="body", num_classes=5)).train()
    net(torch.rand(2, 3, 32, 32)).outlier_logits.square().mean().backward()
    assert net.net.net.body[0].weight.grad.abs().sum() > 0
    save_checkpoint(net, tmp_path / "w.safetensors")
    other = with_outlier_head(wrap(Plain(lambda x: {"out": x}), features="body", num_classes=5))
    load_checkpoint(other, tmp_path / "w.safetensors")
    image = torch.rand(1, 3, 100, 80)
    scores = [SCORES["densehybrid"](SlidingWindows(n.eval(), (64, 64))(image)) for n in (net, other)]
    assert torch.equal(*scores)


def pickled(net):
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def exported(net):
    return torch.export.export(net, (torch.rand(1, 3, 32, 48),)).module()


def compiled(net):
    return torch.compile(net, backend="eager", fullgraph=True)


@pytest.mark.parametrize("twin_of", [copy.deepcopy, pickled, exported, compiled])
@pytest.mark.parametrize("options", [{"features": "body"}, {"features": "body.1", "multiple": 12}])
@torch.no_grad()
def test_wrapped_networks_are_copied_exported_and_compiled(twin_of, options):
    net, image = wrap(Plain(first_of_a_pair).eval(), void=5, **options), torch.rand(1, 3, 32, 48)
    wanted, twin = net(image), twin_of(net)
    for given in (twin(image), twin(image)):
        for name in ("logits", "void_logits", "features"):
            torch.testing.assert_close(getattr(given.native, name), getattr(wanted.native, name))
    assert net.recorder.given is None


@torch.no_grad()
def test_one_network_is_wrapped_twice_and_used_elsewhere():
    net, image = Plain().eval(), torch.rand(1, 3, 32, 32)
    first, second = wrap(net, features="body.0"), wrap(net, features="body")
    names = set(net.state_dict())
    assert torch.equal(second(image).native.features, net.body(image))
    assert torch.equal(first(image).native.features, net.body[0](image))
    assert first.recorder.given is None
    assert second.recorder.given is None
    assert {name.removeprefix("net.") for name in first.state_dict()} == names


@torch.no_grad()
def test_sides_are_padded_to_multiples_with_the_borders_colour_and_cut_again():
    net, image = Plain().eval(), torch.rand(2, 3, 21, 30)
    out = wrap(net, features="body", multiple=16)(image)
    padded = F.pad(image, (0, 2, 0, 11), mode="replicate")
    # Half the resolution: the last row lies over the picture's last one and the padding's first.
    assert torch.equal(out.native.logits, net(padded)[..., :11, :15])
    assert torch.equal(out.native.features, net.body(padded)[..., :11, :15])
    assert out.logits.shape == (2, 6, 21, 30)


def test_the_number_of_classes_is_known_where_it_was_told():
    assert wrap(Plain(), num_classes=4).num_classes == 4
    assert wrap(Plain(), keep=(3, 1)).num_classes == 2
    assert wrap(Plain()).num_classes is None
    assert with_outlier_head(wrap(Plain(), num_classes=4), on="net.body").num_classes == 4


@torch.no_grad()
def test_void_may_lie_among_the_first_outputs():
    net, image = Plain().eval(), torch.rand(1, 3, 32, 32)
    assert torch.equal(wrap(net, num_classes=4, void=1)(image).native.logits, net(image)[:, [0, 2, 3, 4]])


@pytest.mark.parametrize(
    ("pack", "options", "words"),
    [
        (lambda x: {"a": x, "b": x}, {}, "Plain gives dict of a, b, in which no logits"),
        (lambda x: {"a": x}, {"logits": "c"}, "Plain gives dict of a, in which no logits"),
        (lambda x: (x, x), {"logits": 2}, "Plain gives tuple of 2, in which"),
        (lambda x: x.mean((2, 3)), {}, r"Plain gives Tensor \[1, 6\], in which no logits \[N, K, h, w\]"),
        (lambda x: x, {"num_classes": 7}, "Plain has 6 outputs, 0 … 5; known classes"),
    ],
)
def test_what_is_not_found_is_said(pack, options, words):
    with pytest.raises(OddscapeError, match=words):
        wrap(Plain(pack), **options)(torch.rand(1, 3, 32, 32))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_classes": 3, "keep": (0, 1)}, "num_classes or keep, not both"),
        ({"num_classes": 0}, "wrap was given num_classes 0 and void None; expected one known class or more"),
        ({"keep": ()}, r"keep \(\) and void None; expected one known class"),
        ({"keep": (0, 2, 2)}, r"keep \(0, 2, 2\) and void None; expected .* each output once"),
        ({"keep": (0, 2), "void": 2}, r"keep \(0, 2\) and void 2; expected .* each output once"),
        ({"void": -1}, "void -1; expected .* by its number from 0 on"),
        ({"normalise": (MEAN[:1], STD[:1])}, r"normalise by mean .* expected three numbers each"),
        ({"normalise": ((123.7, 116.3, 103.5), (58.4, 57.1, 57.4))}, "divide those for 0 … 255 by 255"),
        ({"normalise": (MEAN, (0.2, 0.2, 0.0))}, "deviations above 0"),
        ({"features": "bodi"}, "Plain has no layer 'bodi'; it has, among others: body"),
    ],
)
def test_what_cannot_be_is_said_at_once(options, words):
    with pytest.raises(OddscapeError, match=words):
        wrap(Plain(), **options)


@pytest.mark.parametrize("given", ["small_ladder", 3, OrderedDict()])
def test_what_is_no_network_is_said(given):
    with pytest.raises(OddscapeError, match=f"wrap was given {type(given).__name__}; expected a network: "):
        wrap(given)


def test_layers_of_a_wrapped_network_are_found_by_their_names_in_it():
    net = wrap(Plain())
    with pytest.raises(OddscapeError, match=r"no layer 'body'; it has, among others: net.body$"):
        with_outlier_head(net, on="body")
    with pytest.raises(
        OddscapeError, match=r"no features; name the layer .*: net, net.body, net.classifier$"
    ):
        with_outlier_head(net)


def test_weights_from_before_a_network_was_wrapped_load_into_it(tmp_path):
    plain = Plain()
    torch.save(plain.state_dict(), tmp_path / "plain.pth")
    plain.classifier.weight.data.zero_()
    for net in (wrap(plain), with_outlier_head(wrap(plain), on="net.body")):
        plain.classifier.weight.data.zero_()
        load_checkpoint(net, tmp_path / "plain.pth", may_miss=("outlier_head.",))
        assert plain.classifier.weight.abs().sum() > 0
    with pytest.raises(OddscapeError, match=r"; weights 6 missing \(outlier_head\.[^;]*$"):
        load_checkpoint(net, tmp_path / "plain.pth")
    with pytest.raises(OddscapeError, match=r"net.weight: the file has|missing .*net.weight"):
        load_checkpoint(wrap(nn.Conv2d(3, 6, 1)), tmp_path / "plain.pth")

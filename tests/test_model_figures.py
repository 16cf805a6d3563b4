"""Figures of networks against published and counted ones."""

import pytest
import torch
from torch import nn

from oddscape import model_figures as module
from oddscape.errors import OddscapeError
from oddscape.model_figures import milliseconds, model_figures
from oddscape.models import MODELS, create_model
from oddscape.models.architectures import ARCHITECTURES

LARGE, HD = (1024, 2048), (720, 1280)


@pytest.mark.parametrize(
    ("name", "size", "millions", "billions"),
    [("wrn38", LARGE, 137.1, 5824.8), ("pspnet", HD, None, 647.6), ("dicnet", HD, None, 1135.3)],
)
def test_parameters_and_multiply_adds_are_the_known_ones(name, size, millions, billions):
    figures = model_figures(name, 19, size)
    assert figures.multiply_adds / 1e9 == pytest.approx(billions, abs=0.05)
    if millions is not None:
        assert figures.parameters / 1e6 == pytest.approx(millions, abs=0.05)


def test_dicnet_does_its_teachers_work_once():
    both, teacher = (model_figures(name, 19, HD).multiply_adds for name in ("dicnet", "pspnet"))
    assert both / teacher == pytest.approx(1.753, abs=5e-4)


def test_every_convolution_of_a_network_is_counted():
    net, counted = create_model("small_ladder", 5).eval(), 0

    def count(layer, _inputs, out):
        nonlocal counted
        counted += out[0, 0].numel() * layer.weight.numel()

    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    with torch.no_grad():
        out = net(torch.rand(1, 3, 96, 160))
    figures = model_figures("small_ladder", 5, (96, 160))
    pooling = figures.multiply_adds - counted
    assert 0 < pooling < 0.01 * counted
    assert figures.parameters == sum(parameter.numel() for parameter in net.parameters())
    assert figures.maps == {"features": (64, 24, 40), "logits": (5, 24, 40)}
    assert figures.maps["logits"] == out.native.logits.shape[1:]


def test_weights_are_counted_as_they_are_stored():
    stored = create_model("erfnet", 7).state_dict().values()
    assert model_figures("erfnet", 7, (64, 64)).weight_bytes == 4 * sum(tensor.numel() for tensor in stored)


def test_every_network_has_an_architecture():
    assert list(ARCHITECTURES) == list(MODELS)
    assert all(known.title and known.paper for known in ARCHITECTURES.values())


OWN_FILE = """
import torch
import torch.nn.functional as F
from torch import nn

class Attention(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.patches = nn.Conv2d(3, num_classes, 8, 8)

    def forward(self, image):
        x = self.patches(image)
        tokens = x.flatten(2).transpose(1, 2).unsqueeze(1)
        return F.scaled_dot_product_attention(tokens, tokens, tokens).squeeze(1).transpose(1, 2).view_as(x)

def attention(num_classes):
    return Attention(num_classes)

def looks(num_classes):
    inner = Attention(num_classes)
    return lambda image: inner(image) if image.sum() > 0 else inner(-image)
"""


def test_attention_is_counted_and_what_looks_at_the_picture_is_said(tmp_path):
    (tmp_path / "net.py").write_text(OWN_FILE)
    counted = model_figures(f"{tmp_path}/net.py:attention", 5, (64, 32)).multiply_adds
    patches = 32
    assert counted == patches * 5 * 3 * 8 * 8 + 2 * patches * patches * 5
    with pytest.raises(OddscapeError, match=r"net.py:looks computes depends on what the picture shows"):
        model_figures(f"{tmp_path}/net.py:looks", 5, (64, 32))


def test_an_unknown_network_is_said():
    with pytest.raises(OddscapeError, match="unknown model 'ernet'"):
        model_figures("ernet", 19, LARGE)


def test_time_is_the_median_of_passes_after_a_first_one(monkeypatch):
    # Pairs of readings around each pass: a slow first one, then 5, 1, 4, 2 and 3 ms.
    durations = [0.9, 0.005, 0.001, 0.004, 0.002, 0.003]
    readings = iter([moment for duration in durations for moment in (0.0, duration)])
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(readings))
    assert milliseconds(nn.Conv2d(3, 1, 1), (8, 8)) == pytest.approx(3.0)

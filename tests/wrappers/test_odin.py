from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from torch import nn

from oddscape.errors import OddscapeError
from oddscape.evaluation import evaluate
from oddscape.inference import run_network
from oddscape.models import create_model, probe
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.protocols import PROTOCOLS
from oddscape.scores import SCORES
from oddscape.wrappers.multi_scale import MultiScaleFlip
from oddscape.wrappers.odin import odin
from oddscape.wrappers.windows import SlidingWindows


class Pixelwise(nn.Module):
    """A linear classifier of each pixel's colour: the gradient of a pixel's posterior is its own."""

    def __init__(self, num_classes=4):
        super().__init__()
        torch.manual_seed(0)
        self.classifier = nn.Conv2d(3, num_classes, 1)

    def forward(self, image):
        return DenseOutput(NativeMaps(self.classifier(image)), tuple(image.shape[-2:]))


def sign_by_hand(net, image, temperature):
    """Of −∇ ln softmax_ŷ of a linear classifier: −(w_ŷ − Σ_k p_k w_k), float64, a pixel at a time."""
    weight = net.classifier.weight.detach().double().numpy()[:, :, 0, 0]
    bias = net.classifier.bias.detach().double().numpy()
    signs = np.empty(image.shape)
    for n, _, y, x in np.ndindex(image.shape[0], 1, *image.shape[2:]):
        f = (weight @ image[n, :, y, x].double().numpy() + bias) / temperature
        p = np.exp(f - f.max()) / np.exp(f - f.max()).sum()
        signs[n, :, y, x] = np.sign(-(weight[f.argmax()] - p @ weight))
    return signs


@pytest.mark.parametrize("temperature", [1.0, 1000.0])
def test_pictures_move_against_the_sign_of_the_gradient(temperature):
    net, image = Pixelwise(), torch.rand(2, 3, 4, 5)
    moved = image - 0.01 * torch.from_numpy(sign_by_hand(net, image, temperature)).float()
    given = odin(net, 0.01, temperature)(image)
    torch.testing.assert_close(given.native.logits, net(moved).native.logits / temperature)
    assert given.size == (4, 5)


def test_the_gradient_is_of_the_sum_over_cells_that_see_a_pixel():
    torch.manual_seed(0)
    net, image = create_model("erfnet", 5).eval().double(), torch.rand(1, 3, 24, 32, dtype=torch.float64)
    seen = image.clone().requires_grad_()
    logits = net(seen).native.logits
    objective = F.nll_loss(F.log_softmax(logits / 10, 1), logits.argmax(1), reduction="sum")
    objective.backward()
    shown = []
    net.register_forward_pre_hook(lambda _net, inputs: shown.append(inputs[0]))
    odin(net, 0.002, 10)(image)
    torch.testing.assert_close(shown[-1], image - 0.002 * seen.grad.sign())


def test_confidence_rises():
    net, image = Pixelwise(), torch.rand(1, 3, 8, 8)
    scores = [SCORES["msp"](odin(net, epsilon, 1)(image)) for epsilon in (0, 0.001, 0.01)]
    assert (scores[1] < scores[0]).all()
    assert (scores[2] < scores[1]).all()


def test_at_the_published_temperature_msp_still_tells_pixels_apart():
    torch.manual_seed(0)
    logits = 4 * torch.randn(1, 19, 40, 50)

    class Constant(nn.Conv2d):
        def forward(self, image):
            return DenseOutput(NativeMaps(logits), tuple(image.shape[-2:]))

    net = odin(Constant(3, 19, 1), epsilon=0)
    given = SCORES["msp"](net(torch.rand(1, 3, 40, 50))).flatten().numpy()
    wanted = (1 - (logits.double() / 1000).softmax(1).amax(1)).flatten().numpy()
    assert given == pytest.approx(wanted, abs=3e-7)
    assert spearmanr(given, wanted).statistic > 0.9999
    limit = (logits.mean(1) - logits.amax(1)).flatten().numpy()
    assert spearmanr(given, limit).statistic > 0.999


def test_a_picture_is_moved_the_same_in_any_batch():
    net, image = odin(create_model("small_ladder", 4).eval(), 0.01), torch.rand(3, 3, 32, 32)
    alone = torch.cat([net(one).native.logits for one in image.split(1)])
    torch.testing.assert_close(net(image).native.logits, alone, rtol=1e-4, atol=1e-6)


def test_temperature_alone_takes_one_pass_and_divides_all_logits_of_classes():
    native = NativeMaps(*(torch.randn(1, c, 2, 3) for c in (4, 2, 1, 5)))
    native = replace(native, member_logits=torch.randn(2, 1, 4, 2, 3))

    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.place, self.passes = nn.Parameter(torch.zeros(1)), 0

        def forward(self, image):
            self.passes += 1
            return DenseOutput(native, tuple(image.shape[-2:]))

    net = odin(Constant(), epsilon=0, temperature=2)
    net.net.passes = 0
    given = net(torch.rand(1, 3, 4, 6)).native
    assert net.net.passes == 1
    for name in ("logits", "void_logits", "member_logits"):
        assert torch.equal(getattr(given, name), getattr(native, name) / 2)
    for name in ("outlier_logits", "features"):
        assert torch.equal(getattr(given, name), getattr(native, name))


@pytest.mark.parametrize("forbidding", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_works_where_callers_forbid_gradients_and_leaves_those_of_parameters(forbidding):
    torch.manual_seed(0)
    net = create_model("small_ladder", 4).eval()
    image = torch.rand(1, 3, 32, 32)
    wanted = odin(net, 0.01)(image).native.logits.detach()
    assert all(p.grad is None for p in net.parameters())
    net.classifier.weight.grad = torch.ones_like(net.classifier.weight)
    with forbidding():
        given = odin(net, 0.01)(image.clone())  # made here, it is an inference tensor
    torch.testing.assert_close(given.native.logits.detach().clone(), wanted)
    assert (net.classifier.weight.grad == 1).all()
    assert not net.training


def test_runs_in_run_network_and_evaluate(masks_folder):
    net = odin(create_model("small_ladder", 19).eval(), 0.01, 100)
    image = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
    given = run_network(net, image, {"msp": SCORES["msp"]}).scores["msp"]
    picture = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    torch.testing.assert_close(given.clone(), SCORES["msp"](net(picture)).detach(), rtol=0, atol=1e-6)
    results = evaluate(net, PROTOCOLS["masks"], masks_folder, ["msp"])
    assert results.model == "SmallLadder"
    assert results.inference == ["ODIN, epsilon 0.01, temperature 100"]


def test_mixed_precision_within_inference_mode():
    net, image = create_model("small_ladder", 4).eval(), torch.rand(1, 3, 32, 32)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        net(image)  # leaves weights in half precision in autocast's cache
        given = odin(net, 0.01)(image)
    assert given.native.logits.dtype == torch.float32
    assert given.native.logits.isfinite().all()


def test_stands_inside_and_around_windows_and_flips():
    net, image = create_model("small_ladder", 4).eval(), torch.rand(1, 3, 64, 96)
    assert SlidingWindows(odin(net), (64, 64))(image).logits.shape == (1, 4, 64, 96)
    around = odin(MultiScaleFlip(SlidingWindows(net, (64, 64))), 0.01, 1)
    assert (
        around(image).logits - MultiScaleFlip(SlidingWindows(net, (64, 64)))(image).logits
    ).abs().max() > 0
    assert probe(around).fields == probe(net).fields
    assert around.num_classes == 4
    assert set(around.to(torch.float64).state_dict()) == {f"net.net.net.{n}" for n in net.state_dict()}
    assert next(net.parameters()).dtype == torch.float64


def test_what_does_not_fit_is_said(tiny_network):
    for epsilon, temperature in ((-0.1, 1), (0.1, 0), (float("nan"), 1)):
        with pytest.raises(OddscapeError, match="expected epsilon ≥ 0 and temperature > 0"):
            odin(tiny_network(3), epsilon, temperature)
    with pytest.raises(OddscapeError, match=r"Conv2d gives Tensor; expected a DenseOutput"):
        odin(nn.Conv2d(3, 4, 1))
    with pytest.raises(OddscapeError, match=r"DiCNet gives none \(of a DiCNet, take the teacher\)"):
        odin(create_model("dicnet_small_ladder", 4).eval())(torch.rand(1, 3, 32, 32))

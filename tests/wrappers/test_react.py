import copy
import gc

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from oddscape.data.tensors import to_tensor
from oddscape.errors import OddscapeError
from oddscape.evaluation import evaluate
from oddscape.inference import run_network
from oddscape.models import create_model, probe
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.protocols import PROTOCOLS
from oddscape.scores import SCORES
from oddscape.wrappers.activation_histogram import activation_histogram, percentile_of
from oddscape.wrappers.multi_scale import MultiScaleFlip
from oddscape.wrappers.react import count_activations, fit_react, react
from oddscape.wrappers.windows import SlidingWindows


class Branching(nn.Module):
    """A convolution, a ReLU that is no module, a classifier, and layers that cannot be clipped."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.classifier = nn.Conv2d(3, 8, 3, 2, padding=1), nn.Conv2d(8, 4, 1)
        self.unused, self.pair = nn.Conv2d(8, 8, 1), nn.Identity()

    def forward(self, image):
        x, _ = self.pair((self.first(image), 0))
        return DenseOutput(NativeMaps(self.classifier(F.relu(x)), features=x), tuple(image.shape[-2:]))


@pytest.fixture
def net():
    return Branching().eval()


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (24, 30 + 2 * i, 3), np.uint8) for i in range(3)]


@torch.no_grad()
def test_what_a_layer_reads_or_gives_is_clipped(net):
    image = torch.rand(2, 3, 12, 16)
    x = net.first(image)
    clipped = net.classifier(F.relu(x).clamp(max=0.2))
    assert (clipped - net.classifier(F.relu(x))).abs().max() > 0.01
    given = react(net, "classifier", 0.2)(image)
    torch.testing.assert_close(given.native.logits, clipped)
    torch.testing.assert_close(given.native.features, x)
    given = react(net, "first", 0.2, side="output")(image)
    torch.testing.assert_close(given.native.logits, clipped)
    torch.testing.assert_close(given.native.features, x.clamp(max=0.2))


@torch.no_grad()
def test_the_network_by_itself_says_what_it_said_before(net):
    image = torch.rand(1, 3, 12, 16)
    before = net(image).native.logits
    strict, loose = react(net, "classifier", 0.1), react(net, "classifier", 1e6)
    assert torch.equal(net(image).native.logits, before)
    clipped = strict(image).native.logits
    assert not torch.equal(clipped, before)
    assert torch.equal(net(image).native.logits, before)
    assert torch.equal(loose(image).native.logits, before)
    assert torch.equal(strict(image).native.logits, clipped)
    with pytest.raises(RuntimeError):
        strict(torch.rand(1, 5, 12, 16))
    assert torch.equal(net(image).native.logits, before)


def test_hooks_go_with_the_wrapper(net, pictures):
    def hooks():
        return [len(m._forward_pre_hooks) + len(m._forward_hooks) for m in net.modules()]

    none = hooks()
    wrapped = react(net, "classifier", 0.1), react(net, "first", 0.1, side="output")
    assert sum(hooks()) == 2
    del wrapped
    gc.collect()
    assert hooks() == none
    fit_react(net, pictures, "classifier")
    with pytest.raises(OddscapeError):
        fit_react(net, [np.zeros((2, 2), np.uint8)], "classifier")
    assert hooks() == none


@torch.no_grad()
def test_a_copy_stands_alone(net):
    image, wrapped = torch.rand(1, 3, 12, 16), react(net, "classifier", 0.1)
    wanted = wrapped(image).native.logits
    alone = copy.deepcopy(wrapped)
    nn.init.zeros_(net.classifier.weight)
    del wrapped
    gc.collect()
    assert torch.equal(alone(image).native.logits, wanted)


@torch.no_grad()
def test_clips_compiled_and_exported(net):
    image, wrapped = torch.rand(1, 3, 12, 16), react(net, "classifier", 0.1)
    wanted = wrapped(image).native.logits
    compiled = torch.compile(wrapped, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(image).native.logits, wanted)
    exported = torch.export.export(wrapped, (image,)).module()
    torch.testing.assert_close(exported(image).native.logits, wanted)
    assert not torch.equal(net(image).native.logits, wanted)
    torch.compiler.reset()


def test_a_network_compiled_before_is_refused_rather_than_left_unclipped(net):
    compiled, image = torch.compile(net, backend="eager"), torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        compiled(image)
    wrapped = react(compiled, "_orig_mod.classifier", 0.1)
    with torch.inference_mode(), pytest.raises(OddscapeError, match="wrap first, then compile"):
        wrapped(image)
    torch.compiler.reset()


@pytest.mark.parametrize("percentile", [0.5, 50, 90, 99.9, 100])
@pytest.mark.parametrize("side", ["input", "output"])
def test_the_threshold_is_the_percentile_of_all_activations(net, pictures, percentile, side):
    on = "classifier" if side == "input" else "first"
    with torch.no_grad():
        maps = [net.first(to_tensor(p)) for p in pictures]
        values = torch.cat([(F.relu(m) if side == "input" else m).flatten() for m in maps]).double().numpy()
    wanted = np.percentile(values, percentile, method="inverted_cdf")
    given = fit_react(net, iter(pictures), on, percentile=percentile, side=side)
    assert given == pytest.approx(wanted, rel=1e-3, abs=1e-30)


def test_counts_of_parts_sum_to_those_of_the_whole(net, pictures):
    whole = count_activations(net, pictures, "classifier", size=(16, 16))
    parts = [count_activations(net, [p], "classifier", size=(16, 16)) for p in pictures]
    assert torch.equal(sum(parts), whole)
    assert whole.sum() == 3 * 8 * 8 * 8


@given(
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=60),
    st.floats(0.01, 100),
)
@settings(max_examples=60)
def test_percentiles_of_any_numbers(values, percentile):
    histogram = activation_histogram(torch.tensor(values))
    assert histogram.sum() == len(values)
    below = np.sort(np.array(values, np.float64))
    wanted = below[max(int(np.ceil(percentile / 100 * len(values))), 1) - 1]
    assert percentile_of(histogram, percentile) == pytest.approx(wanted, rel=1 / 2048, abs=1e-40)


def test_runs_in_run_network_and_evaluate(masks_folder, pictures):
    erfnet = create_model("erfnet", 19)
    threshold = fit_react(erfnet, pictures, "decoder.output_conv")
    wrapped = react(erfnet, "decoder.output_conv", threshold)
    given = run_network(wrapped, pictures[0], {"energy": SCORES["energy"]}).scores["energy"].clone()
    whole = SCORES["energy"](wrapped(to_tensor(pictures[0]))).detach()
    torch.testing.assert_close(given, whole, rtol=1e-4, atol=1e-5)
    results = evaluate(wrapped, PROTOCOLS["masks"], masks_folder, ["energy"])
    assert results.model == "ERFNet"
    assert results.inference == [f"ReAct, input of decoder.output_conv clipped at {threshold:g}"]


@torch.no_grad()
def test_stands_inside_and_around_windows_and_flips(net):
    image = torch.rand(1, 3, 64, 96)
    around = react(MultiScaleFlip(SlidingWindows(net, (64, 64))), "net.net.classifier", 0.1).eval()
    inside = MultiScaleFlip(SlidingWindows(react(net, "classifier", 0.1), (64, 64))).eval()
    torch.testing.assert_close(around(image).logits, inside(image).logits)
    assert probe(around).fields == probe(net).fields
    assert around.num_classes == 4
    around.to(torch.float64)
    assert next(net.parameters()).dtype == torch.float64
    assert set(around.state_dict()) == {f"net.net.net.{name}" for name in net.state_dict()}


def test_what_does_not_fit_is_said(net, pictures):
    image = torch.rand(1, 3, 16, 16)
    with pytest.raises(OddscapeError, match=r"Branching has no layer 'clasifier'.*classifier"):
        react(net, "clasifier", 1)
    with pytest.raises(OddscapeError, match="unknown side 'left' of a layer; known: input, output"):
        react(net, "classifier", 1, side="left")
    with pytest.raises(OddscapeError, match=r"clips activations at nan; expected a finite number"):
        react(net, "classifier", float("nan"))
    with pytest.raises(OddscapeError, match="layer 'unused' of Branching does not run"):
        react(net, "unused", 1)(image)
    with pytest.raises(OddscapeError, match="the input of layer 'pair' is tuple; expected a tensor"):
        react(net, "pair", 1)(image)
    with pytest.raises(OddscapeError, match="the output of layer 'pair' is tuple; expected a tensor"):
        fit_react(net, pictures, "pair", side="output")
    with pytest.raises(OddscapeError, match="no picture to fit ReAct's threshold on"):
        fit_react(net, [], "classifier")
    for percentile in (0, 100.1):
        with pytest.raises(OddscapeError, match=f"percentile {percentile:g} of the activations: expected"):
            fit_react(net, pictures, "classifier", percentile=percentile)

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from oddscape.errors import OddscapeError
from oddscape.evaluation import evaluate
from oddscape.models import create_model, probe
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.protocols import PROTOCOLS
from oddscape.scores import SCORES
from oddscape.wrappers.mc_dropout import mc_dropout
from oddscape.wrappers.multi_scale import MultiScaleFlip
from oddscape.wrappers.windows import SlidingWindows


class Dropping(nn.Module):
    """A convolution, a batch norm, two kinds of dropout and a classifier at half of the size."""

    def __init__(self, p=0.5):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.norm = nn.Conv2d(3, 8, 3, 2, padding=1), nn.BatchNorm2d(8)
        self.channels, self.cells, self.off = nn.Dropout2d(p), nn.Dropout(p), nn.Dropout(0)
        self.classifier, self.outlier_head = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 2, 1)
        nn.init.orthogonal_(self.classifier.weight, gain=4)

    def features(self, image):
        return F.relu(self.norm(self.first(image)))

    def forward(self, image):
        x = self.off(self.cells(self.channels(self.features(image))))
        maps = NativeMaps(self.classifier(x), self.outlier_head(x), features=x)
        return DenseOutput(maps, tuple(image.shape[-2:]))


@pytest.fixture
def net():
    return Dropping().eval()


def dropped_by_hand(net, image, passes, seed):
    """The passes' logits with torch's global generator seeded, dropout called as a function."""
    torch.manual_seed(seed)
    members, outliers = [], []
    for _ in range(passes):
        x = F.dropout(F.dropout2d(net.features(image), 0.5, training=True), 0.5, training=True)
        members.append(net.classifier(x))
        outliers.append(net.outlier_head(x))
    return torch.stack(members), torch.stack(outliers)


@torch.no_grad()
def test_equals_passes_by_hand_with_the_same_seed(net):
    image = torch.rand(2, 3, 12, 16)
    given = mc_dropout(net, passes=3, seed=7)(image)
    members, outliers = dropped_by_hand(net, image, 3, seed=7)
    torch.testing.assert_close(given.native.member_logits, members)
    torch.testing.assert_close(given.native.logits.softmax(1), members.softmax(2).mean(0))
    torch.testing.assert_close(given.native.outlier_logits.softmax(1), outliers.softmax(2).mean(0))
    assert given.fields == {"logits", "outlier_logits", "member_logits"}
    assert given.size == (12, 16)
    assert (members[0] - members[1]).abs().max() > 0.1


@torch.no_grad()
def test_without_a_seed_the_global_random_state_counts(net):
    image, wrapped = torch.rand(1, 3, 8, 8), mc_dropout(net, passes=2)
    members, _ = dropped_by_hand(net, image, 2, seed=3)
    torch.manual_seed(3)
    torch.testing.assert_close(wrapped(image).native.member_logits, members)
    assert (wrapped(image).native.member_logits - members).abs().max() > 0.1


@torch.no_grad()
def test_a_seed_makes_each_call_the_same_and_leaves_the_global_random_state(net):
    image, wrapped = torch.rand(1, 3, 8, 8), mc_dropout(net, seed=1)
    state = torch.get_rng_state()
    first = wrapped(image).logits
    wrapped(torch.rand(1, 3, 16, 8, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(wrapped(image).logits, first)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(mc_dropout(net, seed=2)(image).logits, first)


def modes(net):
    return {name: module.training for name, module in net.named_modules()}


def test_dropout_alone_is_switched_and_switched_back(net):
    net.cells.train()
    before, statistics = modes(net), net.norm.running_mean.clone()
    wrapped = mc_dropout(net, passes=2)
    assert not wrapped.training
    for name, training in before.items():  # probing has put all of it into evaluation mode
        net.get_submodule(name).training = training
    seen = []
    net.classifier.register_forward_pre_hook(lambda *_: seen.append(modes(net)))
    wrapped(torch.rand(2, 3, 8, 8))
    assert seen == [before | {"cells": True, "channels": True}] * 2
    assert modes(net) == before
    assert torch.equal(net.norm.running_mean, statistics)


def test_modes_are_restored_after_an_error(net):
    wrapped, before, state = mc_dropout(net, seed=0), modes(net), torch.get_rng_state()
    image = torch.rand(1, 5, 8, 8, generator=torch.Generator().manual_seed(0))
    with pytest.raises(RuntimeError):
        wrapped(image)
    assert modes(net) == before
    assert torch.equal(torch.get_rng_state(), state)


@torch.no_grad()
def test_erfnet_has_dropout():
    members = mc_dropout(create_model("erfnet", 5).eval(), 2, seed=0)(torch.rand(1, 3, 32, 40)).member_logits
    assert members.shape == (2, 1, 5, 32, 40)
    assert (members[0] - members[1]).abs().max() > 0


def test_runs_in_run_network_and_evaluate(net, masks_folder, scored_by_bands):
    wrapped = mc_dropout(net, 4, seed=0)
    scores = scored_by_bands(wrapped, "predictive_entropy", "mutual_information", "densehybrid")
    assert scores["mutual_information"].max() > 0.01
    erfnet = mc_dropout(create_model("erfnet", 19).eval(), 2, seed=0)
    names = ["predictive_entropy", "mutual_information"]
    first, second = (evaluate(erfnet, PROTOCOLS["masks"], masks_folder, names) for _ in range(2))
    assert first.inference == ["MC dropout, 2 passes, seed 0"]
    assert first.model == "ERFNet"
    for name in names:
        assert first.of(name).pooled == second.of(name).pooled


@torch.no_grad()
def test_stands_inside_and_around_windows_and_flips(net):
    image = torch.rand(1, 3, 64, 96)
    around = mc_dropout(MultiScaleFlip(SlidingWindows(net, (64, 64)), (0.5, 1)), 2, seed=0)
    inside = MultiScaleFlip(SlidingWindows(mc_dropout(net, 2, seed=0), (64, 64)), (0.5, 1))
    for wrapped in (around, inside):
        out = wrapped.eval()(image)
        assert out.native.member_logits.shape == (2, 1, 4, 64, 96)
        assert (SCORES["mutual_information"](out) >= 0).all()
        assert probe(wrapped).fields == {"logits", "outlier_logits", "member_logits"}
    assert around.num_classes == 4
    around.to(torch.float64)
    assert next(net.parameters()).dtype == torch.float64


def test_what_does_not_fit_is_said(net):
    with pytest.raises(OddscapeError, match="0 passes of MC dropout: expected 1 or more"):
        mc_dropout(net, 0)
    for without in (Dropping(0), create_model("small_ladder", 4)):
        with pytest.raises(OddscapeError, match=r"has no dropout module with p > 0.*cannot be seen"):
            mc_dropout(without)
    with pytest.raises(OddscapeError, match="Sequential gives Tensor; expected a DenseOutput"):
        mc_dropout(nn.Sequential(nn.Conv2d(3, 1, 1), nn.Dropout()))

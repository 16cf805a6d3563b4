import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from oddscape.errors import OddscapeError
from oddscape.evaluation import evaluate
from oddscape.models import create_model, probe
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.protocols import PROTOCOLS
from oddscape.scores import SCORES
from oddscape.wrappers.ensemble import ensemble
from oddscape.wrappers.members import joined
from oddscape.wrappers.multi_scale import MultiScaleFlip
from oddscape.wrappers.windows import SlidingWindows

K, H, W = 3, 2, 4


def said(seed, *, outlier=True, void=True, size=(H, W), align_corners=False, scale=3.0):
    generator = torch.Generator().manual_seed(seed)

    def maps(channels):
        return scale * torch.randn(1, channels, *size, generator=generator)

    native = NativeMaps(maps(K), maps(2) if outlier else None, maps(1) if void else None, maps(6), maps(6))
    return DenseOutput(native, (H, W), align_corners)


def softmax(values):
    exponentials = [math.exp(v - max(values)) for v in values]
    return [e / sum(exponentials) for e in exponentials]


def log_evidence(f):
    return max(f) + math.log(sum(math.exp(v - max(f)) for v in f))


def mean(values):
    return sum(values) / len(values)


def at(maps, y, x):
    return maps[0, :, y, x].double().tolist()


@given(st.integers(0, 1000), st.integers(1, 4))
@settings(max_examples=20)
def test_posteriors_are_the_means_of_the_members(seed, count):
    outs = [said(seed + 10_000 * number) for number in range(count)]
    out = joined(outs)
    assert out.native.member_logits.shape == (count, 1, K, H, W)
    for y, x in np.ndindex(H, W):
        f = [at(o.native.logits, y, x) for o in outs]
        posterior = np.mean([softmax(values) for values in f], 0)
        assert softmax(at(out.logits, y, x)) == pytest.approx(posterior, abs=1e-6)
        energy = -mean([log_evidence(values) for values in f])
        assert SCORES["energy"](out)[0, y, x].item() == pytest.approx(energy, abs=1e-4)
        outlier = mean([softmax(at(o.native.outlier_logits, y, x))[1] for o in outs])
        given_outlier = SCORES["dataset_posterior"](out)[0, y, x].item()
        assert given_outlier == pytest.approx(math.log(outlier), abs=1e-4)
        void = mean(
            [softmax(at(torch.cat([o.native.logits, o.native.void_logits], 1), y, x))[-1] for o in outs]
        )
        assert SCORES["void"](out)[0, y, x].item() == pytest.approx(math.log(void), abs=1e-4)


def test_extreme_logits_stay_finite_and_gradients_flow():
    outs = [said(seed, scale=300) for seed in range(3)]
    leaves = [o.native.logits.requires_grad_() for o in outs]
    out = joined(outs)
    for name in ("logits", "outlier_logits", "void_logits"):
        assert getattr(out, name).isfinite().all()
    out.logits.sum().backward()
    assert all(leaf.grad.isfinite().all() for leaf in leaves)


def test_maps_that_one_member_lacks_are_left_out_and_so_are_features():
    assert joined([said(0), said(1)]).fields == {"logits", "outlier_logits", "void_logits", "member_logits"}
    assert joined([said(0), said(1, outlier=False)]).fields == {"logits", "void_logits", "member_logits"}
    assert joined([said(0), said(1, void=False)]).fields == {"logits", "outlier_logits", "member_logits"}


def test_members_of_members_count_alike():
    outs = [said(seed) for seed in range(4)]
    nested, flat = joined([joined(outs[:3]), outs[3]]), joined(outs)
    for name in ("logits", "outlier_logits", "void_logits"):
        torch.testing.assert_close(getattr(nested, name), getattr(flat, name), rtol=1e-4, atol=1e-5)
    assert torch.equal(nested.native.member_logits, flat.native.member_logits)


def test_members_of_different_resolution_are_brought_to_picture_size_as_each_would_be():
    coarse, fine = said(0, size=(1, 2), align_corners=True), said(1)
    out = joined([coarse, fine])
    wanted = torch.stack([coarse.logits, fine.logits])
    torch.testing.assert_close(out.native.member_logits, wanted)
    posterior = wanted.softmax(2).mean(0)
    torch.testing.assert_close(out.logits.softmax(1), posterior)
    torch.testing.assert_close(SCORES["void"](joined([coarse, coarse])), SCORES["void"](coarse))
    apart = joined([said(0, size=(1, 2)), said(0, size=(1, 2), align_corners=True)])
    assert apart.native.logits.shape[-2:] == (H, W)


@pytest.mark.parametrize("name", ["erfnet", "densehybrid_small_ladder", "densehybrid_ldn121"])
@torch.no_grad()
def test_an_ensemble_of_one_is_the_network(name):
    torch.manual_seed(0)
    net, image = create_model(name, 5).eval(), torch.rand(2, 3, 40, 56)
    one, wanted = ensemble([net])(image), net(image)
    torch.testing.assert_close(one.logits, wanted.logits, rtol=1e-4, atol=1e-4)
    for score in SCORES.values():
        if not score.missing(wanted.fields - {"features", "student_features"}):
            torch.testing.assert_close(score(one), score(wanted), rtol=1e-4, atol=1e-4)


@pytest.fixture
def nets():
    torch.manual_seed(0)
    return [create_model("small_ladder", 19).eval(), create_model("erfnet", 19).eval()]


@torch.no_grad()
def test_networks_of_any_kind_come_together(nets):
    net, image = ensemble(nets), torch.rand(2, 3, 40, 56)
    assert net.num_classes == 19
    assert not net.training
    out = net(image)
    posterior = torch.stack([F.softmax(one(image).logits, 1) for one in nets]).mean(0)
    torch.testing.assert_close(out.logits.softmax(1), posterior, rtol=1e-4, atol=1e-6)
    assert {name.split(".")[1] for name in net.state_dict()} == {"0", "1"}
    assert next(net.to(torch.float64).parameters()) is next(nets[0].parameters())


@torch.no_grad()
def test_stands_inside_and_around_windows_and_flips(nets):
    image = torch.rand(1, 3, 64, 96)
    around = ensemble([MultiScaleFlip(SlidingWindows(net, (64, 64)), (0.5, 1)) for net in nets])
    inside = MultiScaleFlip(SlidingWindows(ensemble(nets), (64, 64)), (0.5, 1))
    for net in (around, inside):
        out = net.eval()(image)
        assert out.native.member_logits.shape == (2, 1, 19, 64, 96)
        assert out.logits.shape == (1, 19, 64, 96)
        assert probe(net).fields == {"logits", "member_logits"}
    # Windows and flips are linear in each member's logits; those of the second need no upsampling.
    there, within = (wrapped(image).native.member_logits[1] for wrapped in (around, inside))
    torch.testing.assert_close(there, within, rtol=1e-3, atol=1e-5)


@torch.no_grad()
def test_exports_with_dynamic_sizes(tiny_network):
    net = ensemble([tiny_network(3), tiny_network(3)]).eval()
    nn.init.normal_(net.nets[1].classifier.weight)
    sides = {2: torch.export.Dim("cells_down", min=2, max=64) * 4, 3: torch.export.Dim("across", min=8)}
    exported = torch.export.export(net, (torch.rand(1, 3, 32, 48),), dynamic_shapes={"image": sides}).module()
    image = torch.rand(1, 3, 60, 36)
    torch.testing.assert_close(exported(image).logits, net(image).logits)
    torch.testing.assert_close(exported(image).member_logits, net(image).member_logits)


def test_runs_in_run_network_and_evaluate(nets, masks_folder, scored_by_bands):
    net = ensemble(nets)
    scored_by_bands(net, "predictive_entropy", "mutual_information", "energy")
    results = evaluate(net, PROTOCOLS["masks"], masks_folder, ["predictive_entropy", "mutual_information"])
    assert results.model == "Ensemble"


def test_what_does_not_fit_is_said(nets):
    with pytest.raises(OddscapeError, match="an ensemble of no network"):
        ensemble([])
    with pytest.raises(OddscapeError, match="know 19, 4 classes; expected the same number of each"):
        ensemble([nets[0], create_model("erfnet", 4)])
    with pytest.raises(OddscapeError, match="Conv2d gives Tensor; expected a DenseOutput"):
        ensemble([nn.Conv2d(3, 4, 1)])

"""Every score: against a naive float64 computation, and what any score must keep."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oddscape.errors import OddscapeError
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.scores import SCORES, fitting_scores, pick_scores

K, H, W = 5, 3, 4


def full_output(seed=0, scale=4.0):
    generator = torch.Generator().manual_seed(seed)

    def maps(channels):
        return scale * torch.randn(1, channels, H, W, generator=generator)

    return DenseOutput(NativeMaps(maps(K), maps(2), maps(1), maps(6), maps(6)), (H, W))


def softmax(values):
    exponentials = [math.exp(v - max(values)) for v in values]
    return [e / sum(exponentials) for e in exponentials]


def log_evidence(f):
    return max(f) + math.log(sum(math.exp(v - max(f)) for v in f))


NAIVE = {
    "msp": lambda f, **_: 1 - max(softmax(f)),
    "max_logit": lambda f, **_: -max(f),
    "entropy": lambda f, **_: -sum(p * math.log(p) for p in softmax(f)),
    "energy": lambda f, **_: -log_evidence(f),
    "densehybrid": lambda f, o, **_: math.log(softmax(o)[1]) - log_evidence(f),
    "dataset_posterior": lambda o, **_: math.log(softmax(o)[1]),
    "dicnet": lambda t, s, **_: sum((a - b) ** 2 for a, b in zip(t, s, strict=True)) / len(t),
    "void": lambda f, v, **_: math.log(softmax([*f, *v])[-1]),
}


@pytest.mark.parametrize("name", SCORES)
def test_equals_a_naive_computation(name):
    out = full_output()
    score = SCORES[name](out)
    assert score.dtype == torch.float32
    assert score.shape == (1, H, W)
    fields = {
        "f": "logits",
        "o": "outlier_logits",
        "v": "void_logits",
        "t": "features",
        "s": "student_features",
    }
    maps = {key: getattr(out.native, field)[0].double().numpy() for key, field in fields.items()}
    for y in range(H):
        for x in range(W):
            wanted = NAIVE[name](**{key: values[:, y, x].tolist() for key, values in maps.items()})
            assert score[0, y, x].item() == pytest.approx(wanted, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("name", SCORES)
def test_takes_gradients_and_stays_finite_at_extreme_logits(name):
    native = full_output(scale=300).native
    leaves = {f: getattr(native, f).clone().requires_grad_() for f in ("logits", *SCORES[name].needs)}
    out = DenseOutput(NativeMaps(**leaves), (H, W))
    score = SCORES[name](out)
    assert score.isfinite().all()
    gradients = torch.autograd.grad(score.sum(), list(leaves.values()), allow_unused=True)
    assert all(g is None or g.isfinite().all() for g in gradients)


@pytest.mark.parametrize("name", SCORES)
def test_says_which_maps_it_needs(name):
    score = SCORES[name]
    lacking = DenseOutput(NativeMaps(torch.zeros(1, K, H, W)), (H, W))
    if score.needs:
        with pytest.raises(OddscapeError, match=f"{name}.*needs {score.needs[0]}"):
            score(lacking)
    else:
        assert score(lacking).shape == (1, H, W)


@pytest.mark.parametrize("name", ["msp", "entropy"])
@given(shift=st.floats(-50, 50))
@settings(max_examples=20, deadline=None)
def test_posterior_scores_ignore_a_shift_of_all_logits(name, shift):
    out = full_output()
    shifted = DenseOutput(NativeMaps(out.native.logits + shift), (H, W))
    torch.testing.assert_close(SCORES[name](shifted), SCORES[name](out), rtol=1e-3, atol=1e-5)


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_bounds(seed):
    out = full_output(seed)
    msp, entropy = SCORES["msp"](out), SCORES["entropy"](out)
    assert msp.min() >= -1e-6
    assert msp.max() <= 1 - 1 / K + 1e-6
    assert entropy.min() >= -1e-5
    assert entropy.max() <= math.log(K) + 1e-5
    assert (SCORES["energy"](out) <= SCORES["max_logit"](out) + 1e-5).all()


def test_energy_ranks_like_max_logit_at_low_temperature():
    sharp = DenseOutput(NativeMaps(1000 * full_output().native.logits), (H, W))
    ranks = [np.argsort(SCORES[name](sharp).flatten().numpy()) for name in ("energy", "max_logit")]
    assert (ranks[0] == ranks[1]).all()


def test_dicnet_is_upsampled_with_aligned_corners():
    teacher, student = torch.randn(1, 6, 3, 4), torch.randn(1, 6, 3, 4)
    out = DenseOutput(
        NativeMaps(torch.zeros(1, K, 3, 4), features=teacher, student_features=student), (9, 10)
    )
    native = (teacher - student).square().mean(1, keepdim=True)
    wanted = torch.nn.functional.interpolate(native, (9, 10), mode="bilinear", align_corners=True)[:, 0]
    torch.testing.assert_close(SCORES["dicnet"](out), wanted)


def test_picking_by_name():
    assert list(pick_scores(["energy", "msp"], frozenset({"logits"}))) == ["energy", "msp"]
    assert list(pick_scores(["all"], frozenset({"logits"}))) == ["msp", "max_logit", "entropy", "energy"]
    assert set(fitting_scores(frozenset({"logits", "void_logits"}))) >= {"void"}
    with pytest.raises(OddscapeError, match="unknown score 'enrgy'; known: msp, max_logit"):
        pick_scores(["enrgy"], frozenset({"logits"}))
    with pytest.raises(OddscapeError, match=r"unknown score \(none given\)"):
        pick_scores([], frozenset({"logits"}))
    with pytest.raises(OddscapeError, match="unknown score 'typo'"):
        pick_scores(["all", "typo"], frozenset({"logits"}))
    with pytest.raises(OddscapeError, match=r"'densehybrid' needs outlier_logits.*can carry: msp"):
        pick_scores(["densehybrid"], frozenset({"logits"}))

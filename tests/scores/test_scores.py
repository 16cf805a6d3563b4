"""Every score: against a naive float64 computation, and what any score must keep."""

import inspect
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
M, Q = 3, 6


def full_output(seed=0, scale=4.0):
    generator = torch.Generator().manual_seed(seed)

    def maps(channels):
        return scale * torch.randn(1, channels, H, W, generator=generator)

    return DenseOutput(
        NativeMaps(
            maps(K),
            maps(2),
            maps(1),
            maps(6),
            maps(6),
            mask_logits=maps(Q),
            class_logits=scale * torch.randn(1, Q, K + 1, generator=generator),
            member_logits=torch.stack([maps(K) for _ in range(M)]),
        ),
        (H, W),
    )


def softmax(values):
    exponentials = [math.exp(v - max(values)) for v in values]
    return [e / sum(exponentials) for e in exponentials]


def log_evidence(f):
    return max(f) + math.log(sum(math.exp(v - max(f)) for v in f))


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


def votes(m, c):
    """What each known class is given by the masks: each mask's share of it, where the mask is."""
    return [sum(sigmoid(m[q]) * softmax(c[q])[k] for q in range(Q)) for k in range(K)]


def mean_posterior(members):
    return [sum(p) / M for p in zip(*map(softmax, members), strict=True)]


def naive_entropy(posterior):
    return -sum(p * math.log(p) for p in posterior)


NAIVE = {
    "msp": lambda f, **_: 1 - max(softmax(f)),
    "max_logit": lambda f, **_: -max(f),
    "entropy": lambda f, **_: -sum(p * math.log(p) for p in softmax(f)),
    "energy": lambda f, **_: -log_evidence(f),
    "margin": lambda f, **_: 1 - (sorted(softmax(f))[-1] - sorted(softmax(f))[-2]),
    "kl_uniform": lambda f, **_: -sum(1 / K * math.log(1 / K / p) for p in softmax(f)),
    "gen": lambda f, **_: sum((p * (1 - p)) ** 0.1 for p in softmax(f)),
    "rba": lambda m, c, **_: -sum(math.tanh(v) for v in votes(m, c)),
    "eam": lambda m, c, **_: -sum(sigmoid(m[q]) * max(softmax(c[q])[:K]) for q in range(Q)),
    "densehybrid": lambda f, o, **_: math.log(softmax(o)[1]) - log_evidence(f),
    "dataset_posterior": lambda o, **_: math.log(softmax(o)[1]),
    "dicnet": lambda t, s, **_: sum((a - b) ** 2 for a, b in zip(t, s, strict=True)) / len(t),
    "void": lambda f, v, **_: math.log(softmax([*f, *v])[-1]),
    "predictive_entropy": lambda e, **_: naive_entropy(mean_posterior(e)),
    "mutual_information": lambda e, **_: (
        naive_entropy(mean_posterior(e)) - sum(naive_entropy(softmax(f)) for f in e) / M
    ),
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
        "m": "mask_logits",
    }
    classes = out.native.class_logits[0].double().tolist()
    maps = {key: getattr(out.native, field)[0].double().numpy() for key, field in fields.items()}
    for y in range(H):
        for x in range(W):
            there = {key: values[:, y, x].tolist() for key, values in maps.items()}
            members = out.native.member_logits[:, 0, :, y, x].double().tolist()
            wanted = NAIVE[name](c=classes, e=members, **there)
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


@pytest.mark.parametrize("name", ["msp", "entropy", "margin", "kl_uniform", "gen"])
@given(shift=st.floats(-50, 50))
@settings(max_examples=20, deadline=None)
def test_posterior_scores_ignore_a_shift_of_all_logits(name, shift):
    out = full_output(scale=1)
    shifted = DenseOutput(NativeMaps(out.native.logits + shift), (H, W))
    torch.testing.assert_close(SCORES[name](shifted), SCORES[name](out), rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("name", ["max_logit", "energy"])
@given(shift=st.floats(-50, 50))
@settings(max_examples=20, deadline=None)
def test_scores_of_raw_logits_fall_by_a_shift_of_all_logits(name, shift):
    out = full_output()
    shifted = DenseOutput(NativeMaps(out.native.logits + shift), (H, W))
    torch.testing.assert_close(SCORES[name](shifted), SCORES[name](out) - shift, rtol=0, atol=3e-5)


BOUNDS = {
    "msp": (0, 1 - 1 / K),
    "entropy": (0, math.log(K)),
    "margin": (0, 1),
    "kl_uniform": (-math.inf, 0),
    "gen": (0, K * ((1 / K) * (1 - 1 / K)) ** 0.1),
    "rba": (-K, 0),
    "eam": (-Q, 0),
    "dataset_posterior": (-math.inf, 0),
    "void": (-math.inf, 0),
    "dicnet": (0, math.inf),
}


@pytest.mark.parametrize("name", BOUNDS)
@given(seed=st.integers(0, 1000), scale=st.sampled_from([0.0, 0.1, 4.0, 300.0]))
@settings(max_examples=20, deadline=None)
def test_bounds(name, seed, scale):
    score, (low, high) = SCORES[name](full_output(seed, scale)), BOUNDS[name]
    assert score.min() >= low - 1e-5
    assert score.max() <= high + 1e-5


@pytest.mark.parametrize("name", ["msp", "entropy", "margin", "kl_uniform", "gen"])
def test_posterior_scores_are_largest_where_all_classes_are_equal(name):
    logits = full_output().native.logits.clone()
    logits[..., 1, 2] = 7.0
    score = SCORES[name](DenseOutput(NativeMaps(logits), (H, W)))
    assert score.flatten().argmax() == W + 2
    assert score.max().item() == pytest.approx(BOUNDS[name][1], abs=1e-6)


@given(seed=st.integers(0, 1000), temperature=st.floats(0.05, 50))
@settings(max_examples=30, deadline=None)
def test_energy_lies_within_t_ln_k_below_max_logit(seed, temperature):
    out = full_output(seed)
    gap = SCORES["max_logit"](out) - SCORES["energy"].with_(temperature=temperature)(out)
    assert gap.min() >= -1e-4
    assert gap.max() <= temperature * math.log(K) + 1e-4


def test_hot_energy_ranks_like_the_mean_logit():
    out = full_output()
    hot = SCORES["energy"].with_(temperature=1e3)(out)
    assert (hot.flatten().argsort() == (-out.logits.mean(1)).flatten().argsort()).all()


@pytest.mark.parametrize("name", ["msp", "entropy", "energy", "margin", "kl_uniform", "gen"])
@pytest.mark.parametrize("temperature", [0.5, 3])
def test_temperature_divides_the_logits(name, temperature):
    out = full_output()
    divided = DenseOutput(NativeMaps(out.native.logits / temperature), (H, W))
    factor = temperature if name == "energy" else 1
    torch.testing.assert_close(
        SCORES[name].with_(temperature=temperature)(out), factor * SCORES[name](divided)
    )


def test_generalised_entropy_of_some_classes_and_another_gamma():
    out = full_output()
    score = SCORES["gen"].with_(gamma=0.5, classes=2)(out)
    for y in range(H):
        for x in range(W):
            top = sorted(softmax(out.native.logits[0, :, y, x].double().tolist()))[-2:]
            wanted = sum((p * (1 - p)) ** 0.5 for p in top)
            assert score[0, y, x].item() == pytest.approx(wanted, rel=1e-5)
    torch.testing.assert_close(SCORES["gen"].with_(classes=99)(out), SCORES["gen"](out))


@pytest.mark.parametrize("gap", [5, 17, 30, 60])
def test_generalised_entropy_keeps_tiny_doubts(gap):
    """(1 − p)^0.1 of a nearly sure network is far from 0, and lost if 1 − p is a difference in float32."""
    logits = torch.tensor([0.0, -gap, -gap - 1.0]).view(1, 3, 1, 1)
    doubt = [math.exp(-gap), math.exp(-gap - 1)]
    wanted = (sum(doubt) / (1 + sum(doubt)) / (1 + sum(doubt))) ** 0.1
    for d in doubt:
        p = d / (1 + sum(doubt))
        wanted += (p * (1 - p)) ** 0.1
    score = SCORES["gen"](DenseOutput(NativeMaps(logits), (1, 1)))
    assert score.item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("name", ["margin", "gen"])
def test_equal_largest_logits_are_two_classes(name):
    logits = torch.tensor([2.0, 2.0, -1.0]).view(1, 3, 1, 1)
    p = softmax([2, 2, -1])
    wanted = {"margin": 1.0, "gen": sum((q * (1 - q)) ** 0.1 for q in p)}[name]
    assert SCORES[name](DenseOutput(NativeMaps(logits), (1, 1))).item() == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("name", ["rba", "eam"])
def test_masks_are_brought_to_picture_size_before_the_sigmoid(name):
    generator = torch.Generator().manual_seed(0)
    masks = 8 * torch.randn(2, Q, 3, 4, generator=generator)
    classes = torch.randn(2, Q, K + 1, generator=generator)
    logits = torch.zeros(2, K, 3, 4)
    small = DenseOutput(NativeMaps(logits, mask_logits=masks, class_logits=classes), (7, 9))
    full = torch.nn.functional.interpolate(masks, (7, 9), mode="bilinear")
    native = NativeMaps(torch.zeros(2, K, 7, 9), mask_logits=full, class_logits=classes)
    torch.testing.assert_close(SCORES[name](small), SCORES[name](DenseOutput(native, (7, 9))))


def test_rejected_by_all_is_high_where_no_mask_claims_a_known_class():
    masks = torch.full((1, 2, 1, 3), -20.0)
    masks[0, 0, 0, 0] = masks[0, 1, 0, 1] = 20.0  # one claimed as class 0, one by "no object", one by none
    classes = torch.tensor([[[20.0, 0, 0], [0, 0, 20.0]]])
    out = DenseOutput(NativeMaps(torch.zeros(1, 2, 1, 3), mask_logits=masks, class_logits=classes), (1, 3))
    wanted = torch.tensor([[[-math.tanh(1), 0.0, 0.0]]])
    torch.testing.assert_close(SCORES["rba"](out), wanted, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(SCORES["eam"](out), torch.tensor([[[-1.0, 0.0, 0.0]]]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", SCORES)
def test_is_documented(name):
    score = SCORES[name]
    assert score.works.endswith(".")
    assert score.fails.endswith(".")
    assert score.paper[-4:].isdigit() or "arXiv" in score.paper
    keywords = inspect.signature(score.function).parameters
    assert all(parameter.name in keywords for parameter in score.parameters)


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


CLOSED_SET = ["msp", "max_logit", "entropy", "energy", "margin", "kl_uniform", "gen"]


def test_picking_by_name():
    assert list(pick_scores(["energy", "msp"], frozenset({"logits"}))) == ["energy", "msp"]
    assert list(pick_scores(["all"], frozenset({"logits"}))) == CLOSED_SET
    assert set(fitting_scores(frozenset({"logits", "void_logits"}))) >= {"void"}
    with pytest.raises(OddscapeError, match="unknown score 'enrgy'; known: msp, max_logit"):
        pick_scores(["enrgy"], frozenset({"logits"}))
    with pytest.raises(OddscapeError, match=r"unknown score \(none given\)"):
        pick_scores([], frozenset({"logits"}))
    with pytest.raises(OddscapeError, match="unknown score 'typo'"):
        pick_scores(["all", "typo"], frozenset({"logits"}))
    with pytest.raises(OddscapeError, match=r"'densehybrid' needs outlier_logits.*can carry: msp"):
        pick_scores(["densehybrid"], frozenset({"logits"}))
    with pytest.raises(OddscapeError, match=r"'rba\+smoothing' needs mask_logits, class_logits"):
        pick_scores(["rba+smoothing"], frozenset({"logits"}))


def test_all_and_variants_can_be_picked_together():
    picked = pick_scores(["all", "energy@temperature=2", "msp+smoothing"], frozenset({"logits"}))
    assert list(picked) == [*CLOSED_SET, "energy@temperature=2", "msp+smoothing"]

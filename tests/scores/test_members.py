import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oddscape.inference import postprocess
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.scores import SCORES
from oddscape.scores.members import mutual_information, predictive_entropy

K, H, W = 5, 3, 4
BOTH = ("predictive_entropy", "mutual_information")


def output(members, size=(H, W), align_corners=False):
    return DenseOutput(NativeMaps(members[0], member_logits=members), size, align_corners)


def random_members(seed, count=3, scale=4.0, size=(H, W), pictures=1):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(count, pictures, K, *size, generator=generator)


def entropy(p):
    return -sum(q * math.log(q) for q in p if q > 0)


def posteriors(members):
    """The softmax of each member's logits at a pixel, float64."""
    exponentials = np.exp(members - members.max(1, keepdims=True))
    return exponentials / exponentials.sum(1, keepdims=True)


@pytest.mark.parametrize("scale", [0.01, 4.0, 30.0])
def test_equal_naive_computations(scale):
    members = random_members(0, scale=scale, pictures=2)
    out = output(members)
    given_entropy, given_information = predictive_entropy(out), mutual_information(out)
    for n, y, x in np.ndindex(2, H, W):
        p = posteriors(members[:, n, :, y, x].double().numpy())
        total = entropy(p.mean(0))
        assert given_entropy[n, y, x].item() == pytest.approx(total, abs=1e-5)
        wanted = total - sum(entropy(member) for member in p) / len(p)
        assert given_information[n, y, x].item() == pytest.approx(wanted, rel=1e-3, abs=1e-6)


@given(st.integers(0, 1000), st.integers(1, 8), st.sampled_from([0.1, 1.0, 10.0, 300.0]))
@settings(max_examples=60)
def test_bounds(seed, count, scale):
    out = output(random_members(seed, count, scale))
    total, information = predictive_entropy(out), mutual_information(out)
    assert total.min() >= -1e-5
    assert total.max() <= math.log(K) + 1e-5
    assert information.min() >= 0
    assert information.max() <= min(math.log(K), math.log(count)) + 1e-5
    assert (information <= total + 1e-5).all()


@given(st.integers(0, 1000), st.integers(1, 8))
@settings(max_examples=20)
def test_members_that_agree_share_no_information(seed, count):
    members = random_members(seed, 1).expand(count, -1, -1, -1, -1)
    out = output(members)
    torch.testing.assert_close(mutual_information(out), torch.zeros(1, H, W), rtol=0, atol=1e-6)
    torch.testing.assert_close(predictive_entropy(out), SCORES["entropy"](out), rtol=1e-4, atol=1e-5)


def test_members_that_are_sure_of_different_classes_share_the_most():
    members = 100 * torch.eye(4, K).view(4, 1, K, 1, 1)
    out = output(members, (1, 1))
    for score in (predictive_entropy, mutual_information):
        assert score(out).item() == pytest.approx(math.log(4), abs=1e-5)


@given(st.integers(0, 1000), st.permutations(range(4)))
@settings(max_examples=20)
def test_the_order_of_members_and_a_shift_of_their_logits_change_nothing(seed, order):
    members = random_members(seed, 4)
    shift = torch.randn(4, 1, 1, H, W, generator=torch.Generator().manual_seed(seed))
    for name in BOTH:
        wanted = SCORES[name](output(members))
        given_score = SCORES[name](output((members + 10 * shift)[order]))
        torch.testing.assert_close(given_score, wanted, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("align_corners", [False, True])
def test_logits_are_upsampled_before_the_softmax_in_bands_as_in_whole(align_corners):
    members = random_members(0, 3, size=(4, 6), pictures=2)
    out = output(members, (17, 70), align_corners)
    full = torch.stack(
        [
            torch.nn.functional.interpolate(m, (17, 70), mode="bilinear", align_corners=align_corners)
            for m in members
        ]
    )
    banded = postprocess(out, {name: SCORES[name] for name in BOTH}).scores
    for name in BOTH:
        wanted = SCORES[name](output(full, (17, 70)))
        torch.testing.assert_close(SCORES[name](out), wanted, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(banded[name].clone(), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", BOTH)
def test_gradients_stay_finite_at_extreme_logits(name):
    members = random_members(0, scale=300).requires_grad_()
    SCORES[name](output(members)).sum().backward()
    assert members.grad.isfinite().all()

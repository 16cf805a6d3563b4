import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.training.config import DEFAULT_MODELS
from oddscape.training.losses import (
    LOSSES,
    Batch,
    closed_set,
    counts_of,
    densehybrid,
    dicnet,
    loss_value,
    sums_of,
)

K, SIZE, STRIDE = 4, (8, 12), 4


def make_batch(seed=0, n=2):
    rng = torch.Generator().manual_seed(seed)
    kind = torch.randint(0, 5, (n, *SIZE), generator=rng)  # 0, 1, 2 known, 3 void, 4 pasted
    left_out = torch.zeros(n, *SIZE, dtype=torch.bool)
    left_out[:, 1:4, 5:9] = True
    pasted = (kind == 4) & ~left_out
    labels = torch.randint(0, K, (n, *SIZE), generator=rng)
    labels[(kind >= 3) | left_out] = 255
    return Batch(torch.rand(n, 3, *SIZE, generator=rng), labels, pasted, left_out)


def make_output(seed=0, n=2, at_picture_size=True):
    rng = torch.Generator().manual_seed(seed)
    places = (SIZE[0] // STRIDE, SIZE[1] // STRIDE)
    maps = SIZE if at_picture_size else places

    def random(channels, size):
        return torch.randn(n, channels, *size, generator=rng).requires_grad_()

    native = NativeMaps(
        logits=random(K, maps),
        outlier_logits=random(2, maps),
        features=random(5, places),
        student_features=random(5, places),
    )
    return DenseOutput(native, SIZE)


def value(terms, out, batch):
    return loss_value(terms, sums_of(terms, out, batch), counts_of(terms, batch))


def pixels(out, batch):
    """Every pixel's logits and truth, one by one, in float64."""
    logits = out.logits.detach().double().permute(0, 2, 3, 1).reshape(-1, K).numpy()
    outlier = out.outlier_logits.detach().double().permute(0, 2, 3, 1).reshape(-1, 2).numpy()
    truth = (t.flatten().numpy() for t in (batch.labels, batch.pasted, batch.left_out))
    return zip(logits, outlier, *truth, strict=True)


def log_sum(values):
    return math.log(sum(math.exp(v) for v in values))


def naive_densehybrid(out, batch, beta, margin, void_is_known):
    nll, likelihood, posterior = [], [], []
    for f, o, label, pasted, left_out in pixels(out, batch):
        if left_out:
            continue
        if label != 255:
            nll.append(log_sum(f) - f[label])
        if pasted:
            likelihood.append(log_sum(f) if margin is None else max(log_sum(f), -margin))
        if void_is_known or pasted or label != 255:
            posterior.append(log_sum(o) - o[int(pasted)])
    return np.mean(nll) + beta * np.mean(likelihood) + 10 * beta * np.mean(posterior)


def test_methods_and_losses_go_by_the_same_names():
    assert set(LOSSES) == set(DEFAULT_MODELS)


@pytest.mark.parametrize("at_picture_size", [True, False])
def test_closed_set_is_the_mean_cross_entropy_of_known_pixels(at_picture_size):
    out, batch = make_output(at_picture_size=at_picture_size), make_batch()
    expected = torch.nn.functional.cross_entropy(out.logits, batch.labels, ignore_index=255)
    assert value(closed_set(), out, batch).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("void_is_known", [True, False])
@pytest.mark.parametrize("margin", [None, -1.5, 3.0])
@pytest.mark.parametrize("at_picture_size", [True, False])
def test_densehybrid_equals_a_loop_over_pixels(at_picture_size, margin, void_is_known):
    out, batch = make_output(at_picture_size=at_picture_size), make_batch()
    options = {"beta": 0.2, "margin": margin, "void_is_known": void_is_known}
    expected = naive_densehybrid(out, batch, **options)
    assert value(densehybrid(**options), out, batch).item() == pytest.approx(expected, rel=1e-5)


def test_gradient_of_the_loss_is_the_one_of_the_formula():
    out, batch = make_output(), make_batch()
    logits = out.native.logits
    (gradient,) = torch.autograd.grad(value(densehybrid(beta=0.5), out, batch), logits)
    softmax = logits.detach().softmax(1)
    known = (batch.labels != 255).unsqueeze(1)
    one_hot = torch.nn.functional.one_hot(batch.labels.clamp(max=K - 1), K).movedim(-1, 1)
    pasted = batch.pasted.unsqueeze(1)
    expected = (softmax - one_hot) * known / known.sum() + 0.5 * softmax * pasted / pasted.sum()
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize(("margin", "pulls"), [(50.0, False), (None, True), (150.0, True)])
def test_beyond_the_margin_negatives_pull_no_more(margin, pulls):
    out, batch = make_output(), make_batch()
    logits = (out.native.logits - 100).detach().requires_grad_()
    low = replace(out, native=replace(out.native, logits=logits))
    densehybrid(margin=margin)[1].sum(low, batch).backward()
    assert logits.grad.any() == pulls


def test_dicnet_is_the_mean_squared_difference_over_places_without_held_out_pixels():
    out, batch = make_output(), make_batch()
    student, teacher = out.native.student_features, out.native.features
    squares = [
        (student[n, :, i, j] - teacher[n, :, i, j]).square().mean().item()
        for n in range(2)
        for i in range(SIZE[0] // STRIDE)
        for j in range(SIZE[1] // STRIDE)
        if not batch.left_out[n, i * STRIDE : (i + 1) * STRIDE, j * STRIDE : (j + 1) * STRIDE].any()
    ]
    assert 0 < len(squares) < 12
    assert value(dicnet(STRIDE), out, batch).item() == pytest.approx(np.mean(squares), rel=1e-5)


def test_dicnet_gives_the_teacher_no_gradient():
    out, batch = make_output(), make_batch()
    value(dicnet(STRIDE), out, batch).backward()
    assert out.native.features.grad is None
    assert out.native.student_features.grad.any()


@pytest.mark.parametrize("name", list(LOSSES))
def test_held_out_pixels_get_no_gradient(name):
    out, batch = make_output(), make_batch()
    value(LOSSES[name](), out, batch).backward()
    maps = {"logits": out.native.logits, "outlier_logits": out.native.outlier_logits}
    reached = [m.grad for m in maps.values() if m.grad is not None]
    for gradient in reached:
        assert not gradient.movedim(1, -1)[batch.left_out].any()
        assert gradient.any()
    student = out.native.student_features.grad
    if student is not None:
        touched = batch.left_out.unflatten(2, (-1, STRIDE)).unflatten(1, (-1, STRIDE)).any(4).any(2)
        assert touched.any()
        assert not student.movedim(1, -1)[touched].any()
        reached.append(student)
    assert reached


@pytest.mark.parametrize("void_is_known", [True, False])
def test_held_out_pixels_are_in_no_mask_even_where_labelled_or_pasted(void_is_known):
    batch = make_batch()
    everywhere = torch.ones_like(batch.left_out)
    for labels in (torch.zeros_like(batch.labels), batch.labels):
        odd = replace(batch, labels=labels, pasted=everywhere, left_out=everywhere)
        for terms in (closed_set(), densehybrid(void_is_known=void_is_known), dicnet(STRIDE)):
            assert not counts_of(terms, odd).any()


@pytest.mark.parametrize("name", list(LOSSES))
def test_a_term_without_pixels_is_zero_with_zero_gradient(name):
    out, batch = make_output(), make_batch()
    empty = replace(batch, left_out=torch.ones_like(batch.left_out))
    loss = value(LOSSES[name](), out, empty)
    loss.backward()
    assert loss.item() == 0
    gradients = [m.grad for m in (out.native.logits, out.native.student_features) if m.grad is not None]
    assert gradients
    assert not any(gradient.any() for gradient in gradients)


def test_nothing_pasted_makes_the_likelihood_of_negatives_zero():
    out, batch = make_output(), make_batch()
    batch = replace(batch, pasted=torch.zeros_like(batch.pasted))
    terms = densehybrid()
    sums, counts = sums_of(terms, out, batch), counts_of(terms, batch)
    assert counts[1] == sums[1] == 0
    assert torch.isfinite(loss_value(terms, sums, counts))


def test_what_lies_outside_a_mask_does_no_harm():
    out, batch = make_output(), make_batch()
    logits = out.native.logits.detach().clone()
    logits.movedim(1, -1)[batch.left_out] = 1e30
    logits.requires_grad_()
    hot = replace(out, native=replace(out.native, logits=logits))
    loss = value(densehybrid(), hot, batch)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("name", list(LOSSES))
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_parts_add_up_to_the_whole(name, seed):
    terms, out, batch = LOSSES[name](), make_output(seed, n=3), make_batch(seed, n=3)
    counts = counts_of(terms, batch)
    whole = loss_value(terms, sums_of(terms, out, batch), counts)
    parts = 0.0
    for rows in (slice(0, 1), slice(1, 3)):
        native = NativeMaps(**{f: getattr(out.native, f)[rows] for f in out.fields})
        fields = ("image", "labels", "pasted", "left_out")
        part = Batch(**{f: getattr(batch, f)[rows] for f in fields})
        parts += loss_value(terms, sums_of(terms, DenseOutput(native, SIZE), part), counts)
    assert parts.item() == pytest.approx(whole.item(), rel=1e-5)

import math
from dataclasses import fields, replace
from inspect import signature

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oddscape.errors import OddscapeError
from oddscape.models import create_model, probe
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.training.config import TrainConfig
from oddscape.training.losses import (
    Batch,
    closed_set,
    counts_of,
    densehybrid,
    dicnet,
    loss_value,
    sums_of,
)
from oddscape.training.methods import LOSSES

K, SIZE, STRIDE = 4, (8, 12), 4


def make_batch(seed=0, n=2):
    rng = torch.Generator().manual_seed(seed)
    kind = torch.randint(0, 5, (n, *SIZE), generator=rng)  # 0, 1, 2 known, 3 void, 4 pasted
    left_out = torch.zeros(n, *SIZE, dtype=torch.bool)
    left_out[:, 1:4, 5:9] = True
    pasted = (kind == 4) & ~left_out
    labels = torch.randint(0, K, (n, *SIZE), generator=rng)
    labels[(kind >= 3) | left_out] = 255
    image, before = (torch.rand(n, channels, *SIZE, generator=rng) for channels in (3, K))
    return Batch(image, labels, pasted, left_out, before)


def make_output(seed=0, n=2, at_picture_size=True):
    rng = torch.Generator().manual_seed(seed)
    places = (SIZE[0] // STRIDE, SIZE[1] // STRIDE)
    maps = SIZE if at_picture_size else places

    def random(channels, size):
        return torch.randn(n, channels, *size, generator=rng).requires_grad_()

    native = NativeMaps(
        logits=random(K, maps),
        outlier_logits=random(2, maps),
        void_logits=random(1, maps),
        features=random(5, places),
        student_features=random(5, places),
    )
    return DenseOutput(native, SIZE)


def value(terms, out, batch):
    return loss_value(terms, sums_of(terms, out, batch), counts_of(terms, batch))


def pixels(out, batch):
    """Logits, outlier logits, void logit and truth of every pixel that is not left out, in float64."""
    maps = (m.detach().double().movedim(1, -1).flatten(0, -2).numpy() for m in full_maps(out))
    truth = (t.flatten().numpy() for t in (batch.labels, batch.pasted, batch.left_out))
    for logits, outlier, void, label, pasted, left_out in zip(*maps, *truth, strict=True):
        if not left_out:
            yield logits, outlier, void, label, pasted


def full_maps(out):
    return out.logits, out.outlier_logits, out.void_logits


def log_sum(values):
    return math.log(sum(math.exp(v) for v in values))


def naive_densehybrid(out, batch, beta, margin, void_is_known):
    nll, likelihood, posterior = [], [], []
    for f, o, _, label, pasted in pixels(out, batch):
        if label != 255:
            nll.append(log_sum(f) - f[label])
        if pasted:
            likelihood.append(log_sum(f) if margin is None else max(log_sum(f), -margin))
        if void_is_known or pasted or label != 255:
            posterior.append(log_sum(o) - o[int(pasted)])
    return np.mean(nll), beta * np.mean(likelihood), 10 * beta * np.mean(posterior)


def naive_densehybrid_kept(out, batch, keep, level):
    kept, fall = [], []
    inside = ~batch.left_out.flatten().numpy()
    before = batch.before.double().movedim(1, -1).flatten(0, -2).numpy()[inside]
    for (f, _, _, label, _), g in zip(pixels(out, batch), before, strict=True):
        if label != 255:
            p, q = np.exp(g - log_sum(g)), np.exp(f - log_sum(f))
            kept.append(np.sum(p * np.log(p / q)))
            fall.append(max(0, log_sum(g) - log_sum(f)) ** 2)
    negatives = sum(naive_densehybrid(out, batch, 0.03, None, True)[1:])
    return keep * np.mean(kept) + level * np.mean(fall) + negatives


def naive_entropy_maximisation(out, batch, weight):
    nll, uniform = [], []
    for f, _, _, label, pasted in pixels(out, batch):
        if label != 255:
            nll.append(log_sum(f) - f[label])
        if pasted:
            uniform.append(-sum(math.log(math.exp(v) / math.exp(log_sum(f))) for v in f) / K)
    return (1 - weight) * np.mean(nll) + weight * np.mean(uniform)


def naive_energy_margin(out, batch, weight, known_energy, negative_energy):
    nll, known, negative = [], [], []
    for f, _, _, label, pasted in pixels(out, batch):
        energy = -log_sum(f)
        if label != 255:
            nll.append(-energy - f[label])
            known.append(max(0, energy - known_energy) ** 2)
        if pasted:
            negative.append(max(0, negative_energy - energy) ** 2)
    return np.mean(nll) + weight * (np.mean(known) + np.mean(negative))


def naive_outlier_exposure(out, batch, weight):
    nll, void_nll = [], []
    for f, _, v, label, pasted in pixels(out, batch):
        all_classes = [*f, *v]
        if label != 255:
            nll.append(log_sum(all_classes) - all_classes[label])
        if pasted:
            void_nll.append(log_sum(all_classes) - all_classes[K])
    return np.mean(nll) + weight * np.mean(void_nll)


NAIVE = {
    "densehybrid-kept": (naive_densehybrid_kept, {"keep": 3.0, "level": 0.5}),
    "entropy-maximisation": (naive_entropy_maximisation, {"weight": 0.7}),
    "energy-margin": (naive_energy_margin, {"weight": 0.3, "known_energy": -2.0, "negative_energy": -1.2}),
    "outlier-exposure": (naive_outlier_exposure, {"weight": 0.4}),
}


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_finds_in_its_network_what_it_needs_and_trains_it(name):
    method, batch = LOSSES[name], make_batch()
    net = create_model(method.model, K)
    assert set(method.needs) <= probe(net).fields
    terms = method(**{n: STRIDE for n in method.options if n == "stride"})
    value(terms, net(batch.image), batch).backward()
    assert any(weight.grad is not None and weight.grad.any() for weight in net.parameters())


@pytest.mark.parametrize("name", LOSSES)
def test_losses_without_negatives_have_no_term_for_them(name):
    batch = make_batch()
    only_pasted = replace(batch, labels=torch.full_like(batch.labels, 255), left_out=~batch.pasted)
    counts = counts_of(LOSSES[name](), only_pasted)
    assert bool((counts == batch.pasted.sum()).any()) == LOSSES[name].takes_negatives


def test_options_that_losses_share_with_a_configuration_have_its_defaults():
    defaults = {f.name: f.default for f in fields(TrainConfig)}
    for method in LOSSES.values():
        for name, parameter in signature(method.function).parameters.items():
            assert parameter.default is not parameter.empty
            assert parameter.default == defaults.get(name, parameter.default)


def test_an_option_that_a_loss_has_not_is_named():
    with pytest.raises(OddscapeError, match=r"loss 'energy-margin' has no option beta; it has weight, known"):
        LOSSES["energy-margin"](beta=1.0)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("entropy-maximisation", {"weight": 1.5}, "weight of entropy-maximisation must be from 0 to 1"),
        ("energy-margin", {"known_energy": -5.0, "negative_energy": -23.0}, "must lie below negative_energy"),
    ],
)
def test_options_out_of_range_are_refused(name, options, message):
    with pytest.raises(OddscapeError, match=message):
        LOSSES[name](**options)


@pytest.mark.parametrize("name", NAIVE)
@pytest.mark.parametrize("at_picture_size", [True, False])
def test_baselines_equal_a_loop_over_pixels(name, at_picture_size):
    out, batch = make_output(at_picture_size=at_picture_size), make_batch()
    naive, options = NAIVE[name]
    assert value(LOSSES[name](**options), out, batch).item() == pytest.approx(
        naive(out, batch, **options), rel=1e-5
    )


def test_a_uniform_posterior_is_the_least_that_entropy_maximisation_reaches_on_negatives():
    out, batch = make_output(), make_batch()
    flat = replace(out, native=replace(out.native, logits=torch.full_like(out.native.logits, 3.0)))
    term = LOSSES["entropy-maximisation"]()[1]
    least, usual = (term.sum(o, batch) / term.count(batch) for o in (flat, out))
    assert least.item() == pytest.approx(math.log(K))
    assert usual > least


def test_energies_beyond_the_margins_pull_no_more():
    out, batch = make_output(), make_batch()
    high_where_known = torch.where(batch.pasted.unsqueeze(1), -40.0, 40.0)
    logits = (out.native.logits + high_where_known).detach().requires_grad_()
    parted = replace(out, native=replace(out.native, logits=logits))
    _, known, negative = LOSSES["energy-margin"]()
    (known.sum(parted, batch) + negative.sum(parted, batch)).backward()
    assert not logits.grad.any()


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
    nll, likelihood, posterior = naive_densehybrid(out, batch, **options)
    whole = value(densehybrid(**options), out, batch).item()
    assert whole == pytest.approx(nll + likelihood + posterior, rel=1e-5)
    without = {name: LOSSES[f"densehybrid-{name}"] for name in ("likelihood", "posterior")}
    ablations = {
        name: value(method(**{n: options[n] for n in method.options}), out, batch).item()
        for name, method in without.items()
    }
    assert ablations == pytest.approx(
        {"likelihood": nll + likelihood, "posterior": nll + posterior}, rel=1e-5
    )


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
    native = out.native
    maps = (native.logits, native.outlier_logits, native.void_logits)
    reached = [m.grad for m in maps if m.grad is not None]
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
        for terms in (densehybrid(void_is_known=void_is_known), *(method() for method in LOSSES.values())):
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


def test_nothing_changes_a_network_that_still_says_what_it_said():
    out, batch = make_output(), make_batch()
    kept, level, *_ = LOSSES["densehybrid-kept"]()
    unchanged = replace(batch, before=out.logits.detach())
    value((kept, level), out, unchanged).backward()
    assert kept.sum(out, unchanged).item() == pytest.approx(0, abs=1e-4)
    assert out.native.logits.grad.abs().max() < 1e-7


def test_nothing_pasted_makes_the_likelihood_of_negatives_zero():
    out, batch = make_output(), make_batch()
    batch = replace(batch, pasted=torch.zeros_like(batch.pasted))
    terms = densehybrid()
    sums, counts = sums_of(terms, out, batch), counts_of(terms, batch)
    assert counts[1] == sums[1] == 0
    assert torch.isfinite(loss_value(terms, sums, counts))


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "dicnet"])
def test_what_lies_outside_a_mask_does_no_harm(name):
    out, batch = make_output(), make_batch()
    logits = out.native.logits.detach().clone()
    logits.movedim(1, -1)[batch.left_out] = 1e30
    logits.requires_grad_()
    hot = replace(out, native=replace(out.native, logits=logits))
    loss = value(LOSSES[name](), hot, batch)
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
        fields = ("image", "labels", "pasted", "left_out", "before")
        part = Batch(**{f: getattr(batch, f)[rows] for f in fields})
        parts += loss_value(terms, sums_of(terms, DenseOutput(native, SIZE), part), counts)
    assert parts.item() == pytest.approx(whole.item(), rel=1e-5)

"""Scores of any closed-set network: functions of the logits of the known classes alone.

Every ``temperature`` T divides the logits first, f / T.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from oddscape.outputs import DenseOutput

_LOG2_E = math.log2(math.e)


def msp(out: DenseOutput, *, temperature: float = 1) -> Tensor:
    """One minus the maximum softmax probability, in [0, 1 − 1/K]."""
    out = _tempered(out, temperature)
    return -torch.expm1(out.max_logit - out.log_evidence)


def max_logit(out: DenseOutput) -> Tensor:
    """The largest logit, negated: −max_k f_k."""
    return -out.max_logit


def entropy(out: DenseOutput, *, temperature: float = 1) -> Tensor:
    """Entropy of the softmax in nats, −Σ_k p_k ln p_k, in [0, ln K]."""
    out = _tempered(out, temperature)
    # Powers of two, as in log_evidence, and memory used again: half the time of the formula as it stands.
    below_peak = (out.logits - out.max_logit.detach().unsqueeze(1)).mul_(_LOG2_E)
    relative = below_peak.exp2()
    total = relative.sum(1)
    return total.log() - below_peak.mul_(relative).sum(1) / (total * _LOG2_E)


def energy(out: DenseOutput, *, temperature: float = 1) -> Tensor:
    """Free energy, −T logsumexp_k (f_k / T); on DenseHybrid's network, its generative ablation −ln p̂(x)."""
    return _tempered(out, temperature).log_evidence * -temperature


def margin(out: DenseOutput, *, temperature: float = 1) -> Tensor:
    """One minus the margin of the two largest posteriors, 1 − (p₁ − p₂), in [0, 1]."""
    out = _tempered(out, temperature)
    second = (_second_largest(out.logits) - out.log_evidence).exp()
    return second - torch.expm1(out.max_logit - out.log_evidence)


def kl_uniform(out: DenseOutput, *, temperature: float = 1) -> Tensor:
    """Divergence of the uniform distribution from the softmax, negated: −KL(u ‖ p), at most 0.

    It is the mean of ln p_k, plus ln K: the classes that are ruled out count most. The other direction,
    −KL(p ‖ u), is the entropy less ln K and ranks pixels as the entropy does.
    """
    out = _tempered(out, temperature)
    return out.logits.mean(1) - out.log_evidence + math.log(out.num_classes)


def gen(
    out: DenseOutput, *, gamma: float = 0.1, classes: int | None = None, temperature: float = 1
) -> Tensor:
    """Generalised entropy, Σ p_k^γ (1 − p_k)^γ over the most probable classes, at least 0.

    Args:
        out: of the network.
        gamma: γ, in (0, 1); the smaller, the more does a little doubt count.
        classes: how many classes are summed over, the most probable first; None: all.
        temperature: T.
    """
    out = _tempered(out, temperature)
    below_peak = (out.logits - out.max_logit.unsqueeze(1)).mul_(_LOG2_E)
    relative = below_peak.exp2()
    others = _others(relative)
    if classes is not None:
        below_peak = below_peak.topk(min(classes, out.num_classes), 1).values
        relative = below_peak.exp2()
    rest = (1 - relative).add_(others).clamp_min_(torch.finfo(torch.float32).tiny)
    terms = rest.log2_().add_(below_peak).mul_(gamma).exp2_()
    return terms.sum(1) * (others.squeeze(1) + 1) ** (-2 * gamma)


def _others(relative: Tensor) -> Tensor:
    """Sum all classes but a largest one, whose value is 1: float32 [N, 1, H, W]."""
    # Summed without it: as a difference it would be lost to rounding where a network is sure, and what is
    # left for 1 − p is worth much to a small γ.
    less = relative.frac().sum(1, keepdim=True)
    return less + ((relative.sum(1, keepdim=True) - less).round() - 1)


def _tempered(out: DenseOutput, temperature: float) -> DenseOutput:
    """The output with its logits divided; itself at 1, so that scores share what it keeps."""
    if temperature == 1:
        return out
    return replace(out, native=replace(out.native, logits=out.native.logits.float() / temperature))


def _second_largest(logits: Tensor) -> Tensor:
    """The second largest logit, float32 [N, H, W]; −∞ where there is one class."""
    # Class by class, for sorting takes a CPU many times as long.
    largest, second = logits[:, 0], torch.full_like(logits[:, 0], -math.inf)
    for logit in logits[:, 1:].unbind(1):
        second = torch.maximum(second, torch.minimum(largest, logit))
        largest = torch.maximum(largest, logit)
    return second

"""Scores of any closed-set network: functions of the logits of the known classes alone."""

from __future__ import annotations

import torch
from torch import Tensor

from oddscape.outputs import DenseOutput


def msp(out: DenseOutput) -> Tensor:
    """One minus the maximum softmax probability, in [0, 1 − 1/K]."""
    return -torch.expm1(out.max_logit - out.log_evidence)


def max_logit(out: DenseOutput) -> Tensor:
    """The largest logit, negated: −max_k f_k."""
    return -out.max_logit


def entropy(out: DenseOutput) -> Tensor:
    """Entropy of the softmax in nats, −Σ_k p_k ln p_k, in [0, ln K]."""
    log_posterior = out.logits - out.log_evidence.unsqueeze(1)
    return -(log_posterior * log_posterior.exp()).sum(1)


def energy(out: DenseOutput) -> Tensor:
    """Free energy, −logsumexp_k f_k; on DenseHybrid's network, its generative ablation −ln p̂(x)."""
    return -out.log_evidence

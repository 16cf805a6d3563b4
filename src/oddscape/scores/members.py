"""Scores of several members, an ensemble's networks or the passes of MC dropout: how far they disagree.

Members' logits are upsampled first; each then has its softmax at full size, and these are averaged.
"""

from __future__ import annotations

import math

from torch import Tensor

from oddscape.outputs import DenseOutput


def predictive_entropy(out: DenseOutput) -> Tensor:
    """Entropy of the mean posterior of the members in nats, −Σ_k p̄_k ln p̄_k, in [0, ln K].

    High where each member is in doubt, and where members disagree.
    """
    log_mean = _log_mean(_log_posteriors(out))
    return -(log_mean * log_mean.exp()).sum(1)


def mutual_information(out: DenseOutput) -> Tensor:
    """Mutual information of class and member in nats, H(p̄) − mean_m H(p_m), in [0, min(ln K, ln M)].

    High only where members disagree: doubt that they share, as at the border of two classes, does not count.
    It equals the members' mean Kullback–Leibler divergence from their mean.
    """
    log_posteriors = _log_posteriors(out)
    # The divergence loses nothing where members nearly agree; of the difference of entropies noise is left.
    divergence = log_posteriors.exp() * (log_posteriors - _log_mean(log_posteriors))
    return divergence.sum(2).mean(0).clamp_min(0)


def _log_posteriors(out: DenseOutput) -> Tensor:
    """Every member's log posterior at full size, float32 [M, N, K, H, W]."""
    logits = out.member_logits
    assert logits is not None, "Score.__call__ checks what a score needs"
    return logits.log_softmax(2)


def _log_mean(log_posteriors: Tensor) -> Tensor:
    return log_posteriors.logsumexp(0) - math.log(len(log_posteriors))

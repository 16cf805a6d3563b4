"""Scores of networks that were taught what an outlier looks like: an outlier head or a void class."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from oddscape.outputs import DenseOutput


def dataset_posterior(out: DenseOutput) -> Tensor:
    """Logarithm of the dataset posterior of "outlier", ln P(d_out | x), at most 0."""
    # A log-sigmoid of the difference: the logarithm of a softmax would underflow to −inf.
    logits = out.outlier_logits
    assert logits is not None, "Score.__call__ checks what a score needs"
    known, outlier = logits.unbind(1)
    return F.logsigmoid(outlier - known)


def densehybrid(out: DenseOutput) -> Tensor:
    """DenseHybrid's score, ln P(d_out | x) − ln p̂(x), unbounded."""
    return dataset_posterior(out) - out.log_evidence


def void(out: DenseOutput) -> Tensor:
    """Log posterior of the void class among K + 1, at most 0."""
    logits = out.void_logits
    assert logits is not None, "Score.__call__ checks what a score needs"
    return F.logsigmoid(logits.squeeze(1) - out.log_evidence)

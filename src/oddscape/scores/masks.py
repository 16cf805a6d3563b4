"""Scores of mask-classification networks, from their Q masks m and the classes of each.

Masks are brought to picture size as logits; the sigmoid comes after, as in the networks' own inference. The
"no object" class, the last of ``class_logits``, takes part in the softmax and in nothing else.
"""

from __future__ import annotations

import torch
from torch import Tensor

from oddscape.outputs import DenseOutput


def rba(out: DenseOutput) -> Tensor:
    """Rejected by all: −Σ_k tanh S_k with S_k = Σ_q p_qk σ(m_q), in [−K, 0]."""
    masks, posteriors = _masks(out)
    votes = torch.matmul(posteriors.transpose(1, 2), masks.flatten(2))
    return -votes.tanh().sum(1).view_as(masks[:, 0])


def eam(out: DenseOutput) -> Tensor:
    """Ensemble over the anomaly scores of masks: −Σ_q σ(m_q) max_k p_qk, in [−Q, 0]."""
    masks, posteriors = _masks(out)
    certainty = posteriors.amax(2).unsqueeze(1)
    return -torch.matmul(certainty, masks.flatten(2)).view_as(masks[:, 0])


def _masks(out: DenseOutput) -> tuple[Tensor, Tensor]:
    """σ(m), float32 [N, Q, H, W], and the posteriors of the known classes of each mask, [N, Q, K]."""
    masks, classes = out.mask_logits, out.native.class_logits
    assert masks is not None, "Score.__call__ checks what a score needs"
    assert classes is not None, "Score.__call__ checks what a score needs"
    return masks.sigmoid(), classes.float().softmax(2)[..., :-1]

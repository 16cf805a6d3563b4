"""Whether a loss reaches all that is trained, which parallel training has to know before it begins."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from oddscape.training.losses import Batch, Loss, sums_of


def reaches_all(net: nn.Module, terms: Loss) -> bool:
    """Whether every parameter that is trained has a gradient of the loss for two grey pictures of 64×64.

    Gradients and buffers, such as the statistics of batch norms, are afterwards as they were.

    Args:
        net: maps pictures [N, 3, H, W] in [0, 1] to a ``DenseOutput``; as it is to be trained.
        terms: the loss.
    """
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    trained = [weight for weight in net.parameters() if weight.requires_grad]
    batch = _grey(trained[0].device)
    out = net(batch.image)
    loss = sums_of(terms, out, replace(batch, before=out.logits.detach())).sum()
    gradients = torch.autograd.grad(loss, trained, allow_unused=True)
    for name, buffer in net.named_buffers():
        buffer.copy_(before[name])
    return all(gradient is not None for gradient in gradients)


def _grey(device: torch.device) -> Batch:
    nowhere = torch.zeros(2, 64, 64, dtype=torch.bool, device=device)
    return Batch(torch.full((2, 3, 64, 64), 0.5, device=device), nowhere.long(), nowhere, nowhere)

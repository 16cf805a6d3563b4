"""Asking a network what it gives."""

from __future__ import annotations

import torch
from torch import nn

from oddscape.errors import OddscapeError
from oddscape.outputs import DenseOutput


def probe(net: nn.Module) -> DenseOutput:
    """What a network says about one grey picture of 64×64: which maps it gives, of what shapes.

    Every module's mode is as it was afterwards: a wrapper in training mode may hold a network that is not.

    Raises:
        OddscapeError: it gives no ``DenseOutput``.
    """
    answer = answer_to_grey(net)
    if not isinstance(answer, DenseOutput):
        raise OddscapeError(
            f"{type(net).__name__} gives {type(answer).__name__}; expected a DenseOutput (odd.wrap)"
        )
    return answer


@torch.inference_mode()
def answer_to_grey(net: nn.Module) -> object:
    """Whatever a network returns for one grey picture of 64×64, in evaluation mode."""
    training = [module for module in net.modules() if module.training]
    like = next(net.parameters())
    answer: object = net.eval()(torch.full((1, 3, 64, 64), 0.5, device=like.device, dtype=like.dtype))
    for module in training:
        module.training = True
    return answer

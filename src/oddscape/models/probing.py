"""Asking a network what it gives."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from oddscape.errors import OddscapeError
from oddscape.outputs import DenseOutput


def probe(net: nn.Module) -> DenseOutput:
    """What a network says about one grey picture of 64×64: which maps it gives, of what shapes.

    Every module's mode is as it was afterwards: a wrapper in training mode may hold a network that is not.

    Raises:
        OddscapeError: it gives no ``DenseOutput``, or probabilities where logits belong.
    """
    answer = answer_to_grey(net)
    if not isinstance(answer, DenseOutput):
        raise OddscapeError(
            f"{type(net).__name__} gives {type(answer).__name__}; expected a DenseOutput (odd.wrap)"
        )
    if _are_probabilities(answer.native.logits):
        raise OddscapeError(
            f"{type(net).__name__} gives probabilities, at every pixel at least 0 and of sum 1, where logits "
            f"belong: leave its softmax out, or take their logarithm, as in wrap(net, logits=torch.log)"
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


def _are_probabilities(logits: Tensor) -> bool:
    """Whether the values of all classes, two or more, are at least 0 and of sum 1 everywhere."""
    sums = logits.float().sum(1)
    return logits.shape[1] > 1 and bool((logits >= 0).all() and ((sums - 1).abs() < 1e-2).all())

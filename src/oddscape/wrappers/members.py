"""What several networks, or several passes of one, say about the same pictures, joined into one output."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.sizes import Size
from oddscape.wrappers.windows import resized


def joined(outs: Iterable[DenseOutput]) -> DenseOutput:
    """Join the outputs of M members for the same pictures into one.

    - ``member_logits`` [M, N, K, h, w]: every member's logits; an output that has some gives all of its own.
    - ``logits``: ln of the mean of the members' posteriors, plus the mean of their log evidence
      ``logsumexp_k f_k``. Their softmax is the predictive distribution, and their ``logsumexp`` the members'
      mean log evidence, so that every score of logits keeps its meaning. Of one member: its logits.
    - ``outlier_logits``, where all have them: likewise, over the two classes of the outlier head.
    - ``void_logits``, where all have them: those with which P(void | x) is the mean of the members'.

    Features and maps of mask classification are left out, for neither channels nor queries of two members
    correspond. Maps are float32. They keep the members' resolution where that is the same; otherwise each
    member is brought to picture size first, as it would be by itself.

    Args:
        outs: one or more outputs for the same pictures with the same classes; taken one after the other, so
            that what is left out is never held for two of them.
    """
    said = [_Said(_stacks(out.native), out.size, out.align_corners) for out in outs]
    names = set.intersection(*(set(member.stacks) for member in said))
    stacks = {name: _together(name, said) for name in names}
    pooled = {name: _mean_posterior(stack) for name, stack in stacks.items()}
    if "void_logits" in pooled:
        pooled["void_logits"] = _void_logits(pooled["void_logits"], pooled["logits"])
    native = NativeMaps(**pooled, member_logits=stacks["logits"])
    return DenseOutput(native, said[0].size, said[0].align_corners)


@dataclass(frozen=True, eq=False)
class _Said:
    """What is kept of an output: stacks [M, N, C, h, w] of class logits by name, and how to upsample them."""

    stacks: dict[str, Tensor]
    size: Size
    align_corners: bool


def _stacks(native: NativeMaps) -> dict[str, Tensor]:
    members = native.logits.unsqueeze(0) if native.member_logits is None else native.member_logits
    pairs: dict[str, Tensor] = {}
    if native.outlier_logits is not None:
        pairs["outlier_logits"] = native.outlier_logits
    if native.void_logits is not None:
        known = native.logits.float().logsumexp(1, keepdim=True)
        pairs["void_logits"] = torch.cat((known, native.void_logits), 1)
    # An output of several members gives these once, already their mean: it counts for each of them.
    once_each = {name: pair.float().expand(len(members), *pair.shape) for name, pair in pairs.items()}
    return {"logits": members.float(), **once_each}


def _together(name: str, said: list[_Said]) -> Tensor:
    """The stacks of a name along their first dimension, at a common resolution."""
    stacks = [member.stacks[name] for member in said]
    kinds = [(*stack.shape[-2:], member.align_corners) for stack, member in zip(stacks, said, strict=True)]
    if any(kind != kinds[0] for kind in kinds):
        stacks = [
            resized(stack, member.size, align_corners=member.align_corners)
            for stack, member in zip(stacks, said, strict=True)
        ]
    return torch.cat(stacks)


def _mean_posterior(members: Tensor) -> Tensor:
    """Logits [N, C, h, w] of the mean posterior of M members, with the mean of their log evidence."""
    evidence = members.logsumexp(2, keepdim=True)
    log_mean = (members - evidence).logsumexp(0) - math.log(len(members))
    return log_mean + evidence.mean(0)


def _void_logits(known_or_void: Tensor, logits: Tensor) -> Tensor:
    """From logits of "known" and "void" [N, 2, h, w] the logit of void beside those of the known classes."""
    known, void = known_or_void.unbind(1)
    return (void - known + logits.logsumexp(1)).unsqueeze(1)

"""A bounded sample of vectors that does not depend on the order in which they come, and its centres.

Each vector has a priority, a hash of its values and a seed, and those of the lowest priorities are kept: of
any parts of the data, in any order, the samples merge into the sample of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from oddscape.errors import OddscapeError

# Odd constants of the splitmix64 generator, as signed 64-bit integers.
_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
_MIX = (0xBF58476D1CE4E5B9 - (1 << 64), 0x94D049BB133111EB - (1 << 64))


@dataclass(frozen=True, eq=False)
class Coreset:
    """Distinct vectors, uniformly drawn, in the order of their priorities.

    Args:
        vectors: float32 [m, C] on the CPU.
        priorities: int64 [m], ascending.
        size: the most vectors that are kept.
    """

    vectors: Tensor
    priorities: Tensor
    size: int


def no_coreset(channels: int, size: int) -> Coreset:
    """The sample of no vectors."""
    return coreset_of(torch.empty(0, channels), size)


def coreset_of(vectors: Tensor, size: int, seed: int = 0) -> Coreset:
    """Draw at most ``size`` of the distinct vectors among float32 [n, C]."""
    vectors = vectors.detach() + 0.0  # −0 becomes 0: equal vectors have equal bits
    return _lowest(vectors, _priorities(vectors, seed), size)


def merged_coreset(one: Coreset, other: Coreset) -> Coreset:
    """Draw from both as from the data of both.

    Raises:
        OddscapeError: they are of different channels or sizes.
    """
    kinds = [[part.size, part.vectors.shape[1]] for part in (one, other)]
    if kinds[0] != kinds[1]:
        raise OddscapeError(
            f"samples of {kinds[0]} and {kinds[1]} vectors and channels: they cannot be merged"
        )
    vectors = torch.cat([one.vectors, other.vectors])
    return _lowest(vectors, torch.cat([one.priorities, other.priorities]), one.size)


def greedy_centres(vectors: Tensor, count: int) -> Tensor:
    """Choose vectors that cover all others, each the farthest from those before; the first is the first.

    Greedy k-centre (Gonzalez: Clustering to Minimize the Maximum Intercluster Distance, Theoretical Computer
    Science 1985; as a coreset Sener, Savarese: Active Learning for Convolutional Neural Networks, ICLR 2018):
    the largest distance of a vector to the nearest centre is at most twice what the best choice gives.

    Args:
        vectors: float32 [n, C].
        count: how many to choose; one distance to each vector is computed for each.

    Returns:
        int64 [m], their numbers as they were chosen, each vector at most once; m < ``count`` where fewer are
        distinct.
    """
    nearest = torch.full((len(vectors),), torch.inf)
    chosen: list[int] = []
    while len(chosen) < count and nearest.any():
        chosen.append(int(nearest.argmax()))
        # Not by products, which have no digits left for near neighbours.
        distance = torch.cdist(vectors, vectors[chosen[-1:]], compute_mode="donot_use_mm_for_euclid_dist")
        nearest = torch.minimum(nearest, distance.squeeze(1))
    return torch.tensor(chosen, dtype=torch.int64)


def _lowest(vectors: Tensor, priorities: Tensor, size: int) -> Coreset:
    ordered, order = priorities.sort(stable=True)
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[1:] = ordered[1:] != ordered[:-1]
    kept = order[first][:size]
    return Coreset(vectors[kept].cpu(), priorities[kept].cpu(), size)


def _priorities(vectors: Tensor, seed: int) -> Tensor:
    """A 64-bit hash of each vector's bits; integers overflow as they should."""
    bits = vectors.contiguous().view(torch.int32).long()
    channel = torch.arange(1, vectors.shape[1] + 1, device=vectors.device)
    start = torch.tensor(seed, device=vectors.device) * _GOLDEN
    return _mixed((bits * (_mixed(channel * _GOLDEN) | 1)).sum(1) + start)


def _mixed(x: Tensor) -> Tensor:
    for shift, factor in zip((30, 27), _MIX, strict=True):
        x = (x ^ _shifted(x, shift)) * factor
    return x ^ _shifted(x, 31)


def _shifted(x: Tensor, by: int) -> Tensor:
    """A logical shift to the right: signed integers would bring their sign along."""
    return (x >> by) & ((1 << (64 - by)) - 1)

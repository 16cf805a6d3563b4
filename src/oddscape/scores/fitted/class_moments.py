"""How many pixels each class has, their mean and their scatter: sums that add up over pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from oddscape.errors import OddscapeError
from oddscape.labels import IGNORED
from oddscape.outputs import DenseOutput
from oddscape.scores.fitted.method import expect_network, expect_pixels
from oddscape.scores.fitted.pixels import as_rows, classes_at, features_of, grid_of

Scatter = Literal["class", "shared", "diagonal"]
"""One matrix for each class; one for all classes; or the diagonal alone of that one."""


@dataclass(frozen=True, eq=False)
class ClassMoments:
    """First and second moments of values by class, float64 on the CPU.

    Args:
        count: [K], number of pixels.
        mean: [K, C]; 0 for a class without pixels.
        scatter: Σ (x − μ_class)(x − μ_class)ᵀ, not divided by the count: [K, C, C] for each class, [C, C] for
            all together, or [C], the diagonal of the latter.
        kind: which of the three the scatter is.
    """

    count: Tensor
    mean: Tensor
    scatter: Tensor
    kind: Scatter

    @property
    def channels(self) -> int:
        """Number of channels, C."""
        return self.mean.shape[1]

    @property
    def shared_scatter(self) -> Tensor:
        """The scatter of all classes together, each around its own mean: [C, C], or its diagonal [C]."""
        return self.scatter.sum(0) if self.kind == "class" else self.scatter

    @property
    def total_mean(self) -> Tensor:
        """The mean of all pixels, [C]."""
        return self.count @ self.mean / self.count.sum()


def no_moments(num_classes: int, channels: int, kind: Scatter) -> ClassMoments:
    """The moments of no pixel at all."""
    return moments_of(torch.empty(0, channels), torch.empty(0, dtype=torch.int64), num_classes, kind)


def moments_of(values: Tensor, classes: Tensor, num_classes: int, kind: Scatter) -> ClassMoments:
    """The moments of values [n, C] whose classes are the integers [n], 0 … K−1."""
    x = values.detach().double()
    count = torch.bincount(classes, minlength=num_classes).double()
    sums = x.new_zeros(num_classes, x.shape[1]).index_add_(0, classes, x)
    mean = sums / count.clamp(min=1)[:, None]
    scatter = _scatter(x - mean[classes], classes, num_classes, kind)
    return ClassMoments(count.cpu(), mean.cpu(), scatter.cpu(), kind)


def merged_moments(one: ClassMoments, other: ClassMoments) -> ClassMoments:
    """The moments of the pixels of both (Chan, Golub, LeVeque, 1979): nothing large is ever subtracted.

    Raises:
        OddscapeError: they are of different classes or channels.
    """
    if one.mean.shape != other.mean.shape:
        raise OddscapeError(
            f"statistics of {list(one.mean.shape)} and {list(other.mean.shape)} classes and channels are of "
            f"different networks: they cannot be merged"
        )
    count = one.count + other.count
    share = other.count / count.clamp(min=1)
    apart = other.mean - one.mean
    mean = one.mean + share[:, None] * apart
    # The scatter of the two means around the new one is that of a single point.
    point = apart * (one.count * share).sqrt()[:, None]
    between = _scatter(point, torch.arange(len(count)), len(count), one.kind)
    return ClassMoments(count, mean, one.scatter + other.scatter + between, one.kind)


def no_feature_moments(like: DenseOutput, kind: Scatter) -> ClassMoments:
    """The moments of no feature of networks whose output is like the one given.

    Raises:
        OddscapeError: the network gives no features.
    """
    return no_moments(like.num_classes, features_of(like).shape[1], kind)


def with_features(moments: ClassMoments, out: DenseOutput, labels: Tensor | None) -> ClassMoments:
    """The moments with the features of N pictures, by class; ignored pixels are left out.

    Args:
        moments: of features so far.
        out: the network's output.
        labels: integers [N, H, W] at picture size, train ids, 255 ignored; None: the network's own classes.

    Raises:
        OddscapeError: an output of another kind of network, or labels that do not fit it.
    """
    expect_network(out, len(moments.count), moments.channels)
    features = features_of(out)
    classes = classes_at(out, labels, grid_of(features))
    kept = classes != IGNORED
    new = moments_of(as_rows(features)[kept], classes[kept], out.num_classes, moments.kind)
    return merged_moments(moments, new)


def pixels_of(moments: ClassMoments) -> Tensor:
    """How many pixels the moments are of, float64 [].

    Raises:
        OddscapeError: none.
    """
    pixels = moments.count.sum()
    expect_pixels(pixels.item())
    return pixels


def _scatter(centred: Tensor, classes: Tensor, num_classes: int, kind: Scatter) -> Tensor:
    if kind == "diagonal":
        return centred.square().sum(0)
    if kind == "shared":
        return centred.T @ centred
    scatter = centred.new_zeros(num_classes, centred.shape[1], centred.shape[1])
    for k in torch.unique(classes).tolist():
        own = centred[classes == k]
        scatter[k] = own.T @ own
    return scatter

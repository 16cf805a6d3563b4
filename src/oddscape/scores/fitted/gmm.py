"""A density of features: a Gaussian mixture with a component for each class."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from oddscape.outputs import DenseOutput
from oddscape.scores.fitted.class_moments import (
    ClassMoments,
    merged_moments,
    no_feature_moments,
    pixels_of,
    with_features,
)
from oddscape.scores.fitted.covariance import SHRINKAGE, SHRINKAGE_PARAMETER, shrunk, whitening
from oddscape.scores.fitted.method import FittedMethod, expect_network
from oddscape.scores.fitted.pixels import features_of
from oddscape.scores.parameters import Parameter


@dataclass(frozen=True, eq=False)
class MixtureDensity:
    """Negative logarithm of a Gaussian mixture's density in nats, brought to full size bilinearly.

    Args:
        num_classes: K of the network.
        means: float32 [M, C], μ of the M classes that have one.
        whitenings: W, float32 [M, C, C]: Σ_k⁻¹ = W_kᵀ W_k.
        log_weights: float32 [M], ln π_k + ln det W_k − C/2 ln 2π.
    """

    num_classes: int
    means: Tensor
    whitenings: Tensor
    log_weights: Tensor

    def __call__(self, out: DenseOutput) -> Tensor:
        """Score every pixel, float32 [N, H, W]."""
        expect_network(out, self.num_classes, self.means.shape[1])
        features = features_of(out)
        rows = features.flatten(2)
        parts = zip(
            *(x.to(rows.device) for x in (self.means, self.whitenings, self.log_weights)), strict=True
        )
        # Class by class: M times the features would not fit beside a large network.
        log_joint = [
            weight - (whiten @ (rows - mean[:, None])).square().sum(1) / 2 for mean, whiten, weight in parts
        ]
        density = torch.stack(log_joint, 1).logsumexp(1)
        return out.full_size(-density.view(features.shape[0], 1, *features.shape[-2:])).squeeze(1)


class MixtureStatistics:
    """Mean, covariance and share of each class's features.

    Memory grows as K·C²: 40 MB for 19 classes and 512 channels.

    Args:
        like: an output of the network.
        prior: so many pixels that vary as all classes together do are added to each class (Friedman:
            Regularized Discriminant Analysis, JASA 1989), for a class of fewer pixels than channels has no
            covariance of its own; None: as many as there are channels.
        shrinkage: share in [0, 1] of the mean variance that takes each covariance's place.

    Raises:
        OddscapeError: the network gives no features.
    """

    def __init__(
        self, like: DenseOutput, *, prior: float | None = None, shrinkage: float = SHRINKAGE
    ) -> None:
        self.moments = no_feature_moments(like, "class")
        self.prior = self.moments.channels if prior is None else prior
        self.shrinkage = shrinkage

    def update(self, out: DenseOutput, labels: Tensor | None = None) -> None:
        """Add N pictures; see :class:`~oddscape.scores.fitted.method.Statistics`."""
        self.moments = with_features(self.moments, out, labels)

    def merge(self, other: MixtureStatistics) -> None:
        """Add another process's statistics."""
        self.moments = merged_moments(self.moments, other.moments)

    def fit(self) -> MixtureDensity:
        """The score; a class without pixels is no component.

        Raises:
            OddscapeError: no pixel was added.
        """
        moments, pixels = self.moments, pixels_of(self.moments)
        seen = moments.count > 0
        return mixture(
            len(seen), moments.count[seen] / pixels, moments.mean[seen], self._covariances(moments)[seen]
        )

    def _covariances(self, moments: ClassMoments) -> Tensor:
        shared = moments.shared_scatter / moments.count.sum()
        scatter = moments.scatter + self.prior * shared
        count = (moments.count + self.prior).clamp(min=1)[:, None, None]
        return torch.stack([shrunk(covariance, self.shrinkage) for covariance in scatter / count])


def mixture(num_classes: int, weights: Tensor, means: Tensor, covariances: Tensor) -> MixtureDensity:
    """The density of a mixture from weights [M], means [M, C] and covariances [M, C, C], all float64."""
    whitenings = torch.stack([whitening(covariance) for covariance in covariances])
    log_det = whitenings.diagonal(dim1=1, dim2=2).log().sum(1)
    log_weights = weights.log() + log_det - means.shape[1] / 2 * math.log(2 * math.pi)
    return MixtureDensity(num_classes, means.float(), whitenings.float(), log_weights.float())


METHOD = FittedMethod(
    "gmm",
    MixtureStatistics,
    MixtureDensity,
    "−ln Σ_k π_k N(x; μ_k, Σ_k)",
    "Mukhoti, Kirsch, van Amersfoort, Torr, Gal: Deep Deterministic Uncertainty: A New Simple Baseline, "
    "CVPR 2023",
    "Classes that vary each in their own way, with enough pixels of each to tell how.",
    "Many channels and few pictures; rare classes, which are improbable although known.",
    needs=("features",),
    parameters=(
        Parameter(
            "prior", "pixels of the shared covariance added to each class; as many as channels by default"
        ),
        SHRINKAGE_PARAMETER,
    ),
)

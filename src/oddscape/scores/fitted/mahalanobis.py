"""Mahalanobis distance of features to the nearest class mean."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from torch import Tensor

from oddscape.outputs import DenseOutput
from oddscape.scores.fitted.class_moments import (
    merged_moments,
    no_feature_moments,
    pixels_of,
    with_features,
)
from oddscape.scores.fitted.covariance import SHRINKAGE, SHRINKAGE_PARAMETER, shrunk, whitening
from oddscape.scores.fitted.method import FittedMethod, expect_network
from oddscape.scores.fitted.pixels import features_of


@dataclass(frozen=True, eq=False)
class MahalanobisDistance:
    """Squared Mahalanobis distance to the nearest class mean, at least 0, brought to full size bilinearly.

    Args:
        num_classes: K of the network.
        centre: float32 [C], subtracted from features first, so that float32 keeps its digits.
        whitening: W, float32 [C, C]: Σ⁻¹ = Wᵀ W.
        means: float32 [M, C], W (μ_k − centre) of the M classes that have a mean.
    """

    num_classes: int
    centre: Tensor
    whitening: Tensor
    means: Tensor

    def __call__(self, out: DenseOutput) -> Tensor:
        """Score every pixel, float32 [N, H, W]."""
        expect_network(out, self.num_classes, len(self.centre))
        features = features_of(out)
        centre, whiten, means = (x.to(features.device) for x in (self.centre, self.whitening, self.means))
        white = whiten @ (features.flatten(2) - centre[:, None])
        to_each = means.square().sum(1)[:, None] - 2 * (means @ white)
        nearest = (to_each.amin(1) + white.square().sum(1)).clamp(min=0)
        return out.full_size(nearest.view(features.shape[0], 1, *features.shape[-2:])).squeeze(1)


class MahalanobisStatistics:
    """Class means of features and the covariance that all classes share.

    Args:
        like: an output of the network.
        diagonal: whether channels are taken as independent: C variances in place of a C×C covariance.
        shrinkage: share in [0, 1] of the mean variance that takes the covariance's place; what makes it
            invertible where channels depend on each other or pixels are fewer than channels.

    Raises:
        OddscapeError: the network gives no features.
    """

    def __init__(self, like: DenseOutput, *, diagonal: bool = False, shrinkage: float = SHRINKAGE) -> None:
        self.moments = no_feature_moments(like, "diagonal" if diagonal else "shared")
        self.shrinkage = shrinkage

    def update(self, out: DenseOutput, labels: Tensor | None = None) -> None:
        """Add N pictures; see :class:`~oddscape.scores.fitted.method.Statistics`."""
        self.moments = with_features(self.moments, out, labels)

    def merge(self, other: MahalanobisStatistics) -> None:
        """Add another process's statistics."""
        self.moments = merged_moments(self.moments, other.moments)

    def fit(self) -> MahalanobisDistance:
        """The score; a class without pixels has no mean to be near to.

        Raises:
            OddscapeError: no pixel was added.
        """
        moments = self.moments
        covariance = moments.scatter / pixels_of(moments)
        if moments.kind == "diagonal":
            covariance = covariance.diag()
        whiten = whitening(shrunk(covariance, self.shrinkage))
        centre = moments.total_mean
        means = (moments.mean[moments.count > 0] - centre) @ whiten.T
        return MahalanobisDistance(len(moments.count), centre.float(), whiten.float(), means.float())


METHOD = FittedMethod(
    "mahalanobis",
    MahalanobisStatistics,
    MahalanobisDistance,
    "min_k (x − μ_k)ᵀ Σ⁻¹ (x − μ_k)",
    "Lee, Lee, Lee, Shin: A Simple Unified Framework for Detecting Out-of-Distribution Samples and "
    "Adversarial Attacks, NeurIPS 2018",
    "Features that gather around one place for each class, all in the same shape.",
    "Boundaries between classes, whose features mix; classes of several kinds of things.",
    needs=("features",),
    parameters=(SHRINKAGE_PARAMETER,),
)

DIAGONAL = replace(
    METHOD,
    name="mahalanobis_diagonal",
    function=partial(MahalanobisStatistics, diagonal=True),
    formula="min_k Σ_c (x_c − μ_kc)² / σ_c², c the channels",
    works="As mahalanobis, where pixels are too few or channels too many to tell how channels vary together.",
    fails="Channels that vary together: each of them counts in full.",
)

"""ViM: what of the features lies outside the known data's principal subspace, as a logit of its own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from oddscape.errors import OddscapeError
from oddscape.outputs import DenseOutput
from oddscape.scores.fitted.class_moments import ClassMoments, merged_moments, moments_of, no_moments
from oddscape.scores.fitted.coreset import coreset_of, merged_coreset, no_coreset
from oddscape.scores.fitted.method import FittedMethod, expect_network, expect_pixels
from oddscape.scores.fitted.pixels import as_rows, features_of, grid_of, kept_at, logits_at
from oddscape.scores.parameters import Parameter

_AFFINE = 0.95
"""Share of the logits' variance from which on they count as an affine function of the features."""


@dataclass(frozen=True, eq=False)
class VirtualLogit:
    """The virtual logit less the free energy of the others; ranks as the virtual class's posterior does.

    Args:
        num_classes: K of the network.
        alpha: α, which brings the residual's length to the size of logits.
        origin: o, float32 [C].
        residual: float32 [C, R], an orthonormal base of what the principal subspace leaves.
    """

    num_classes: int
    alpha: float
    origin: Tensor
    residual: Tensor

    def __call__(self, out: DenseOutput) -> Tensor:
        """Score every pixel, float32 [N, H, W]; the residual's length is brought to full size bilinearly."""
        expect_network(out, self.num_classes, len(self.origin))
        features = features_of(out)
        origin, residual = self.origin.to(features.device), self.residual.to(features.device)
        length = (residual.T @ (features.flatten(2) - origin[:, None])).norm(dim=1)
        virtual = self.alpha * length.view(features.shape[0], 1, *features.shape[-2:])
        return out.full_size(virtual).squeeze(1) - out.log_evidence


class VirtualLogitStatistics:
    """Joint moments of features and logits, and a uniform sample of features.

    The classifier's weights W and bias b are not asked of the network but solved for: the logits at the
    features' resolution (finer ones averaged, which is exact for convolutions as wide as their stride) are
    regressed on the features, exactly so where a 1×1 convolution makes them. The origin is o = −W⁺ b as
    published. Where features explain less than 95 % of the logits' variance, as where a ReLU lies between,
    there is no such origin, and the features' mean takes its place.

    Labels only say which pixels are ignored.

    Args:
        like: an output of the network.
        dimensions: of the principal subspace; None: as published, 1000 from 2048 channels on, 512 from 768
            on, else half the channels.
        size: the most features that are kept for α, the mean largest logit by the mean residual's length.
        seed: another seed draws another sample.

    Raises:
        OddscapeError: the network gives no features, or has no more channels than ``dimensions``.
    """

    def __init__(
        self, like: DenseOutput, *, dimensions: int | None = None, size: int = 4096, seed: int = 0
    ) -> None:
        self.channels = features_of(like).shape[1]
        self.num_classes, self.seed = like.num_classes, seed
        self.dimensions = _published_dimensions(self.channels) if dimensions is None else dimensions
        if not 0 <= self.dimensions < self.channels:
            raise OddscapeError(
                f"a principal subspace of {self.dimensions} dimensions: expected 0 to {self.channels - 1}, "
                f"for features have {self.channels} channels"
            )
        # Of features, logits and, in the last place, the largest logit; all in one class.
        self.moments = no_moments(1, self.channels + like.num_classes + 1, "shared")
        self.coreset = no_coreset(self.channels, size)

    def update(self, out: DenseOutput, labels: Tensor | None = None) -> None:
        """Add N pictures; see :class:`~oddscape.scores.fitted.method.Statistics`."""
        expect_network(out, self.num_classes, self.channels)
        features = features_of(out)
        grid = grid_of(features)
        kept = kept_at(out, labels, grid)
        rows, logits = as_rows(features)[kept], as_rows(logits_at(out, grid))[kept]
        joint = torch.cat([rows, logits, logits.amax(1, keepdim=True)], 1)
        same_class = torch.zeros(len(joint), dtype=torch.int64, device=joint.device)
        self.moments = merged_moments(self.moments, moments_of(joint, same_class, 1, "shared"))
        self.coreset = merged_coreset(self.coreset, coreset_of(rows, self.coreset.size, self.seed))

    def merge(self, other: VirtualLogitStatistics) -> None:
        """Add another process's statistics."""
        self.moments = merged_moments(self.moments, other.moments)
        self.coreset = merged_coreset(self.coreset, other.coreset)

    def fit(self) -> VirtualLogit:
        """The score.

        Raises:
            OddscapeError: no pixel was added.
        """
        expect_pixels(self.moments.count.item())
        origin = _origin(self.moments, self.channels, self.num_classes)
        residual = _residual_base(self.moments, self.channels, self.dimensions, origin)
        lengths = ((self.coreset.vectors.double() - origin) @ residual).norm(dim=1)
        # Known data without any residual say nothing of its size. Logits that are negative on the whole, as
        # log-posteriors are, must not turn the residual around.
        alpha = abs((self.moments.mean[0, -1] / lengths.mean()).item()) if lengths.any() else 1.0
        return VirtualLogit(self.num_classes, alpha, origin.float(), residual.float().contiguous())


def _published_dimensions(channels: int) -> int:
    return 1000 if channels >= 2048 else 512 if channels >= 768 else channels // 2


def _origin(moments: ClassMoments, channels: int, num_classes: int) -> Tensor:
    """Where the classifier's logits vanish, −W⁺ b [C]; the features' mean where they are not affine."""
    x, f = slice(channels), slice(channels, channels + num_classes)
    scatter, mean = moments.scatter, moments.mean[0]
    # Hermitian, for rounding must not decide in which directions the features do not vary.
    weights = scatter[f, x] @ torch.linalg.pinv(scatter[x, x], rtol=1e-10, hermitian=True)
    unexplained = (scatter[f, f] - weights @ scatter[x, f]).trace()
    if unexplained > (1 - _AFFINE) * scatter[f, f].trace():
        return mean[x]
    bias = mean[f] - weights @ mean[x]
    inverse: Tensor = torch.linalg.pinv(weights, rtol=1e-6)
    origin: Tensor = -inverse @ bias
    return origin


def _residual_base(moments: ClassMoments, channels: int, dimensions: int, origin: Tensor) -> Tensor:
    """The directions [C, R] in which the features lie least far from the origin."""
    apart = moments.mean[0, :channels] - origin
    around = moments.scatter[:channels, :channels] + moments.count * torch.outer(apart, apart)
    ascending: Tensor = torch.linalg.eigh(around).eigenvectors
    return ascending[:, : channels - dimensions]


METHOD = FittedMethod(
    "vim",
    VirtualLogitStatistics,
    VirtualLogit,
    "α |P⊥ (x − o)| − logsumexp_k f_k",
    "Wang, Li, Feng, Zhang: ViM: Out-Of-Distribution with Virtual-logit Matching, CVPR 2022",
    "Many channels, of which known data fill few dimensions: says what logits cannot.",
    "Few channels, which known data fill; then it ranks nearly as energy does.",
    needs=("features",),
    reads_evidence=True,
    parameters=(
        Parameter("dimensions", "of the principal subspace; about half the channels by default", whole=True),
        Parameter("size", "the most features that are kept; 4096 by default", whole=True),
    ),
)

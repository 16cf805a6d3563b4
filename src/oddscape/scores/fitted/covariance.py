"""From a covariance, however poor, to a matrix that whitens."""

from __future__ import annotations

import torch
from torch import Tensor

from oddscape.scores.parameters import Parameter

SHRINKAGE = 1e-6
"""Share of the mean variance that takes the covariance's place; it is felt only in directions in which
features deviate a thousandth of what they do on average, or less."""

SHRINKAGE_PARAMETER = Parameter(
    "shrinkage", "share of the mean variance in the covariance; 0.000001 by default"
)


def shrunk(covariance: Tensor, shrinkage: float = SHRINKAGE) -> Tensor:
    """Mix a covariance [C, C] with a multiple of the identity of the same trace; positive definite then.

    Where nothing varies at all, the identity itself: distances become Euclidean.
    """
    identity = torch.eye(len(covariance), dtype=covariance.dtype)
    variance = covariance.diagonal().mean()
    if variance <= torch.finfo(torch.float32).tiny:
        return identity
    return (1 - shrinkage) * covariance + shrinkage * variance * identity


def whitening(covariance: Tensor) -> Tensor:
    """The inverse L⁻¹ [C, C] of the Cholesky factor, Σ = L Lᵀ: |L⁻¹ x|² = xᵀ Σ⁻¹ x."""
    factor = torch.linalg.cholesky(covariance)
    identity = torch.eye(len(factor), dtype=factor.dtype)
    inverse: Tensor = torch.linalg.solve_triangular(factor, identity, upper=False)
    return inverse

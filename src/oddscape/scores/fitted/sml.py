"""Standardized Max Logits: the largest logit, compared with what is usual for its class."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from oddscape.outputs import DenseOutput
from oddscape.scores.fitted.class_moments import (
    ClassMoments,
    merged_moments,
    moments_of,
    no_moments,
    pixels_of,
)
from oddscape.scores.fitted.method import FittedMethod, expect_network
from oddscape.scores.fitted.pixels import as_rows, kept_at


@dataclass(frozen=True, eq=False)
class StandardizedMaxLogit:
    """The largest logit in standard deviations below the mean of its class.

    Args:
        mean: μ, float32 [K].
        deviation: σ, float32 [K], above 0.
    """

    mean: Tensor
    deviation: Tensor

    def __call__(self, out: DenseOutput) -> Tensor:
        """Score every pixel, float32 [N, H, W]; classes that tie share their means and deviations."""
        expect_network(out, len(self.mean))
        logits = out.logits
        peak = logits.amax(1)
        # One product with "is the largest" looks both up, in a sixth of the time of argmax.
        largest = (logits == peak.unsqueeze(1)).float().flatten(2)
        table = torch.stack([self.mean, self.deviation, torch.ones_like(self.mean)]).to(logits.device)
        mean, deviation, ties = (table @ largest).view(peak.shape[0], 3, *out.size).unbind(1)
        return (mean - ties * peak) / deviation


class MaxLogitStatistics:
    """Mean and deviation of the largest logit at full size, by the class that it predicts.

    As published, the class is the network's own; labels only say which pixels are ignored.

    Args:
        like: an output of the network.
    """

    def __init__(self, like: DenseOutput) -> None:
        self.moments = no_moments(like.num_classes, 1, "class")

    def update(self, out: DenseOutput, labels: Tensor | None = None) -> None:
        """Add N pictures; see :class:`~oddscape.scores.fitted.method.Statistics`."""
        expect_network(out, len(self.moments.count))
        values, predicted = as_rows(out.logits).max(1)
        kept = kept_at(out, labels, out.size)
        new = moments_of(values[kept][:, None], predicted[kept], out.num_classes, "class")
        self.moments = merged_moments(self.moments, new)

    def merge(self, other: MaxLogitStatistics) -> None:
        """Add another process's statistics."""
        self.moments = merged_moments(self.moments, other.moments)

    def fit(self) -> StandardizedMaxLogit:
        """The score.

        A class that fewer than two pixels were predicted as, or in which the largest logit never varies,
        takes mean and deviation from the pixels of all classes.

        Raises:
            OddscapeError: no pixel was added.
        """
        mean, deviation = _standard(self.moments)
        return StandardizedMaxLogit(mean.float(), deviation.float())


def _standard(moments: ClassMoments) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each class [K], or of all pixels where a class has none of its own."""
    pixels = pixels_of(moments)
    variance = moments.scatter.flatten() / moments.count.clamp(min=1)
    apart = moments.mean.flatten() - moments.total_mean
    whole = moments.count @ (variance + apart.square()) / pixels
    own = variance > torch.finfo(torch.float32).tiny
    mean = torch.where(own, moments.mean.flatten(), moments.total_mean)
    return mean, torch.where(own, variance, whole if whole > 0 else 1.0).sqrt()


METHOD = FittedMethod(
    "sml",
    MaxLogitStatistics,
    StandardizedMaxLogit,
    "−(max_k f_k − μ_ŷ) / σ_ŷ, ŷ the largest class",
    "Jung, Lee, Gwak, Choi, Choo: Standardized Max Logits: A Simple yet Effective Approach for Identifying "
    "Unexpected Road Obstacles in Urban-Scene Segmentation, ICCV 2021",
    "Classes whose logits lie in different ranges; published with +boundaries+smoothing after it.",
    "Known data of another kind than the pictures, whose logits are lower everywhere; classes hardly seen.",
    per_pixel=True,
)

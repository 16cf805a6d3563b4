"""Distance of features to the k-th nearest of known data."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from oddscape.errors import OddscapeError
from oddscape.outputs import DenseOutput
from oddscape.scores.fitted.coreset import coreset_of, greedy_centres, merged_coreset, no_coreset
from oddscape.scores.fitted.method import FittedMethod, expect_network, expect_pixels
from oddscape.scores.fitted.pixels import as_rows, features_of, grid_of, kept_at
from oddscape.scores.parameters import Parameter

_CHUNK = 256
"""Pixels that are compared with the sample at once: their similarities to 2048 features stay in the cache."""


@dataclass(frozen=True, eq=False)
class NeighbourDistance:
    """Distance to the k-th nearest of a sample of directions, in [0, 2], brought to full size bilinearly.

    Args:
        num_classes: K of the network.
        neighbours: k.
        directions: float32 [m, C], features of known data divided by their lengths, m ≥ k.
    """

    num_classes: int
    neighbours: int
    directions: Tensor

    def __call__(self, out: DenseOutput) -> Tensor:
        """Score every pixel, float32 [N, H, W]."""
        expect_network(out, self.num_classes, self.directions.shape[1])
        features = features_of(out)
        known = self.directions.to(features.device)
        rows = as_rows(F.normalize(features, dim=1))
        distance = torch.cat([self._distance(some, known) for some in torch.split(rows, _CHUNK)])
        return out.full_size(distance.view(len(features), 1, *features.shape[-2:])).squeeze(1)

    def _distance(self, rows: Tensor, known: Tensor) -> Tensor:
        nearest = (rows @ known.T).topk(self.neighbours, sorted=True).indices[:, -1]
        # Not from the similarity: 2 − 2 cos has no digits left where it is small.
        distance: Tensor = torch.linalg.vector_norm(rows - known[nearest], dim=1)
        return distance


class NeighbourStatistics:
    """A uniform sample of distinct features; labels only say which pixels are ignored.

    With ``centres``, a larger sample is reduced in the end to directions that cover it, so that kinds of
    things that are rare in known data keep a neighbour, and scoring takes no longer (Sener, Savarese: Active
    Learning for Convolutional Neural Networks: A Core-Set Approach, ICLR 2018; so do Roth et al.: Towards
    Total Recall in Industrial Anomaly Detection, CVPR 2022). Distances to neighbours grow, for of what is
    frequent no more is kept than of what is rare.

    Args:
        like: an output of the network.
        neighbours: k.
        size: the most features that are sampled.
        centres: the most of their directions that are kept, by greedy k-centre; None: all.
        seed: another seed draws another sample.

    Raises:
        OddscapeError: the network gives no features, or no ``neighbours`` are to be kept.
    """

    def __init__(
        self,
        like: DenseOutput,
        *,
        neighbours: int = 5,
        size: int = 2048,
        centres: int | None = None,
        seed: int = 0,
    ) -> None:
        self.num_classes, self.neighbours, self.seed = like.num_classes, neighbours, seed
        self.centres = size if centres is None else centres
        self.coreset = no_coreset(features_of(like).shape[1], size)
        _expect_neighbours(min(size, self.centres), neighbours)

    def update(self, out: DenseOutput, labels: Tensor | None = None) -> None:
        """Add N pictures; see :class:`~oddscape.scores.fitted.method.Statistics`."""
        expect_network(out, self.num_classes, self.coreset.vectors.shape[1])
        features = features_of(out)
        kept = kept_at(out, labels, grid_of(features))
        new = coreset_of(as_rows(features)[kept], self.coreset.size, self.seed)
        self.coreset = merged_coreset(self.coreset, new)

    def merge(self, other: NeighbourStatistics) -> None:
        """Add another process's statistics."""
        self.coreset = merged_coreset(self.coreset, other.coreset)

    def fit(self) -> NeighbourDistance:
        """The score.

        Raises:
            OddscapeError: fewer features were added than neighbours are asked for.
        """
        expect_pixels(len(self.coreset.vectors))
        directions = F.normalize(self.coreset.vectors, dim=1)
        if self.centres < self.coreset.size:
            directions = directions[greedy_centres(directions, self.centres)]
        _expect_neighbours(len(directions), self.neighbours)
        return NeighbourDistance(self.num_classes, self.neighbours, directions)


def _expect_neighbours(found: int, neighbours: int) -> None:
    if found < neighbours:
        raise OddscapeError(
            f"{found} distinct features are too few for the distance to neighbour {neighbours}"
        )


METHOD = FittedMethod(
    "knn",
    NeighbourStatistics,
    NeighbourDistance,
    "|z − z_(k)|, z = x / |x|, z_(k) the k-th nearest of known data",
    "Sun, Ming, Zhu, Li: Out-of-Distribution Detection with Deep Nearest Neighbors, ICML 2022",
    "Features of any shape: nothing is assumed of how known data spread.",
    "Few channels, where anomalies lie between known data; takes long where features are fine.",
    needs=("features",),
    parameters=(
        Parameter("neighbours", "k; 5 by default", whole=True),
        Parameter("size", "the most features that are sampled; 2048 by default", whole=True),
        Parameter(
            "centres", "the most of these that are kept, by greedy k-centre; all by default", whole=True
        ),
    ),
)

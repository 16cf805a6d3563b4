"""What is kept of a picture: the figures that it may be ranked by, and the regions behind them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from oddscape.regions import Box, Region

if TYPE_CHECKING:
    from oddscape.detector import Prediction

RANKINGS = {"region": "region_score", "pixels": "anomalous_share", "mean": "mean_score"}
"""What pictures may be ranked by: the name on the command line and that of the figure in the tables."""

_KEPT_REGIONS = 8


@dataclass(frozen=True)
class RankedRegion:
    """A region and what it is worth.

    Args:
        region_score: :func:`region_score`, from 0.
        box: the smallest that holds it.
        area: its pixels.
        mean_score: over its pixels.
        max_score: over its pixels.
    """

    region_score: float
    box: Box
    area: int
    mean_score: float
    max_score: float


@dataclass(frozen=True)
class PictureFacts:
    """What was found in a picture.

    Args:
        width: of the picture, in pixels.
        height: of the picture, in pixels.
        anomalous_share: anomalous pixels among all, 0 … 1.
        mean_score: over all pixels.
        regions: how many 8-connected regions there are.
        leading: the up to eight regions of the highest region scores, the highest first.
        class_shares: for each known class the share of pixels that it takes, 0 … 1, anomalous ones included.
        picture_hash: 32 hexadecimal digits, :func:`~oddscape.mining.near_duplicates.picture_hash`.
    """

    width: int
    height: int
    anomalous_share: float
    mean_score: float
    regions: int
    leading: tuple[RankedRegion, ...]
    class_shares: tuple[float, ...]
    picture_hash: str

    @property
    def region_score(self) -> float:
        """The highest region score, 0 without a region."""
        return self.leading[0].region_score if self.leading else 0.0


def region_score(region: Region, threshold: float, width: int, height: int) -> float:
    """Say how strongly and how coherently a region is anomalous.

    The mean excess of its scores over the threshold δ, times the square root of its thickness: its pixels
    per row or column along the longer side of its box, as a share of the geometric mean of the picture's
    sides:

        max(mean − δ, 0) · √(area / max(box width, box height) / √(width · height))

    A seam of a few pixels along the border of two classes is long but thin, and ranks low; an object of the
    same number of pixels ranks high. The unit is that of the score.

    Args:
        region: a region.
        threshold: δ.
        width: of the picture, in pixels.
        height: of the picture, in pixels.
    """
    box = region.box
    thickness = region.area / max(box.right - box.left, box.bottom - box.top)
    return max(region.mean_score - threshold, 0.0) * math.sqrt(thickness / math.sqrt(width * height))


def picture_facts(prediction: Prediction, picture_hash: str) -> PictureFacts:
    """Sum a prediction up.

    Args:
        prediction: what a detector with a threshold says about the picture.
        picture_hash: of :func:`~oddscape.mining.near_duplicates.picture_hash`.

    Raises:
        OddscapeError: the detector has no threshold.
    """
    height, width = prediction.score.shape
    ranked = sorted(_ranked(prediction), key=lambda region: -region.region_score)
    counts = np.bincount(prediction.classes.ravel(), minlength=prediction.label_space.num_classes)
    return PictureFacts(
        width=width,
        height=height,
        anomalous_share=float(prediction.anomaly.mean()),
        mean_score=float(prediction.score.mean(dtype=np.float64)),
        regions=len(ranked),
        leading=tuple(ranked[:_KEPT_REGIONS]),
        class_shares=tuple((counts / counts.sum()).tolist()),
        picture_hash=picture_hash,
    )


def _ranked(prediction: Prediction) -> Iterator[RankedRegion]:
    height, width = prediction.score.shape
    threshold = prediction.threshold or 0.0
    for region in prediction.regions:
        score = region_score(region, threshold, width, height)
        yield RankedRegion(score, region.box, region.area, region.mean_score, region.max_score)

"""cFPR and eFPR: how well a score tells anomalies from what the network merely names wrongly.

Zhou et al., "Rethinking Unsupervised Anomaly Segmentation" (DiCNet), arXiv 2112.09908.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oddscape.errors import OddscapeError
from oddscape.labels import IGNORED
from oddscape.metrics.arrays import FloatArray, Maps, as_scored_maps, scores_of
from oddscape.metrics.fpr_rules import fpr, require_fpr_rule
from oddscape.metrics.operating_points import count_split
from oddscape.metrics.semantic import mean_defined


@dataclass(frozen=True, eq=False)
class MistakesResult:
    """False-positive rates at each picture's own 95 %-recall threshold; fractions in [0, 1].

    Args:
        cfpr: mean over pictures of the rate among the known pixels that are classified correctly.
        efpr: mean over pictures of the rate among those that are classified wrongly (erroneously).
        cfpr_pictures: number of pictures that ``cfpr`` is a mean of; all others are left out.
        efpr_pictures: number of pictures that ``efpr`` is a mean of.
        left_out: number of pictures without a threshold, for want of anomalous or of known pixels.
        each_cfpr: float64 [pictures], NaN where a picture has no threshold or no such pixel.
        each_efpr: float64 [pictures], likewise.
        undefined: why a mean is NaN; None where both are numbers.
    """

    cfpr: float
    efpr: float
    cfpr_pictures: int
    efpr_pictures: int
    left_out: int
    each_cfpr: NDArray[np.float64]
    each_efpr: NDArray[np.float64]
    undefined: str | None


class MistakeMetrics:
    """Accumulates scores with predicted and true classes, and keeps two rates of each picture.

    Args:
        fpr_rule: which definition of the threshold at 95 % recall holds, a name in ``FPR_RULES``; DiCNet's
            is ``nearest``.

    Raises:
        OddscapeError: there is no such rule.
    """

    def __init__(self, fpr_rule: str = "nearest") -> None:
        require_fpr_rule(fpr_rule)
        self.fpr_rule = fpr_rule
        self._pictures: list[_Picture] = []

    def update(
        self,
        score: Maps,
        predicted: Maps,
        labels: Maps,
        anomaly: Maps,
        thresholds: Sequence[float] | None = None,
    ) -> None:
        """Add one picture or a batch of pictures; all maps [H, W] or [N, H, W], numpy or torch.

        Args:
            score: any float type, higher = more anomalous.
            predicted: integers, the most probable known class, 0 … K−1.
            labels: integers, train ids 0 … K−1; 255 without a known class. Such a pixel is neither right nor
                wrong, though one of the known pixels where ``anomaly`` is 0.
            anomaly: integers, 0 known, 1 anomaly, 255 ignored.
            thresholds: each picture's threshold at 95 % recall where it is known already, NaN where there is
                none; otherwise it is found here.

        Raises:
            OddscapeError: shapes or numbers of pictures differ, the anomaly truth has a value it cannot have,
                or a counted score is NaN. Then nothing has been added.
        """
        score, anomaly, predicted, labels = as_scored_maps(
            score, anomaly, "anomaly", predicted=predicted, labels=labels
        )
        if thresholds is None:
            thresholds = [self._threshold(*maps) for maps in zip(score, anomaly, strict=True)]
        if len(thresholds) != len(score):
            raise OddscapeError(f"{len(thresholds)} thresholds for {len(score)} pictures")
        pictures = zip(thresholds, score, predicted, labels, anomaly, strict=True)
        self._pictures += [_picture(*maps) for maps in pictures]

    def merge(self, other: MistakeMetrics) -> None:
        """Add the pictures of another accumulator after one's own.

        Raises:
            OddscapeError: the two have different FPR rules.
        """
        if other.fpr_rule != self.fpr_rule:
            raise OddscapeError(f"cannot merge FPR rule {other.fpr_rule!r} into {self.fpr_rule!r}")
        self._pictures += other._pictures

    def compute(self) -> MistakesResult:
        """Give the figures of everything added so far; undefined ones are NaN and say why."""
        each = np.array(self._pictures, np.float64).reshape(-1, len(_Picture._fields))
        cfpr_pictures, efpr_pictures, with_threshold = np.count_nonzero(~np.isnan(each), axis=0).tolist()
        kinds = {"correctly": cfpr_pictures, "wrongly": efpr_pictures}
        missing = " or ".join(kind for kind, pictures in kinds.items() if not pictures)
        return MistakesResult(
            cfpr=mean_defined(each[:, 0]),
            efpr=mean_defined(each[:, 1]),
            cfpr_pictures=cfpr_pictures,
            efpr_pictures=efpr_pictures,
            left_out=len(each) - with_threshold,
            each_cfpr=each[:, 0],
            each_efpr=each[:, 1],
            undefined=f"no picture with a threshold holds {missing} classified pixels" if missing else None,
        )

    def _threshold(self, score: FloatArray, anomaly: NDArray[Any]) -> float:
        points = count_split(scores_of(1, score, anomaly), [scores_of(0, score, anomaly)])
        return fpr(points, self.fpr_rule)[1]


class _Picture(NamedTuple):
    cfpr: float
    efpr: float
    threshold: float


def _picture(
    threshold: float,
    score: FloatArray,
    predicted: NDArray[Any],
    labels: NDArray[Any],
    anomaly: NDArray[Any],
) -> _Picture:
    named = (anomaly == 0) & (labels != IGNORED)
    # As float64 on both sides: a Python float would be rounded to float32.
    called = scores_of(1, score, named) >= np.float64(threshold)
    correct = (predicted == labels)[named]
    if np.isnan(threshold):
        return _Picture(np.nan, np.nan, threshold)
    return _Picture(_share(called[correct]), _share(called[~correct]), threshold)


def _share(called: NDArray[np.bool_]) -> float:
    return float(called.mean()) if called.size else float("nan")

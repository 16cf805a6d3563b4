"""Open-mIoU by folds: each fold is judged at a threshold that the other folds set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from oddscape.errors import OddscapeError
from oddscape.labels import IGNORED
from oddscape.metrics.arrays import (
    FloatArray,
    Floats,
    Maps,
    as_equal_maps,
    as_scored_maps,
    scores_of,
    widened,
)
from oddscape.metrics.bootstrap import bootstrap_sums
from oddscape.metrics.calibration import DEFAULT_BINS, CalibrationResult, calibration_result
from oddscape.metrics.fpr_rules import fpr, require_fpr_rule
from oddscape.metrics.open_set.decision import Decision, GroupedScores, decide, group_scores
from oddscape.metrics.operating_points import count_split
from oddscape.metrics.ratios import ratio
from oddscape.metrics.semantic import (
    ConfusionMatrix,
    SegmentationResult,
    intersection_over_union,
    mean_defined,
    means_defined,
    require_classes,
)
from oddscape.metrics.sorting import sort_blocks


@dataclass(frozen=True, eq=False)
class FoldResult:
    """Open-set figures of one fold; fractions in [0, 1].

    Args:
        threshold: δ, from the other folds; a pixel is called anomalous where its score > δ.
        open_miou: mean IoU over the known classes with a non-empty union.
        anomaly_iou: IoU of the anomaly.
        class_iou: float64 [K + 1], IoU of each known class and, last, of the anomaly.
        matrix: int64 [K + 1, K + 1], pixels by truth (row) and prediction (column); index K is the anomaly.
        pictures: number of pictures in the fold.
        undefined: why a figure is NaN; None where none is.
    """

    threshold: float
    open_miou: float
    anomaly_iou: float
    class_iou: NDArray[np.float64]
    matrix: NDArray[np.int64]
    pictures: int
    undefined: str | None


@dataclass(frozen=True, eq=False)
class OpenSetResult:
    """Open-set figures of a data set, and what they cost the known classes; fractions in [0, 1].

    Args:
        open_miou: mean of the folds' open-mIoU weighted by their numbers of pictures.
        anomaly_iou: mean of the folds' anomaly IoU, weighted likewise.
        closed: closed-set figures of all pictures together, anomalous and ignored pixels left out.
        calibration: calibration of the open-set decision, over the pixels that it accepts as known: of those
            named with confidence c, which share is named rightly. An accepted anomaly is always wrong. None
            unless every picture came with its confidence.
        folds: the figures of each fold by its name, in order of first appearance.
        each_fold: the fold of every picture, in the order of their update.
        each_matrix: int64 [pictures, K + 1, K + 1], as ``FoldResult.matrix``, of every picture at its fold's
            threshold; zeros where there is none.
        each_closed_matrix: int64 [pictures, K, K], of the closed set, of every picture.
        undefined: why a figure is NaN; None where none is.
    """

    open_miou: float
    anomaly_iou: float
    closed: SegmentationResult
    calibration: CalibrationResult | None
    folds: Mapping[str, FoldResult]
    each_fold: tuple[str, ...]
    each_matrix: NDArray[np.int64]
    each_closed_matrix: NDArray[np.int64]
    undefined: str | None

    @property
    def closed_miou(self) -> float:
        """Mean IoU of the known classes when nothing is called anomalous."""
        return self.closed.miou

    @property
    def gap(self) -> float:
        """Closed mIoU − open-mIoU: the price of the open set."""
        return self.closed_miou - self.open_miou


class OpenSetMetrics:
    """Accumulates scores with predicted and true classes; thresholds come from the other folds.

    No threshold is known before the last picture, so what it may change is kept: the full-size scores,
    grouped by true and predicted class so that the classes themselves need no room (4 bytes a counted
    pixel), and the shrunk scores that set the thresholds (1 byte a pixel at a shrink of 0.5). A confidence
    takes 2 bytes a counted pixel more. Nothing needs a second pass of the network.

    Args:
        num_classes: number of known classes, K, at most 254.
        tpr: δ is the ROC threshold at this recall.
        shrink: scale of the scores and the truth that set δ: scores bilinearly without antialias, truth by
            the nearest pixel with floor index, both as ``torch.nn.functional.interpolate`` does.
        fpr_rule: which point of the ROC curve has that recall, a name in ``FPR_RULES``.

    Raises:
        OddscapeError: there is no such rule.
    """

    def __init__(
        self, num_classes: int, tpr: float = 0.95, shrink: float = 0.5, fpr_rule: str = "first_above"
    ) -> None:
        require_fpr_rule(fpr_rule)
        self.num_classes, self.tpr, self.shrink, self.fpr_rule = num_classes, tpr, shrink, fpr_rule
        self._pictures: list[_Picture] = []

    def update(
        self,
        score: Maps,
        predicted: Maps,
        labels: Maps,
        anomaly: Maps,
        fold: str,
        confidence: Maps | None = None,
    ) -> None:
        """Add one picture or a batch of pictures of one fold; all maps [H, W] or [N, H, W], numpy or torch.

        Args:
            score: any float type, higher = more anomalous.
            predicted: integers, the most probable known class, 0 … K−1.
            labels: integers, train ids 0 … K−1; 255 without a known class.
            anomaly: integers, 0 known, 1 anomaly, 255 ignored.
            fold: name of the fold.
            confidence: any float type, in [0, 1], the closed-set posterior of the predicted class. It is kept
                to within 1/131070.

        Raises:
            OddscapeError: shapes differ, a class or the anomaly truth has a value it cannot have, a score is
                NaN, or a counted confidence lies outside [0, 1]. Then nothing has been added.
        """
        score, anomaly, predicted, labels = as_scored_maps(
            score, anomaly, "anomaly", predicted=predicted, labels=labels
        )
        if np.isnan(score).any():
            raise OddscapeError(f"score is NaN at {np.count_nonzero(np.isnan(score))} pixels")
        known = np.where(anomaly == 0, labels, IGNORED)
        truth = np.where(anomaly == 1, self.num_classes, known)
        require_classes(known[known != IGNORED], "labels", self.num_classes)
        require_classes(predicted[truth != IGNORED], "predicted", self.num_classes)
        confidences: list[NDArray[Any] | None] = [None] * len(score)
        if confidence is not None:
            confidences = [*as_equal_maps(score=score, confidence=confidence)[1]]
        maps = zip(score, predicted, truth, anomaly, confidences, strict=True)
        self._pictures += [self._picture(fold, *picture) for picture in maps]

    def merge(self, other: OpenSetMetrics) -> None:
        """Add the pictures of another accumulator after one's own.

        Raises:
            OddscapeError: the two differ in number of classes, recall, shrink or FPR rule.
        """
        mine, others = ((m.num_classes, m.tpr, m.shrink, m.fpr_rule) for m in (self, other))
        if mine != others:
            raise OddscapeError(f"cannot merge (classes, tpr, shrink, FPR rule) {others} into {mine}")
        self._pictures += other._pictures

    def compute(self) -> OpenSetResult:
        """Give the figures of everything added so far; undefined ones are NaN and say why."""
        each_fold = tuple(picture.fold for picture in self._pictures)
        thresholds = {name: self._threshold(name) for name in dict.fromkeys(each_fold)}
        decisions = [decide(picture.scores, thresholds[picture.fold][0]) for picture in self._pictures]
        each_matrix = _stacked([decision.matrix for decision in decisions], self.num_classes + 1)
        each_closed = _stacked([p.scores.closed_matrix for p in self._pictures], self.num_classes)
        closed = ConfusionMatrix(self.num_classes)
        closed.matrix += each_closed.sum(axis=0)
        folds = {
            name: _fold_result(each_matrix[[fold == name for fold in each_fold]], *threshold)
            for name, threshold in thresholds.items()
        }
        reasons = [f"fold {name!r}: {fold.undefined}" for name, fold in folds.items() if fold.undefined]
        return OpenSetResult(
            open_miou=_weighted([(fold.open_miou, fold.pictures) for fold in folds.values()]),
            anomaly_iou=_weighted([(fold.anomaly_iou, fold.pictures) for fold in folds.values()]),
            closed=closed.compute(),
            calibration=_calibration(decisions, [reason for _, reason in thresholds.values() if reason]),
            folds=folds,
            each_fold=each_fold,
            each_matrix=each_matrix,
            each_closed_matrix=each_closed,
            undefined=next(iter(reasons), None) if folds else "no picture",
        )

    def _picture(
        self,
        fold: str,
        score: FloatArray,
        predicted: NDArray[Any],
        truth: NDArray[Any],
        anomaly: NDArray[Any],
        confidence: NDArray[Any] | None,
    ) -> _Picture:
        shrunk = _shrunk(score, anomaly, self.shrink)
        grouped_scores = group_scores(score, predicted, truth, confidence, self.num_classes)
        return _Picture(fold, grouped_scores, scores_of(1, *shrunk), sort_blocks(scores_of(0, *shrunk)))

    def _threshold(self, fold: str) -> tuple[float, str | None]:
        """δ of one fold from all others together, or NaN and why there is none."""
        others = [picture for picture in self._pictures if picture.fold != fold]
        if not others:
            return float("nan"), "there is no other fold to take a threshold from"
        anomalous = np.concatenate([picture.anomalous for picture in others])
        known = (block for picture in others for block in picture.known)
        points = count_split(anomalous, known, presorted=True)
        undefined = points.undefined and f"no threshold from the other folds: {points.undefined}"
        return fpr(points, self.fpr_rule, self.tpr)[1], undefined


def bootstrap_open_set(result: OpenSetResult, weights: Floats) -> dict[str, Floats]:
    """Replicate the open-set figures at fixed thresholds.

    A fold counts by how many of its pictures are drawn, and not at all where none is.

    Args:
        result: of P pictures.
        weights: float64 [replicates, P], from ``resample``.

    Returns:
        ``open_miou``, ``anomaly_iou``, ``closed_miou`` and ``gap``, each float64 [replicates]; NaN where the
        pictures drawn leave a figure undefined.
    """
    sums = {"open_miou": np.zeros(len(weights)), "anomaly_iou": np.zeros(len(weights))}
    for name in result.folds:
        own = np.array([fold == name for fold in result.each_fold])
        drawn, matrices = weights[:, own], result.each_matrix[own]
        for figure, statistic in _OPEN_FIGURES.items():
            values = bootstrap_sums(matrices, drawn, statistic)
            sums[figure] += np.where(drawn.any(axis=1), drawn.sum(axis=1) * values, 0)
    figures = {figure: ratio(total, weights.sum(axis=1)) for figure, total in sums.items()}
    closed = bootstrap_sums(result.each_closed_matrix, weights, _mean_iou)
    return figures | {"closed_miou": closed, "gap": closed - figures["open_miou"]}


@dataclass(frozen=True, eq=False)
class _Picture:
    """What is kept of a picture: full-size scores and shrunk ones, the known in sorted blocks."""

    fold: str
    scores: GroupedScores
    anomalous: FloatArray
    known: list[FloatArray]


def _fold_result(matrices: NDArray[np.int64], threshold: float, undefined: str | None) -> FoldResult:
    """The figures of a fold from the confusion matrices [pictures, K + 1, K + 1] of its pictures."""
    matrix = matrices.sum(axis=0)
    class_iou = intersection_over_union(matrix)
    if undefined is None and np.isnan(class_iou[-1]):
        undefined = "no anomaly, neither true nor predicted"
    return FoldResult(
        threshold=threshold,
        open_miou=mean_defined(class_iou[:-1]),
        anomaly_iou=float(class_iou[-1]),
        class_iou=class_iou,
        matrix=matrix,
        pictures=len(matrices),
        undefined=undefined,
    )


def _calibration(decisions: Sequence[Decision], reasons: Sequence[str]) -> CalibrationResult | None:
    """Calibration of what was accepted; NaN where a fold has no threshold, None without confidence."""
    counts = [decision.calibration for decision in decisions if decision.calibration is not None]
    if not counts or len(counts) < len(decisions):
        return None
    if reasons:
        return replace(calibration_result([], DEFAULT_BINS), undefined=reasons[0])
    return calibration_result(counts, DEFAULT_BINS)


def _mean_iou(matrices: Floats) -> Floats:
    return means_defined(intersection_over_union(matrices))


_OPEN_FIGURES = {
    "open_miou": lambda matrices: means_defined(intersection_over_union(matrices)[:, :-1]),
    "anomaly_iou": lambda matrices: intersection_over_union(matrices)[:, -1],
}


def _stacked(matrices: Sequence[NDArray[np.int64]], size: int) -> NDArray[np.int64]:
    """Stack matrices of one size, or none: int64 [pictures, size, size]."""
    return np.array(matrices, np.int64).reshape(-1, size, size)


def _shrunk(score: FloatArray, truth: NDArray[Any], scale: float) -> tuple[FloatArray, NDArray[Any]]:
    """Shrink one score map [H, W] bilinearly and its truth to the nearest pixel."""
    if scale == 1:  # an infinite score would become NaN beside the weight 0
        return score, truth
    # PyTorch takes no read-only and no reversed array, but copies of both.
    maps = torch.from_numpy(widened(score).copy())[None, None]
    small = F.interpolate(maps, scale_factor=scale, mode="bilinear", align_corners=False, antialias=False)
    kinds = torch.from_numpy(truth.astype(np.uint8, order="C"))[None, None]
    nearest = F.interpolate(kinds, scale_factor=scale, mode="nearest")
    return small[0, 0].numpy(), nearest[0, 0].numpy()


def _weighted(figures: list[tuple[float, int]]) -> float:
    """Mean of figures weighted by numbers of pictures; NaN where one is or none is given."""
    total = sum(weight for _, weight in figures)
    return sum(figure * weight for figure, weight in figures) / total if total else float("nan")

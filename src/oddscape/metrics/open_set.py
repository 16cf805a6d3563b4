"""Open-mIoU by folds: each fold is judged at a threshold that the other folds set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from oddscape.errors import OddscapeError
from oddscape.labels import IGNORED
from oddscape.metrics.arrays import (
    FloatArray,
    Maps,
    as_maps,
    as_score_maps,
    require_same_shape,
    require_truth,
    scores_of,
)
from oddscape.metrics.operating_points import count_split, fpr, grouped
from oddscape.metrics.semantic import (
    ConfusionMatrix,
    SegmentationResult,
    intersection_over_union,
    mean_defined,
    require_classes,
)


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
        folds: the figures of each fold by its name, in order of first appearance.
        undefined: why a figure is NaN; None where none is.
    """

    open_miou: float
    anomaly_iou: float
    closed: SegmentationResult
    folds: Mapping[str, FoldResult]
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
    pixel), and the shrunk scores that set the thresholds (1 byte a pixel at a shrink of 0.5). Nothing needs
    a second pass of the network.

    Args:
        num_classes: number of known classes, K, at most 254.
        tpr: δ is the ROC threshold at the first recall above this, by the rule ``first_above``.
        shrink: scale of the scores and the truth that set δ: scores bilinearly without antialias, truth by
            the nearest pixel with floor index, both as ``torch.nn.functional.interpolate`` does.
    """

    def __init__(self, num_classes: int, tpr: float = 0.95, shrink: float = 0.5) -> None:
        self.num_classes, self.tpr, self.shrink = num_classes, tpr, shrink
        self._closed = ConfusionMatrix(num_classes)
        self._folds: dict[str, _Fold] = {}

    def update(self, score: Maps, predicted: Maps, labels: Maps, anomaly: Maps, fold: str) -> None:
        """Add one picture or a batch of pictures of one fold; all maps [H, W] or [N, H, W], numpy or torch.

        Args:
            score: any float type, higher = more anomalous.
            predicted: integers, the most probable known class, 0 … K−1.
            labels: integers, train ids 0 … K−1; 255 without a known class.
            anomaly: integers, 0 known, 1 anomaly, 255 ignored.
            fold: name of the fold.

        Raises:
            OddscapeError: shapes differ, a class or the anomaly truth has a value it cannot have, or a score
                is NaN. Then nothing has been added.
        """
        score = as_score_maps(score)
        predicted, labels = as_maps(predicted, "predicted"), as_maps(labels, "labels")
        anomaly = as_maps(anomaly, "anomaly")
        require_same_shape(score=score, predicted=predicted, labels=labels, anomaly=anomaly)
        require_truth(anomaly, "anomaly")
        if np.isnan(score).any():
            raise OddscapeError(f"score is NaN at {np.count_nonzero(np.isnan(score))} pixels")
        known = np.where(anomaly == 0, labels, IGNORED)
        truth = np.where(anomaly == 1, self.num_classes, known)
        require_classes(known[known != IGNORED], "labels", self.num_classes)
        require_classes(predicted[truth != IGNORED], "predicted", self.num_classes)
        self._closed.update(predicted, known)
        added = self._folds.setdefault(fold, _Fold())
        for picture in zip(score, predicted, truth, anomaly, strict=True):
            added.add(*picture, self.num_classes, self.shrink)

    def merge(self, other: OpenSetMetrics) -> None:
        """Add the pictures of another accumulator.

        Raises:
            OddscapeError: the two differ in number of classes, recall or shrink.
        """
        mine, others = ((m.num_classes, m.tpr, m.shrink) for m in (self, other))
        if mine != others:
            raise OddscapeError(f"cannot merge (classes, tpr, shrink) {others} into {mine}")
        self._closed.merge(other._closed)
        for name, fold in other._folds.items():
            self._folds.setdefault(name, _Fold()).extend(fold)

    def compute(self) -> OpenSetResult:
        """Give the figures of everything added so far; undefined ones are NaN and say why."""
        folds = {name: self._fold_result(name) for name in self._folds}
        closed = self._closed.compute()
        reasons = [f"fold {name!r}: {fold.undefined}" for name, fold in folds.items() if fold.undefined]
        return OpenSetResult(
            open_miou=_weighted([(fold.open_miou, fold.pictures) for fold in folds.values()]),
            anomaly_iou=_weighted([(fold.anomaly_iou, fold.pictures) for fold in folds.values()]),
            closed=closed,
            folds=folds,
            undefined=next(iter(reasons), None) if folds else "no picture",
        )

    def _fold_result(self, name: str) -> FoldResult:
        threshold, undefined = self._threshold(name)
        pictures = self._folds[name].pictures
        size = self.num_classes + 1
        matrix = np.zeros((size, size), np.int64)
        if undefined is None:
            for picture in pictures:
                matrix += _open_matrix(picture, threshold, self.num_classes)
        class_iou = intersection_over_union(matrix)
        if undefined is None and np.isnan(class_iou[-1]):
            undefined = "no anomaly, neither true nor predicted"
        return FoldResult(
            threshold=threshold,
            open_miou=mean_defined(class_iou[:-1]),
            anomaly_iou=float(class_iou[-1]),
            class_iou=class_iou,
            matrix=matrix,
            pictures=len(pictures),
            undefined=undefined,
        )

    def _threshold(self, name: str) -> tuple[float, str | None]:
        """δ of one fold from all others, or NaN and why there is none."""
        others = [fold for other, fold in self._folds.items() if other != name]
        if not others:
            return float("nan"), "there is no other fold to take a threshold from"
        anomalous = np.concatenate([piece for fold in others for piece in fold.anomalous])
        known = [piece for fold in others for piece in fold.known]
        points = count_split(anomalous, grouped(known, anomalous.size))
        undefined = points.undefined and f"no threshold from the other folds: {points.undefined}"
        return fpr(points, "first_above", self.tpr)[1], undefined


@dataclass(frozen=True, eq=False)
class _GroupedScores:
    """Counted scores of one picture, in order of their cells: true class · K + predicted class."""

    scores: FloatArray
    sizes: NDArray[np.int64]  # of the (K + 1) · K cells


@dataclass(eq=False)
class _Fold:
    """What is kept of a fold's pictures: full-size scores, and shrunk ones of both kinds of pixel."""

    pictures: list[_GroupedScores] = field(default_factory=list)
    anomalous: list[FloatArray] = field(default_factory=list)
    known: list[FloatArray] = field(default_factory=list)

    def add(
        self,
        score: FloatArray,
        predicted: NDArray[Any],
        truth: NDArray[Any],
        anomaly: NDArray[Any],
        num_classes: int,
        shrink: float,
    ) -> None:
        shrunk = _shrunk(score, anomaly, shrink)
        self.anomalous.append(scores_of(1, *shrunk))
        self.known.append(scores_of(0, *shrunk))
        self.pictures.append(_grouped_scores(score, predicted, truth, num_classes))

    def extend(self, other: _Fold) -> None:
        self.pictures += other.pictures
        self.anomalous += other.anomalous
        self.known += other.known


def _grouped_scores(
    score: FloatArray, predicted: NDArray[Any], truth: NDArray[Any], num_classes: int
) -> _GroupedScores:
    """Group the scores of one picture [H, W] by truth (0 … K, ignored 255) and predicted class."""
    counted = truth != IGNORED
    # 16-bit integers are sorted by radix, in linear time.
    cells = truth[counted].astype(np.uint16) * np.uint16(num_classes) + predicted[counted].astype(np.uint16)
    order = np.argsort(cells, kind="stable")
    sizes = np.bincount(cells, minlength=(num_classes + 1) * num_classes)
    return _GroupedScores(score[counted][order], sizes)


def _open_matrix(picture: _GroupedScores, threshold: float, num_classes: int) -> NDArray[np.int64]:
    """Confusion matrix [K + 1, K + 1] of a picture whose pixels with score > δ are called anomalous."""
    passed = np.concatenate(([0], np.cumsum(picture.scores > threshold, dtype=np.int64)))
    called = np.diff(passed[np.cumsum(picture.sizes)], prepend=0)
    matrix = np.empty((num_classes + 1, num_classes + 1), np.int64)
    matrix[:, :-1] = (picture.sizes - called).reshape(num_classes + 1, num_classes)
    matrix[:, -1] = called.reshape(num_classes + 1, num_classes).sum(axis=1)
    return matrix


def _shrunk(score: FloatArray, truth: NDArray[Any], scale: float) -> tuple[FloatArray, NDArray[np.uint8]]:
    """Shrink one score map [H, W] bilinearly and its truth to the nearest pixel."""
    # torch.tensor copies, so that read-only and reversed arrays serve too.
    maps = torch.tensor(score)[None, None]
    small = F.interpolate(maps, scale_factor=scale, mode="bilinear", align_corners=False, antialias=False)
    kinds = torch.tensor(truth.astype(np.uint8))[None, None]
    nearest = F.interpolate(kinds, scale_factor=scale, mode="nearest")
    return small[0, 0].numpy(), nearest[0, 0].numpy()


def _weighted(figures: list[tuple[float, int]]) -> float:
    """Mean of figures weighted by numbers of pictures; NaN where one is or none is given."""
    total = sum(weight for _, weight in figures)
    return sum(figure * weight for figure, weight in figures) / total if total else float("nan")

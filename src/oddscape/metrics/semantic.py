"""Closed-set figures from a confusion matrix: IoU by class, mIoU, accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddscape.errors import OddscapeError
from oddscape.labels import IGNORED
from oddscape.metrics.arrays import Maps, as_equal_maps
from oddscape.metrics.ratios import ratio


@dataclass(frozen=True, eq=False)
class SegmentationResult:
    """Figures of a closed-set segmentation; fractions in [0, 1].

    Args:
        class_iou: float64 [K], TP / (TP + FP + FN); NaN for a class that neither occurs nor is predicted.
        miou: mean over the classes whose IoU is defined.
        accuracy: share of pixels whose class is right.
        matrix: int64 [K, K], pixels by true class (row) and predicted class (column).
        undefined: why the figures are NaN; None where they are numbers.
    """

    class_iou: NDArray[np.float64]
    miou: float
    accuracy: float
    matrix: NDArray[np.int64]
    undefined: str | None


class ConfusionMatrix:
    """Accumulates predicted classes and labels.

    Args:
        num_classes: number of known classes, K, at most 255.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.matrix: NDArray[np.int64] = np.zeros((num_classes, num_classes), np.int64)

    def update(self, predicted: Maps, labels: Maps) -> None:
        """Add one picture or a batch of pictures.

        Args:
            predicted: integers, numpy or torch, [H, W] or [N, H, W], 0 … K−1; any value where ignored.
            labels: integers of the same shape, 0 … K−1, 255 ignored.

        Raises:
            OddscapeError: shapes differ, or a counted pixel has another class.
        """
        predicted, labels = as_equal_maps(predicted=predicted, labels=labels)
        counted = labels != IGNORED
        self.matrix += count_pairs(labels[counted], predicted[counted], self.num_classes)

    def merge(self, other: ConfusionMatrix) -> None:
        """Add the pixels of another accumulator.

        Raises:
            OddscapeError: the two have different numbers of classes.
        """
        if other.num_classes != self.num_classes:
            raise OddscapeError(f"cannot merge {other.num_classes} classes into {self.num_classes}")
        self.matrix += other.matrix

    def compute(self) -> SegmentationResult:
        """Give the figures of everything added so far; undefined ones are NaN and say why."""
        class_iou = intersection_over_union(self.matrix)
        total = int(self.matrix.sum())
        return SegmentationResult(
            class_iou=class_iou,
            miou=mean_defined(class_iou),
            accuracy=float(np.trace(self.matrix) / total) if total else float("nan"),
            matrix=self.matrix.copy(),
            undefined=None if total else "no pixel counts",
        )


def count_pairs(true: NDArray[Any], predicted: NDArray[Any], num_classes: int) -> NDArray[np.int64]:
    """Count pixels by true and predicted class.

    Args:
        true: integers [n], 0 … K−1.
        predicted: integers [n], 0 … K−1.
        num_classes: K.

    Returns:
        int64 [K, K], rows true, columns predicted.

    Raises:
        OddscapeError: a class lies outside 0 … K−1.
    """
    require_classes(true, "labels", num_classes)
    require_classes(predicted, "predicted", num_classes)
    pairs = true.astype(np.intp) * num_classes + predicted.astype(np.intp)
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def require_classes(classes: NDArray[Any], name: str, num_classes: int) -> None:
    """Raise an OddscapeError unless every class lies in 0 … K−1."""
    if classes.size and not 0 <= classes.min() <= classes.max() < num_classes:
        raise OddscapeError(
            f"{name}: classes {classes.min()} to {classes.max()} where 0 to {num_classes - 1} are expected"
        )


def intersection_over_union(matrix: NDArray[Any]) -> NDArray[np.float64]:
    """IoU by class, TP / (TP + FP + FN), from confusion matrices [..., K, K]; NaN without a union."""
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    union = matrix.sum(axis=-2) + matrix.sum(axis=-1) - hits
    return ratio(hits, union)


def mean_defined(values: NDArray[np.float64]) -> float:
    """Mean of the values that are not NaN; NaN where none is."""
    return float(means_defined(values))


def means_defined(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the last axis of the values that are not NaN; NaN where none is."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=-1)
    total = np.where(defined, values, 0).sum(axis=-1)
    return ratio(total, count)

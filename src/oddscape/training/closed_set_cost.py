"""What training for anomalies does to the known classes, told on pictures that it did not see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from oddscape.data import Dataset, read_mask
from oddscape.inference import run_network
from oddscape.metrics.semantic import ConfusionMatrix, intersection_over_union, mean_defined
from oddscape.training.own_classes import OwnClasses


@dataclass(frozen=True)
class ClosedSetCost:
    """A network's classes before and after training; shares in [0, 1].

    Args:
        pictures: how many were held back for it.
        agreement: share of all pixels that have the same class as before.
        miou_with_before: mIoU of the classes after training where those before are taken for the truth.
        miou_before: mIoU before training against the labels of the pictures; None without labels.
        miou_after: the same after training.
    """

    pictures: int
    agreement: float
    miou_with_before: float
    miou_before: float | None = None
    miou_after: float | None = None

    def __str__(self) -> str:
        same = f"{self.agreement:.2%} of pixels keep their class"
        if self.miou_before is None or self.miou_after is None:
            figures = f"{same}, mIoU with the classes before {self.miou_with_before:.2%}"
        else:
            points = 100 * (self.miou_after - self.miou_before)
            figures = (
                f"mIoU {self.miou_before:.2%} before, {self.miou_after:.2%} after ({points:+.2f}), {same}"
            )
        pictures = f"{self.pictures} held-back picture{'s' if self.pictures > 1 else ''}"
        return f"closed-set cost on {pictures}: {figures}"


def confusions(net: nn.Module, pictures: Dataset, before: OwnClasses, num_classes: int) -> NDArray[np.int64]:
    """Count the pixels of pictures by their classes; counts of several parts of the pictures add up.

    Args:
        net: the trained network, in evaluation mode.
        pictures: what was held back, with or without labels.
        before: label files of the classes before training.
        num_classes: number of known classes, K.

    Returns:
        int64 [3, K, K]: classes before (row) and after (column); labels and classes before; labels and
        classes after.

    Raises:
        OddscapeError: a picture or label file that does not read.
    """
    kept, old, new = (ConfusionMatrix(num_classes) for _ in range(3))
    for entry, scene in zip(pictures.entries, pictures, strict=True):
        was = read_mask(before.path(entry), scene.size)
        now = run_network(net, scene.image, {}, size=before.size).classes[0].cpu()
        kept.update(now, was)
        if scene.labels is not None:
            old.update(was, scene.labels)
            new.update(now, scene.labels)
    return np.stack([kept.matrix, old.matrix, new.matrix])


def closed_set_cost(matrices: NDArray[np.int64], pictures: int) -> ClosedSetCost:
    """The figures of :func:`confusions` of so many pictures."""
    kept, old, new = matrices
    labelled = bool(old.any())
    return ClosedSetCost(
        pictures=pictures,
        agreement=float(np.trace(kept) / kept.sum()),
        miou_with_before=_miou(kept),
        miou_before=_miou(old) if labelled else None,
        miou_after=_miou(new) if labelled else None,
    )


def _miou(matrix: NDArray[np.int64]) -> float:
    return mean_defined(intersection_over_union(matrix))

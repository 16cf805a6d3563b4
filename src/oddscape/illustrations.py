"""Pictures of a result: one scene, what the network made of it, and the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oddscape.labels import LabelSpace


@dataclass(frozen=True, eq=False)
class Illustration:
    """One scene with one score's result, all at the same size (H, W).

    Args:
        name: the scene's name.
        model: name of the network.
        score_name: name of the score.
        average_precision: the picture's AP, NaN where undefined.
        rank: why it is shown, such as ``"best"`` or ``"worst"``.
        threshold: the threshold δ of the open-set result.
        label_space: what the class ids mean.
        image: uint8 [H, W, 3].
        classes: uint8 [H, W], closed-set classes 0 … K−1.
        score: float32 [H, W], higher = more anomalous.
        labels: uint8 [H, W], true classes, 255 unknown; None without class labels.
        anomaly: uint8 [H, W], 0 known, 1 anomaly, 255 ignored.
    """

    name: str
    model: str
    score_name: str
    average_precision: float
    rank: str
    threshold: float
    label_space: LabelSpace
    image: NDArray[np.uint8]
    classes: NDArray[np.uint8]
    score: NDArray[np.float32]
    labels: NDArray[np.uint8] | None
    anomaly: NDArray[np.uint8]

    @property
    def open_set(self) -> NDArray[np.uint8]:
        """Classes with id K where the score exceeds the threshold, uint8 [H, W]."""
        return np.where(self.score > self.threshold, np.uint8(self.label_space.num_classes), self.classes)

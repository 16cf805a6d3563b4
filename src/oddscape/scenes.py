"""One picture with its truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture and what is known about its pixels.

    Args:
        name: identifies the scene within its data set, as in ``"t5/12"``.
        image: uint8 [H, W, 3], RGB.
        labels: uint8 [H, W], train ids 0 … K−1; 255 where there is no known class. None: no class labels.
        anomaly: uint8 [H, W], 0 known, 1 anomaly, 255 ignored. None: nothing is said about anomalies.
            In a training picture 1 marks pixels of held-out classes, which belong to no term of any loss,
            while 255 with label 255 is plain void.
        fold: the part of the data set that the scene belongs to (a town, a recording); thresholds of one
            fold come from the others.
        sequence: the recording that the picture was taken from, the unit of the bootstrap. Empty: none is
            named, and the picture is a unit of its own.
    """

    name: str
    image: NDArray[np.uint8]
    labels: NDArray[np.uint8] | None = None
    anomaly: NDArray[np.uint8] | None = None
    fold: str = ""
    sequence: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the picture."""
        height, width = self.image.shape[:2]
        return height, width

"""From a label file to class labels and anomaly truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oddscape.data.files import read_mask
from oddscape.errors import OddscapeError
from oddscape.labels import LabelSpace

Truth = tuple[NDArray[np.uint8] | None, NDArray[np.uint8] | None]
"""Class labels and anomaly truth of one picture, as in :class:`~oddscape.scenes.Scene`."""


def read_labels(path: Path, size: tuple[int, int], label_space: LabelSpace) -> Truth:
    """Read a label file by the encoding of its data set.

    Args:
        path: a mask of raw label values.
        size: (H, W) of the picture.
        label_space: what the raw values mean.

    Returns:
        Labels and anomaly truth, both uint8 [H, W].

    Raises:
        OddscapeError: the mask cannot be read, or holds a value that the encoding does not know.
    """
    try:
        return label_space.decode(read_mask(path, size))
    except ValueError as error:
        raise OddscapeError(f"{path}: {error}") from error


def read_anomaly(path: Path, size: tuple[int, int], label_space: LabelSpace) -> Truth:
    """Read a mask that tells anomalies from the rest and names no class: labels are None."""
    _, anomaly = read_labels(path, size, label_space)
    return None, anomaly

"""From a picture to what a network takes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from oddscape.errors import OddscapeError


def to_tensor(image: NDArray[np.uint8]) -> Tensor:
    """Turn a picture into a batch of one.

    Args:
        image: uint8 [H, W, 3], RGB.

    Returns:
        float32 [1, 3, H, W], in [0, 1].

    Raises:
        OddscapeError: the array has another dtype or shape.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise OddscapeError(f"expected a picture uint8 [H, W, 3], not {image.dtype} {list(image.shape)}")
    planes = np.ascontiguousarray(image.transpose(2, 0, 1)) / np.float32(255)
    return torch.from_numpy(planes)[None]

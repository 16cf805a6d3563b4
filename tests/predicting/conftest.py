"""What the tests of predictions share."""

import numpy as np
import pytest

from oddscape.detector import Prediction
from oddscape.labels import label_space_of


@pytest.fixture
def prediction():
    """8x10 pixels: a ring with a hole, a region that touches itself at a corner, and a single pixel."""
    score = np.zeros((8, 10), np.float32)
    score[0:3, 1:4] = 2
    score[1, 2] = 0
    score[4, 5] = score[5, 6] = 3
    score[7, 9] = 9
    rng = np.random.default_rng(0)
    return Prediction(
        image=rng.integers(0, 256, (8, 10, 3), np.uint8),
        classes=rng.integers(0, 4, (8, 10)).astype(np.uint8),
        score=score,
        threshold=1.0,
        label_space=label_space_of(4),
    )

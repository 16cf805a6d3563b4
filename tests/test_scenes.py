import numpy as np

from oddscape.scenes import Scene


def test_size_is_height_and_width():
    assert Scene("a", np.zeros((3, 7, 3), np.uint8)).size == (3, 7)

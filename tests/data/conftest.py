"""Tiny data sets to read."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oddscape.scenes import Scene

Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write an array as a picture below ``tmp_path``."""

    def write(name: str, array: np.ndarray, **options: object) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(path, **options)
        return path

    return write


@pytest.fixture
def picture() -> np.ndarray:
    """A picture of 9x6, no two pixels alike."""
    return np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)


@pytest.fixture
def coordinates() -> Callable[..., Scene]:
    """Make a scene whose picture, labels and anomaly truth all tell where a pixel came from."""

    def make(height: int, width: int) -> Scene:
        rows, columns = np.mgrid[:height, :width].astype(np.uint8)
        return Scene("grid", np.stack([rows, columns, rows ^ columns], -1), rows, columns, fold="f")

    return make

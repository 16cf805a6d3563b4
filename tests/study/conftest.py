"""A study of two methods with two seeds that is done in seconds."""

import numpy as np
import pytest
from PIL import Image

PLAN = """
protocol = "streethazards"
seeds = [0, 1]
scores = ["msp", "energy"]

[common]
dataset = "streethazards"
epochs = 1
batch_size = 4
threads = 1
negatives = "ade20k"
negatives_shorter_side = 32
negatives_crop = "24x24"

[methods.hybrid]
method = "densehybrid"
starts_from = "closed-set"
scores = ["energy", "densehybrid"]

[methods.closed-set]
learning_rate = 1e-2
"""


@pytest.fixture
def plan(tmp_path):
    """Write the study's file, with pieces of it replaced."""

    def write(*replacements):
        text = PLAN
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "study.toml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def folders(streethazards_folder, tmp_path):
    """Folders of training data and negatives, as a study is told them."""
    negatives, rng = tmp_path / "negatives", np.random.default_rng(1)
    for part in ("images", "annotations"):
        (negatives / part / "training").mkdir(parents=True)
    for number in range(3):
        segments = rng.integers(1, 6, (4, 4), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        picture = Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8))
        picture.save(negatives / "images" / "training" / f"{number}.jpg")
        Image.fromarray(segments).save(negatives / "annotations" / "training" / f"{number}.png")
    return {"data": str(streethazards_folder), "negatives_data": str(negatives)}

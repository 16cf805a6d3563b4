"""Small training data in the layouts of CamVid and ADE20K, and runs on it."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from oddscape.training.config import TrainConfig

SIZE = (32, 32)


@pytest.fixture(scope="session")
def camvid_folder(tmp_path_factory):
    """Nine pictures in CamVid's layout; raw labels 9 and 10 are held out, 11 is void."""
    folder, rng = tmp_path_factory.mktemp("camvid"), np.random.default_rng(0)
    for part in ("train", "trainannot"):
        (folder / part).mkdir()
    for number in range(9):
        labels = rng.integers(0, 12, (8, 8), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
        image = np.stack([labels * 20, 255 - labels * 20, labels * 7], 2) + rng.integers(0, 9, (*SIZE, 3))
        Image.fromarray(image.astype(np.uint8)).save(folder / "train" / f"a_{number}.png")
        Image.fromarray(labels).save(folder / "trainannot" / f"a_{number}.png")
    return folder


@pytest.fixture(scope="session")
def negatives_folder(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("negatives"), np.random.default_rng(1)
    images, annotations = folder / "images" / "training", folder / "annotations" / "training"
    for part in (images, annotations):
        part.mkdir(parents=True)
    for number in range(3):
        segments = rng.integers(1, 6, (4, 4), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        Image.fromarray(rng.integers(0, 255, (*SIZE, 3), dtype=np.uint8)).save(images / f"{number}.jpg")
        Image.fromarray(segments).save(annotations / f"{number}.png")
    return folder


@pytest.fixture
def config(camvid_folder, tmp_path):
    return TrainConfig(
        method="closed-set",
        dataset="camvid",
        data=camvid_folder,
        out=tmp_path / "run",
        epochs=2,
        batch_size=4,
        learning_rate=1e-2,
        seed=3,
        threads=1,
    )


@pytest.fixture
def hybrid(config, negatives_folder):
    return replace(
        config,
        method="densehybrid",
        negatives="ade20k",
        negatives_data=negatives_folder,
        negatives_shorter_side=32,
        negatives_crop=(24, 24),
    )

"""What the tests of mining share: pictures to mine, and what could have been found in others."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oddscape.detector import Detector
from oddscape.mining.facts import PictureFacts, RankedRegion
from oddscape.mining.settings import MiningSettings
from oddscape.regions import Box


@pytest.fixture
def detector(tiny_network):
    return Detector(tiny_network(5), "energy", threshold=-3.0)


@pytest.fixture
def pictures(tmp_path):
    """Twelve pictures of 48x32 in two folders; c and d of each are nearly the same."""
    folder, rng = tmp_path / "drives", np.random.default_rng(0)
    for drive in ("monday", "tuesday"):
        (folder / drive).mkdir(parents=True)
        for name in "abcef":
            pixels = rng.integers(0, 256, (4, 6, 3), np.uint8).repeat(8, 0).repeat(8, 1)
            Image.fromarray(pixels).save(folder / drive / f"{name}.png")
            if name == "c":
                Image.fromarray(pixels // 2 + 40).save(folder / drive / "d.png")
    return folder


@pytest.fixture
def facts():
    """Make facts of a picture with one region, from its figures and its hash."""

    def make(region_score=1.0, share=0.25, mean=-1.5, picture_hash="0" * 32):
        region = RankedRegion(region_score, Box(1, 2, 5, 8), 20, 3.5, float("inf"))
        return PictureFacts(64, 32, share, mean, 3, (region,), (0.75, 0.25), picture_hash)

    return make


@pytest.fixture
def settings():
    return MiningSettings(("drives",), (), "energy", -3.0, "432", "none", ("road", "sky"), "0123")


@pytest.fixture
def in_folder(monkeypatch, tmp_path):
    """Work in a folder, so that paths are the same wherever it is."""
    monkeypatch.chdir(tmp_path)
    return Path("drives")

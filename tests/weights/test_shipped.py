"""The detector that comes with Oddscape: the file itself, where it is there, and its way into the package."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from oddscape.data.camvid import label_space
from oddscape.data.streethazards import TOWN_CAMVID_11
from oddscape.detector import Detector
from oddscape.models import checkpoint_metadata
from oddscape.town.scene import render_scene
from oddscape.weights.shipped import FOLDER, is_there, shipped_file

ROOT = Path(__file__).parents[2]
CARD = FOLDER / "street-lite.md"
needs_file = pytest.mark.skipif(not is_there(), reason="this checkout has no street-lite.safetensors")


@needs_file
def test_the_file_is_small_and_half_precision():
    assert shipped_file().stat().st_size <= 10_000_000
    kinds = {tensor.dtype for tensor in load_file(shipped_file()).values()}
    assert kinds == {torch.float16, torch.int64}  # the counters of batch norms


@needs_file
def test_the_file_says_what_it_is():
    about = checkpoint_metadata(shipped_file())
    assert (about["model"], about["method"]) == ("densehybrid_lite_ladder", "densehybrid")
    assert about["saw_outliers"] == "true"
    for data in ("CamVid", "town", "COCO", "ImageNet"):
        assert data in about["licence"]
    card = CARD.read_text(encoding="utf-8")
    assert about["licence"] in card
    assert "FILL IN" not in card


@needs_file
def test_the_detector_is_whole_and_predicts_the_same_twice():
    picture, labels = render_scene("t4", 7, 0, (270, 480))
    detector = Detector.shipped()
    assert detector.label_space.classes == label_space(held_out=()).classes
    assert (detector.score.name, type(detector.size), type(detector.threshold)) == ("densehybrid", int, float)
    first, second = detector.predict(picture), Detector.shipped().predict(picture)
    np.testing.assert_array_equal(first.score, second.score)
    np.testing.assert_array_equal(first.classes, second.classes)
    assert first.score.std() > 0
    truth, _ = TOWN_CAMVID_11.decode(labels)
    assert (first.classes == truth)[truth != 255].mean() > 0.7  # it is no network of random weights


@pytest.mark.slow
def test_wheel_and_source_archive_bring_it(tmp_path):
    pytest.importorskip("setuptools", "77", reason="setuptools 77 or newer is not installed")
    project, built = tmp_path / "project", tmp_path / "built"
    shutil.copytree(ROOT / "src", project / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, project)
    inside = project / "src" / "oddscape" / "weights" / "shipped"
    (inside / "street-lite.safetensors").touch()  # where this checkout has none
    build = "from setuptools import build_meta as b; b.build_wheel({0!r}); b.build_sdist({0!r})"
    built.mkdir()
    subprocess.run(
        [sys.executable, "-c", build.format(str(built))], cwd=project, check=True, capture_output=True
    )
    (wheel,), (archive,) = built.glob("*.whl"), built.glob("*.tar.gz")
    in_wheel = zipfile.ZipFile(wheel).namelist()
    with tarfile.open(archive) as opened:
        in_archive = [name.partition("/")[2] for name in opened.getnames()]
    for name in ("__init__.py", "street-lite.safetensors", "street-lite.md"):
        assert f"oddscape/weights/shipped/{name}" in in_wheel
        assert f"src/oddscape/weights/shipped/{name}" in in_archive
    assert any(name.endswith(".dist-info/licenses/NOTICE") for name in in_wheel)
    assert {"LICENSE", "NOTICE"} <= set(in_archive)

"""What the tests share: the real data and the reference figures, where they are at hand."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from torch import nn

from oddscape.outputs import DenseOutput, NativeMaps


def _torchvision_without_operators() -> torch.library.Library | None:
    """Make a torchvision that was built for another torch importable; nothing here runs its operators.

    timm, torchmetrics and transformers import it, too, wherever it is installed: this goes before them all.
    """
    if find_spec("torchvision") is None:
        return None
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        operators = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return operators
    return None


# Operators are there for as long as their library is.
_OPERATORS = _torchvision_without_operators()

# How long an example takes is no property of the code.
hypothesis.settings.register_profile("oddscape", deadline=None)
hypothesis.settings.load_profile("oddscape")

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    # Small work is done sooner by one thread, and many times sooner where the cores are busy.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real pictures and weights; the test skips where there is none."""
    folder = Path(os.environ.get("ODDSCAPE_DATA", SHARED / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: neither $ODDSCAPE_DATA nor {folder.name}/ beside the checkout")
    return folder


@pytest.fixture(scope="session")
def shared_reference() -> Path:
    """The folder of reference figures; the test skips where there is none."""
    folder = Path(os.environ.get("ODDSCAPE_REFERENCE", SHARED / "reference"))
    if not folder.is_dir():
        pytest.skip(
            f"no reference figures: neither $ODDSCAPE_REFERENCE nor {folder.name}/ beside the checkout"
        )
    return folder


class TinyNetwork(nn.Module):
    """Averages over 4x4 pixels and a 1x1 convolution: any output of a network, at a quarter of the size."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.classifier = nn.Conv2d(3, num_classes, 1)

    def forward(self, image: torch.Tensor) -> DenseOutput:
        logits = self.classifier(4 * F.avg_pool2d(image, 4))
        return DenseOutput(NativeMaps(logits), tuple(image.shape[-2:]))


@pytest.fixture
def tiny_network() -> Callable[[int], nn.Module]:
    """Make a network of K classes in which nothing is left to chance."""

    def make(num_classes: int) -> nn.Module:
        torch.manual_seed(0)
        return TinyNetwork(num_classes)

    return make


def _save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def masks_folder(tmp_path: Path) -> Path:
    """Four pictures of 48x32 with masks; the last one holds no anomaly."""
    folder, rng = tmp_path / "masks", np.random.default_rng(0)
    for name in "abcd":
        mask = rng.choice(np.array([0, 1, 255], np.uint8), (8, 12), p=(0.7, 0.2, 0.1))
        mask = mask.repeat(4, 0).repeat(4, 1) * (1 if name != "d" else 0)
        _save(folder / "images" / f"{name}.png", rng.integers(0, 256, (32, 48, 3), np.uint8))
        _save(folder / "labels_masks" / f"{name}.png", mask.astype(np.uint8))
    return folder


@pytest.fixture
def streethazards_folder(tmp_path: Path) -> Path:
    """Eight training and eight test pictures of 32x32 in StreetHazards' layout, anomalies in the latter."""
    folder, rng = tmp_path / "streethazards", np.random.default_rng(0)
    for part, split, towns, highest in (("train", "training", "t1", 13), ("test", "test", "t5 t6", 14)):
        for number in range(8):
            name = Path(split, towns.split()[number % len(towns.split())], f"{number}.png")
            labels = rng.integers(1, highest + 1, (8, 8), np.uint8).repeat(4, 0).repeat(4, 1)
            noise = rng.integers(0, 60, (32, 32, 3), np.uint8)
            _save(folder / part / "images" / name, (labels[..., None] * 12 + noise).astype(np.uint8))
            _save(folder / part / "annotations" / name, labels)
    return folder


@pytest.fixture
def street_lite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a detector with random weights, in the place of the one that comes with Oddscape."""
    from oddscape.data.camvid import label_space
    from oddscape.detector import Detector
    from oddscape.models import create_model

    torch.manual_seed(0)
    net = create_model("densehybrid_lite_ladder", 11)
    file = tmp_path / "shipped" / "street-lite.safetensors"
    file.parent.mkdir()
    detector = Detector(net, "densehybrid", threshold=0.5, size=64, label_space=label_space(held_out=()))
    about = {"model": "densehybrid_lite_ladder", "saw_outliers": "true", "licence": "for tests [of these]"}
    detector.save(file, about, half=True)
    monkeypatch.setattr("oddscape.weights.shipped.FOLDER", file.parent)
    return file


@pytest.fixture
def two_processes() -> Callable[..., list[str]]:
    """Run Python with the given arguments as two processes that know each other; gives what each printed."""

    def run(*arguments: str | Path) -> list[str]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        together = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        processes = [
            subprocess.Popen(
                [sys.executable, *map(str, arguments)],
                env={**os.environ, **together, "RANK": rank, "LOCAL_RANK": rank, "OMP_NUM_THREADS": "1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for rank in "01"
        ]
        printed = [process.communicate()[0] for process in processes]
        assert [process.returncode for process in processes] == [0, 0], "\n".join(printed)
        return printed

    return run


@pytest.fixture(scope="session")
def _chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no chromium and chromedriver; on Debian: apt-get install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = chromium
    for switch in (
        "headless", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "no-first-run", "disable-quic",
        "disable-background-networking", "disable-component-update", "disable-sync", "window-size=1280,900",
        f"user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):  # fmt: skip
        options.add_argument(f"--{switch}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    page = Chrome(options=options, service=Service(driver))
    yield page
    page.quit()


@pytest.fixture
def browser(_chromium: Chrome) -> Chrome:
    """A headless Chromium at an empty page with an empty log; the test skips where there is none.

    Use it with ``@pytest.mark.browser``. It starts once, and what a page keeps of itself goes with the test.
    """
    _chromium.get("about:blank")
    _chromium.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": "*", "storageTypes": "all"})
    _chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    for kind in ("browser", "performance"):
        _chromium.get_log(kind)
    return _chromium

"""The report's page with many pictures: its weight, and how soon Chromium has it ready, sorted and opened.

    python benchmarks/report.py --pictures 1500 --maps 60

The pictures are cut from a few scenes of the synthetic town; scores are the truth with smooth noise. Needs
Chromium with its driver, and selenium.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from oddscape.evaluation import evaluate_scores
from oddscape.examples import illustrate_scores, keep_thumbnails
from oddscape.protocols import PROTOCOLS
from oddscape.report.page import write_report
from oddscape.town import render_scene

_SIZE = (360, 640)
_CUT = (176, 320)
_SCENES = 12

T = TypeVar("T")


def make_pictures(folder: Path, count: int) -> None:
    """Write pictures, masks and scores in the layout of the protocol ``masks``."""
    rng = np.random.default_rng(0)
    scenes = [render_scene("t5", seed=0, index=index, size=_SIZE) for index in range(_SCENES)]
    for part in ("images", "labels_masks", "scores"):
        (folder / part).mkdir()
    for number in range(count):
        image, raw = scenes[number % _SCENES]
        top, left = (int(rng.integers(0, full - cut)) for full, cut in zip(_SIZE, _CUT, strict=True))
        cut = np.s_[top : top + _CUT[0], left : left + _CUT[1]]
        mask = (raw[cut] == 14).astype(np.uint8)
        Image.fromarray(image[cut]).save(folder / "images" / f"{number}.jpg")
        Image.fromarray(mask).save(folder / "labels_masks" / f"{number}.png", compress_level=1)
        np.save(folder / "scores" / f"{number}.npy", _score(mask, rng))


def _score(mask: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float16]:
    noise = rng.standard_normal((_CUT[0] // 8, _CUT[1] // 8)).repeat(8, 0).repeat(8, 1)
    return gaussian_filter(0.8 * noise + 2 * mask, 4).astype(np.float16)


def page_times(page: Path, profile: str) -> dict[str, float]:
    """Milliseconds until Chromium has the page ready, has sorted its pictures, and shows one of them."""
    options = ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for switch in (
        "headless",
        "no-sandbox",
        "disable-gpu",
        "disable-dev-shm-usage",
        f"user-data-dir={profile}",
    ):
        options.add_argument(f"--{switch}")
    browser = Chrome(options=options, service=Service(shutil.which("chromedriver")))
    browser.get(page.as_uri())
    ready = browser.execute_script(
        "return performance.timing.domContentLoadedEventEnd - performance.timing.fetchStart"
    )
    load = browser.execute_script("return performance.timing.loadEventEnd - performance.timing.fetchStart")
    browser.execute_script("document.querySelector('.tiles').scrollIntoView()")
    sort = browser.execute_async_script(
        "const done = arguments[0], key = document.querySelector('[name=key]'), from = performance.now();"
        "key.value = 'alarms'; key.dispatchEvent(new Event('change'));"
        "requestAnimationFrame(() => setTimeout(() => done(performance.now() - from)))"
    )
    opened = browser.execute_async_script(
        "const done = arguments[0], from = performance.now();"
        "new MutationObserver(() => done(performance.now() - from))"
        ".observe(document.querySelector('.methods'), {childList: true});"
        "document.querySelector('.tiles [data-maps]').click()"
    )
    moved = browser.execute_script(
        "const slider = document.querySelector('.methods [name=threshold]'), from = performance.now();"
        "for (let i = 0; i < 20; i++) { slider.value = 10 * i; slider.dispatchEvent(new Event('input')); }"
        "return (performance.now() - from) / 20"
    )
    browser.quit()
    return {
        "DOMContentLoaded": ready,
        "load": load,
        "sorted and drawn": sort,
        "picture opened": opened,
        "threshold moved": moved,
    }


def main() -> None:
    """Make the pictures, evaluate their scores, write the report, and time the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=1500)
    parser.add_argument("--maps", type=int, default=60)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made, tempfile.TemporaryDirectory() as profile:
        folder = Path(made)
        make_pictures(folder, asked.pictures)
        rules = (folder / "scores", PROTOCOLS["masks"], folder)
        thumbnails: dict[str, str] = {}
        evaluated, results = timed(
            lambda: evaluate_scores(*rules, progress=keep_thumbnails(iter, thumbnails))
        )
        drawn, gallery = timed(
            lambda: illustrate_scores(rules[0], results, folder, asked.maps, thumbnails=thumbnails)
        )
        written, page = timed(lambda: write_report(folder / "report", [results], [gallery]))
        print(f"{asked.pictures} pictures of {_CUT[1]}x{_CUT[0]}, maps of {asked.maps}")
        print(f"evaluation, with thumbnails {evaluated:8.1f} s")
        print(f"maps and failures           {drawn:8.1f} s")
        print(f"page written                {written:8.1f} s")
        print(f"page                        {page.stat().st_size / 1e6:8.1f} MB")
        for name, milliseconds in page_times(page, profile).items():
            print(f"{name:<28}{milliseconds:8.0f} ms")


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds that some work takes, and what it gives."""
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found


if __name__ == "__main__":
    main()

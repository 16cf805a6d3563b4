"""``oddscape predict``: class map, anomaly map and overlay of pictures."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

from oddscape.commands.options import NetworkOptions, SizeOption
from oddscape.commands.progress import progress_bar
from oddscape.errors import OddscapeError

if TYPE_CHECKING:
    from oddscape.detector import Prediction

_PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}


def predict(
    *pictures: Path,
    out: Path,
    network: NetworkOptions = NetworkOptions(),
    score: str = "energy",
    threshold: float | None = None,
    size: SizeOption = None,
) -> None:
    """Write each picture's class map, score (.npy and heat map) and overlay into a folder.

    Parameters
    ----------
    pictures
        Picture files, or folders of them.
    out
        Folder for the results.
    score
        The score's name.
    threshold
        Pixels with a score above it become anomalies in the overlay; without it, the overlay shows classes.
    size
        Width x height at which the network sees the pictures; by default their own.
    """
    files = _files(pictures)
    net, _ = network.load()

    from oddscape.detector import Detector

    detector = Detector(net, score, threshold, size=size)
    failures = []
    with progress_bar("predicting") as advance:
        for done, file in enumerate(files):
            try:
                _write(detector.predict(file), out, file.stem)
            except OddscapeError as error:
                failures.append(str(error))
            advance(done + 1, len(files))
    Console().print(f"{len(files) - len(failures)} of {len(files)} pictures: {out}", soft_wrap=True)
    if failures:
        raise OddscapeError("; ".join(failures))


def _files(pictures: tuple[Path, ...]) -> list[Path]:
    files = [file for path in pictures for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    files = [file for file in files if file in pictures or file.suffix.lower() in _PICTURES]
    if not files:
        raise OddscapeError(f"no pictures in {', '.join(map(str, pictures)) or 'an empty list'}")
    for stem, count in Counter(file.stem for file in files).items():
        if count > 1:
            raise OddscapeError(f"{count} pictures are called {stem!r}: their results would share files")
    return files


def _write(prediction: Prediction, out: Path, stem: str) -> None:
    from PIL import Image

    from oddscape.files import written_atomically
    from oddscape.report.pictures import heat_map

    painted = {
        "classes": Image.fromarray(prediction.label_space.paint(prediction.classes)),
        "heat": Image.fromarray(heat_map(prediction.score)),
        "overlay": prediction.overlay(),
    }
    for kind, picture in painted.items():
        with written_atomically(out / f"{stem}_{kind}.png") as partial:
            picture.save(partial, format="PNG")
    with written_atomically(out / f"{stem}_score.npy") as partial, partial.open("wb") as file:
        np.save(file, prediction.score)

"""``oddscape predict``: class map, anomaly map and overlay of pictures, and scores to be evaluated."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from rich.console import Console

from oddscape.commands.options import DetectorOptions
from oddscape.commands.progress import progress_bar
from oddscape.errors import OddscapeError
from oddscape.weights.shipped import SHIPPED

if TYPE_CHECKING:
    from oddscape.detector import Detector, Prediction
    from oddscape.score_files import ScoreWriter

_SHOWN = 3  # so many pictures that failed are named
_PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}


def predict(
    *pictures: Path,
    out: Path | None = None,
    scores_to: Path | None = None,
    score_format: str = "npy",
    score_dtype: Literal["float16", "float32"] | None = None,
    detector: DetectorOptions = DetectorOptions(),
) -> None:
    """Write each picture's class map, score (.npy and heat map) and overlay, or its score alone.

    The overlay shows anomalies where there is a threshold; without it, classes. Without --weights, --model or
    --detector, the detector that comes with Oddscape does it.

    Parameters
    ----------
    pictures
        Picture files, or folders of them.
    out
        Folder for the class maps, scores, heat maps and overlays; ``predictions`` where nothing is said of it
        or of --scores-to.
    scores_to
        Folder for the scores alone, a file a picture, as ``evaluate --scores-from`` reads them: called as the
        picture, without ``_leftImg8bit`` or ``_rgb``.
    score_format
        Format of these: npy, npz, smiyc (HDF5), fishyscapes (npy) or png16 (16-bit greyscale with its scale).
    score_dtype
        Type of these; by default the format's own.
    """
    if out is None and scores_to is None:
        out = Path("predictions")
    _check_folders(out, scores_to)
    files = _files(pictures)

    from oddscape.score_files import ScoreWriter

    writer = ScoreWriter(scores_to, score_format, score_dtype) if scores_to is not None else None
    loaded = _asked_for(detector)
    if out is not None:
        _write_legend(loaded, out)
    failures: list[str] = []
    with progress_bar("predicting") as advance:
        for done, file in enumerate(files):
            # A bad picture costs itself alone; a disk that refuses ends it all.
            prediction = _predict(loaded, file, failures)
            if prediction is not None:
                _write(prediction, file, out, writer)
            advance(done + 1, len(files))
    where = " and ".join(str(folder) for folder in (out, scores_to) if folder is not None)
    Console().print(f"{len(files) - len(failures)} of {len(files)} pictures: {where}", soft_wrap=True)
    if writer is not None and writer.warning:
        Console(stderr=True).print(writer.warning, soft_wrap=True, highlight=False, markup=False)
    if failures:
        more = f"; and {len(failures) - _SHOWN} more" if failures[_SHOWN:] else ""
        raise OddscapeError("; ".join(failures[:_SHOWN]) + more)


def _asked_for(options: DetectorOptions) -> Detector:
    """The detector of the options; the one that comes with Oddscape where they name none."""
    if options.names_network:
        return options.load()[0]
    detector, about = options.load_shipped()
    Console().print(
        f"weights: {SHIPPED}, which comes with Oddscape; licence: {about.get('licence', 'not stated')}",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )
    return detector


def _predict(detector: Detector, file: Path, failures: list[str]) -> Prediction | None:
    try:
        return detector.predict(file)
    except OddscapeError as error:
        failures.append(str(error))
        return None


def _check_folders(out: Path | None, scores_to: Path | None) -> None:
    if out is not None and scores_to is not None and out.resolve() == scores_to.resolve():
        raise OddscapeError(f"--out and --scores-to are both {out}: the scores need a folder of their own")


def _files(pictures: tuple[Path, ...]) -> list[Path]:
    from oddscape.submission import frame_id

    files = [file for path in pictures for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    files = [file for file in files if file in pictures or file.suffix.lower() in _PICTURES]
    if not files:
        raise OddscapeError(f"no pictures in {', '.join(map(str, pictures)) or 'an empty list'}")
    for name, count in Counter(frame_id(file) for file in files).items():
        if count > 1:
            raise OddscapeError(f"{count} pictures are called {name!r}: their results would share files")
    return files


def _write(prediction: Prediction, file: Path, out: Path | None, writer: ScoreWriter | None) -> None:
    from oddscape.submission import frame_id

    if out is not None:
        _write_pictures(prediction, file.stem, out)
    if writer is not None:
        writer.write(frame_id(file), prediction.score)  # as the data sets call the picture


def _write_legend(detector: Detector, out: Path) -> None:
    from oddscape.files import written_atomically
    from oddscape.legend import legend

    with written_atomically(out / "legend.png") as partial:
        legend(detector.label_space, anomaly=detector.threshold is not None).save(partial, format="PNG")


def _write_pictures(prediction: Prediction, stem: str, out: Path) -> None:
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

"""Predictions of many pictures, written as files; what is done and whole is left as it is."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from oddscape.data import read_image
from oddscape.errors import OddscapeError
from oddscape.files import path_text
from oddscape.predicting.outcomes import Outcome
from oddscape.predicting.record import is_done
from oddscape.predicting.region_files import write_coco

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from oddscape.detector import Prediction
    from oddscape.predicting.inputs import Input, Inputs
    from oddscape.predicting.results import Results
    from oddscape.predicting.workers import Workers


def predict_pictures(workers: Workers, pictures: Iterable[Input], results: Results) -> Iterator[Outcome]:
    """Predict pictures and write the results, in order; a bad picture costs itself alone.

    Raises:
        OddscapeError: the disk refused, as when it is full.
    """

    def work(batch: list[Input]) -> list[Outcome]:
        return [_outcome(picture, found, results) for picture, found in _predicted(workers, batch, results)]

    return workers.in_batches(work, pictures)


def _predicted(
    workers: Workers, batch: list[Input], results: Results
) -> list[tuple[Input, Prediction | OddscapeError | None]]:
    """What a detector says about each picture; why it says nothing; None where it need not."""
    found: dict[Input, Prediction | OddscapeError | None] = {}
    images: dict[Input, NDArray[np.uint8]] = {}
    for picture in batch:
        if is_done(picture.path, results.files(picture), results.spans):
            found[picture] = None
            continue
        try:
            images[picture] = read_image(picture.path)
        except OddscapeError as error:
            found[picture] = error
    found.update(zip(images, workers.predict(list(images.values())), strict=True))
    return [(picture, found[picture]) for picture in batch]


def _outcome(picture: Input, found: Prediction | OddscapeError | None, results: Results) -> Outcome:
    if found is None:
        return Outcome(picture, was_done=True)
    if isinstance(found, OddscapeError):
        why = str(found) if str(picture.path) in str(found) else f"{picture.path}: {found}"
        return Outcome(picture, path_text(why))
    results.write(picture, found)
    return Outcome(picture)


def join_regions(inputs: Inputs, results: Results, failed: Container[Input]) -> tuple[int, Path]:
    """Bring the regions of all pictures together in one file, :func:`~.region_files.write_coco`.

    Args:
        inputs: the pictures.
        results: where the files of their regions lie.
        failed: pictures that are left out: of one that failed, a file of an earlier run may be left.

    Returns:
        The number of regions, and the file.

    Raises:
        OddscapeError: one of the files is damaged, or the disk refused.
    """

    def files() -> Iterator[Path]:
        of_pictures = (
            results.file(picture, "regions") for picture in inputs.pictures if picture not in failed
        )
        return (file for file in of_pictures if file.exists())

    assert results.out is not None
    path = results.out / "regions.json"
    return write_coco(path, files), path

"""Predictions of many pictures, written as files; what is done and whole is left as it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from oddscape.data import read_image
from oddscape.errors import OddscapeError
from oddscape.files import path_text, written_atomically
from oddscape.predicting.inputs import Input
from oddscape.predicting.kinds import KINDS, encoded
from oddscape.predicting.record import ANY_TIME, Spans, is_done
from oddscape.predicting.workers import Workers
from oddscape.score_files import SCORE_FORMATS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from oddscape.detector import Prediction
    from oddscape.score_files import ScoreWriter


@dataclass(frozen=True, eq=False)
class Results:
    """Where results go and which.

    Args:
        out: folder of files a picture or video; None: none are written.
        kinds: names in ``KINDS``, of pictures.
        video_kinds: names in ``KINDS``, of videos.
        boxes: whether overlays have a box around each region.
        writer: writes the scores for ``evaluate --scores-from``; None: they are not written.
        spans: when files in these folders were written that count as done.
    """

    out: Path | None
    kinds: tuple[str, ...]
    video_kinds: tuple[str, ...]
    boxes: bool
    writer: ScoreWriter | None
    spans: Spans = ANY_TIME

    def file(self, picture: Input, kind: str) -> Path:
        """Where what a kind says about a picture lies."""
        assert self.out is not None
        return self.out / f"{picture.name}_{kind}{KINDS[kind]}"

    def files(self, picture: Input) -> Iterator[Path]:
        """All files of a picture."""
        if self.out is not None:
            yield from (self.file(picture, kind) for kind in self.kinds)
        if self.writer is not None:
            yield self.writer.folder / f"{picture.scene}{SCORE_FORMATS[self.writer.format].suffix}"

    def write(self, picture: Input, prediction: Prediction) -> None:
        """Write all files of a picture, each whole or not at all.

        Raises:
            OddscapeError: the disk refused, as when it is full.
        """
        if self.out is not None:
            for kind in self.kinds:
                content = encoded(kind, prediction, path_text(picture.path.as_posix()), boxes=self.boxes)
                with written_atomically(self.file(picture, kind)) as partial:
                    partial.write_bytes(content)
        if self.writer is not None:
            self.writer.write(picture.scene, prediction.score)


@dataclass(frozen=True)
class Outcome:
    """What became of a picture or a video.

    Args:
        input: which.
        failure: why there are no results, in one line; "" where there are.
        was_done: whether an earlier run had done it.
    """

    input: Input
    failure: str = ""
    was_done: bool = False


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

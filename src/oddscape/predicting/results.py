"""Where the results of a run go, which they are, and what made them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from oddscape.errors import OddscapeError
from oddscape.files import path_text, written_atomically
from oddscape.legend import legend
from oddscape.predicting.kinds import KINDS, encoded, picture_kinds, video_kinds
from oddscape.predicting.outcomes import FAILURES
from oddscape.predicting.record import ANY_TIME, Spans, begin, common
from oddscape.score_files import SCORE_FORMATS

if TYPE_CHECKING:
    from oddscape.detector import Detector, Prediction
    from oddscape.predicting.inputs import Input
    from oddscape.score_files import ScoreWriter

_RECORD = "predict.json"


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

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that results go to."""
        scores = None if self.writer is None else self.writer.folder
        return tuple(folder for folder in (self.out, scores) if folder is not None)

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


def choose_results(
    detector: Detector,
    out: Path | None,
    writer: ScoreWriter | None,
    asked: Sequence[str] = (),
    *,
    boxes: bool = False,
    videos: bool = False,
) -> Results:
    """Choose what is written about what a detector says.

    Args:
        detector: it decides which kinds there can be.
        out: folder of files a picture or video; None: none are written.
        writer: of the scores alone; None: they are not written.
        asked: names in ``KINDS``; () for the usual ones.
        boxes: whether overlays have a box around each region.
        videos: whether there are any.

    Raises:
        OddscapeError: boxes or kinds that need a threshold where the detector has none, an unknown kind, or
            one that videos do not have.
    """
    decides = detector.threshold is not None
    if boxes and not decides:
        raise OddscapeError(
            "--boxes are drawn around anomalous regions, which need a threshold: give --threshold"
        )
    of_pictures = picture_kinds(asked, decides=decides)
    of_videos = video_kinds(asked, decides=decides) if videos else ()
    return Results(out, of_pictures, of_videos, boxes, writer)


def begin_results(
    results: Results, detector: Detector, pictures: Iterable[Path], every: int = 1, *, overwrite: bool = False
) -> Results:
    """Begin to write results into their folders, or go on there; with them goes a legend of the classes.

    Args:
        results: which.
        detector: whose.
        pictures: the folders that the names of pictures and videos begin in.
        every: of so many frames of a video the first is taken.
        overwrite: whether results of another detector, or of other options, count as not there.

    Returns:
        The results, which know when those files were written that count as done.

    Raises:
        OddscapeError: the results there have another maker, or the disk refused.
    """
    spans, pictures = ANY_TIME, tuple(pictures)
    scored_by = {
        "detector": detector.deciding_by(None).fingerprint,
        "score": detector.score.name,
        "size": detector.size,
    }
    if results.writer is not None:
        stored = {"format": results.writer.format, "dtype": results.writer.dtype}
        # Hidden, for all else in the folder are scores.
        record = results.writer.folder / f".{_RECORD}"
        spans = begin(record, scored_by | stored, pictures, overwrite=overwrite)
    if results.out is not None:
        decided_by = {"threshold": detector.threshold, "regions": str(detector.rules)}
        drawn_by = {"boxes": results.boxes, "every": every}
        made_by = scored_by | decided_by | drawn_by
        spans = common(spans, begin(results.out / _RECORD, made_by, pictures, overwrite=overwrite))
        (results.out / FAILURES).unlink(missing_ok=True)
        _write_legend(detector, results.out)
    return replace(results, spans=spans)


def _write_legend(detector: Detector, out: Path) -> None:
    with written_atomically(out / "legend.png") as partial:
        legend(detector.label_space, anomaly=detector.threshold is not None).save(partial, format="PNG")

"""``oddscape submission``: folders as SegmentMeIfYouCan and Fishyscapes take them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from oddscape.advance import Advance
from oddscape.commands.options import DetectorOptions
from oddscape.commands.progress import progress_bar
from oddscape.errors import OddscapeError

if TYPE_CHECKING:
    from oddscape.detector import Detector
    from oddscape.submission import Frame, SubmissionReport


def check(folder: Path, *, images: Path | None = None, kind: str | None = None) -> None:
    """Check a submission folder before it is sent; the exit status tells whether it is fit.

    Parameters
    ----------
    folder
        The submission, as in a folder that holds anomaly_p.
    images
        Folder of its pictures: frames must be the same, and every score map of its picture's size.
    kind
        smiyc or fishyscapes; by default what the files look like.
    """
    from oddscape.submission import check_submission

    _print(folder, check_submission(folder, kind, images))


def make(
    folder: Path,
    *,
    kind: str,
    pictures: Path,
    method: str = "",
    dataset: str = "",
    detector: DetectorOptions = DetectorOptions(),
) -> None:
    """Score a folder of pictures into a submission, and check it.

    A submission holds scores: thresholds and rules for regions are the benchmark's own matter.

    Parameters
    ----------
    folder
        Folder for the submission.
    kind
        smiyc or fishyscapes.
    pictures
        Folder of the pictures to score; those in folders below it are scored, too.
    method
        The method's name, for smiyc.
    dataset
        The data set's name, as in AnomalyTrack-all, for smiyc.
    """
    from oddscape.submission import check_submission, frames_folder, make_submission, pictures_by_id

    here, files = frames_folder(kind, folder, method, dataset), pictures_by_id(pictures)
    made, _ = detector.load()
    _check_classes(made, kind)
    with progress_bar("scoring") as advance:
        frames = _scored(made, files, advance)
        warning = make_submission(kind, folder, frames, method=method, dataset=dataset)
    if warning:
        Console(stderr=True).print(warning, soft_wrap=True, highlight=False, markup=False)
    _print(here, check_submission(here, kind, pictures))


def _check_classes(detector: Detector, kind: str) -> None:
    from oddscape.labels import CITYSCAPES
    from oddscape.submission import SUBMISSIONS

    known, asked = detector.label_space.num_classes, SUBMISSIONS[kind]
    if asked.segmentation and known != CITYSCAPES.num_classes:
        raise OddscapeError(
            f"{asked.title} takes Cityscapes' {CITYSCAPES.num_classes} classes; the network has {known}"
        )


def _scored(detector: Detector, files: dict[str, Path], advance: Advance) -> Iterator[Frame]:
    from oddscape.submission import Frame

    for done, (frame, file) in enumerate(files.items()):
        prediction = detector.predict(file)
        yield Frame(frame, prediction.score, prediction.classes)
        advance(done + 1, len(files))


def _print(folder: Path, report: SubmissionReport) -> None:
    from oddscape.submission import SUBMISSIONS

    title = SUBMISSIONS[report.kind].title
    table = Table(show_header=False, title=f"Submission to {title}")
    facts = [("folder", str(folder)), ("method", report.method), ("data sets", ", ".join(report.datasets))]
    facts.append(("score files", f"{report.files:,}"))
    for term, fact in facts:
        if fact:
            table.add_row(term, Text(fact))
    for problem in report.problems:
        table.add_row("problem", Text(problem, style="bold red"))
    for warning in report.warnings:
        table.add_row("warning", Text(warning, style="yellow"))
    Console().print(table)
    if report.problems:
        count = len(report.problems)
        raise OddscapeError(
            f"{folder}: unfit for {title}: {count} problem{'s' if count > 1 else ''} ({report.problems[0]})"
        )

"""``oddscape predict``: pictures and videos to class maps, anomaly maps, overlays and regions, and scores."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from cyclopts import Parameter, Token
from rich.console import Console

from oddscape.commands.options import DetectorOptions
from oddscape.commands.progress import progress_bar
from oddscape.errors import OddscapeError

if TYPE_CHECKING:
    from oddscape.predicting.inputs import Inputs
    from oddscape.predicting.outcomes import Outcome, Tally
    from oddscape.predicting.results import Results
    from oddscape.predicting.workers import Workers


def _kinds(_hint: Any, tokens: Sequence[Token]) -> tuple[str, ...]:
    return tuple(kind.strip() for token in tokens for kind in token.value.split(","))


KindsOption: TypeAlias = Annotated[
    tuple[str, ...], Parameter(converter=_kinds, n_tokens=1, metavar="KIND,…", show_default=False)
]


def predict(
    *pictures: Path,
    out: Path | None = None,
    write: KindsOption = (),
    boxes: bool = False,
    every: int = 1,
    scores_to: Path | None = None,
    score_format: str = "npy",
    score_dtype: Literal["float16", "float32"] | None = None,
    workers: int | None = None,
    batch: int = 1,
    overwrite: bool = False,
    detector: DetectorOptions = DetectorOptions(),
) -> None:
    """Write what a detector says about pictures and videos: class map, score, overlay, anomalous regions.

    The overlay shows anomalies where there is a threshold; without it, classes. Without --weights, --model or
    --detector, the detector that comes with Oddscape does it. Started again, it goes on where it ended: what
    is done and whole is left as it is; a video begins anew.

    Parameters
    ----------
    pictures
        Files, folders, which are looked through at any depth, or glob patterns in quotes. Videos (.mp4, .mkv,
        .avi, .mov, .webm) become .mp4 files with the same times, their regions JSON lines.
    out
        Folder for the results; ``predictions`` where nothing is said of it or of --scores-to.
    write
        Which results, with commas between them: classes and open-set (train ids as a PNG with colours),
        anomaly (black and white), score (.npy), heat, overlay, and regions (JSON with boxes, outlines, sizes
        and mean scores, and regions.json in COCO's format for all). By default all but anomaly, of videos
        overlay, heat and regions; open-set, anomaly and regions need a threshold.
    boxes
        Draw a box around each anomalous region into the overlay, with its mean score.
    every
        Take one of so many frames of a video; the others are left out.
    scores_to
        Folder for the scores alone, a file a picture, as ``evaluate --scores-from`` reads them: called as the
        picture, without ``_leftImg8bit`` or ``_rgb``.
    score_format
        Format of these: npy, npz, smiyc (HDF5), fishyscapes (npy) or png16 (16-bit greyscale with its scale).
    score_dtype
        Type of these; by default the format's own.
    workers
        Pictures worked on at once; by default as many as cores, at most 4, or 8 beside a GPU. Results do not
        depend on it.
    batch
        Pictures of one size that the network is shown at once, for a GPU; scores may then differ in the last
        digits.
    overwrite
        Replace results of another detector, or of other options, in these folders.
    """
    if out is None and scores_to is None:
        out = Path("predictions")
    _check(out, scores_to, every)

    from oddscape.predicting.inputs import find_inputs
    from oddscape.predicting.outcomes import Tally
    from oddscape.predicting.results import begin_results, choose_results
    from oddscape.predicting.workers import Workers
    from oddscape.score_files import ScoreWriter

    inputs = find_inputs(pictures, [folder for folder in (out, scores_to) if folder is not None])
    _check_videos(inputs, out)
    writer = None if scores_to is None else ScoreWriter(scores_to, score_format, score_dtype)
    loaded = detector.load_announced()
    results = choose_results(loaded, out, writer, write, boxes=boxes, videos=inputs.video_count > 0)
    most = inputs.picture_count if not inputs.video_count else None
    with _ended_by_sigterm(), Workers(loaded, workers, batch, most) as crew:
        results = begin_results(results, loaded, inputs.folders, every, overwrite=overwrite)
        tally = Tally()
        for outcome in chain(_pictures(crew, inputs, results), _videos(crew, inputs, results, every)):
            tally.add(outcome)
    _show(tally, inputs, results)


def _check(out: Path | None, scores_to: Path | None, every: int) -> None:
    if out is not None and scores_to is not None and out.resolve() == scores_to.resolve():
        raise OddscapeError(f"--out and --scores-to are both {out}: the scores need a folder of their own")
    if every < 1:
        raise OddscapeError(f"--every {every}: expected 1 or more")


def _check_videos(inputs: Inputs, out: Path | None) -> None:
    """Make sure that there is what videos need, before anything is done."""
    from oddscape.models.packages import load_package

    if inputs.video_count and out is None:
        video = next(inputs.videos)
        raise OddscapeError(f"--scores-to is for pictures, and {video.path} is a video: give --out, too")
    if inputs.video_count:
        load_package("av", "video")


def _pictures(crew: Workers, inputs: Inputs, results: Results) -> Iterator[Outcome]:
    from oddscape.predicting.pictures import predict_pictures

    with progress_bar("predicting") as advance:
        for done, outcome in enumerate(predict_pictures(crew, inputs.pictures, results), start=1):
            yield outcome
            advance(done, inputs.picture_count)


def _videos(crew: Workers, inputs: Inputs, results: Results, every: int) -> Iterator[Outcome]:
    from oddscape.predicting.videos import predict_video

    for video in inputs.videos:
        with progress_bar(video.path.name) as advance:
            yield predict_video(crew, video, results, advance, every)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let a request to end close everything as Ctrl-C does, so that nothing half-written stays behind."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _show(tally: Tally, inputs: Inputs, results: Results) -> None:
    """Tell what was done, and end in an error where something failed."""
    from oddscape.predicting.pictures import join_regions

    kinds = {
        "pictures": (inputs.picture_count, tally.failed_pictures),
        "videos": (inputs.video_count, tally.failed_videos),
    }
    said = ", ".join(f"{count - bad} of {count} {kind}" for kind, (count, bad) in kinds.items() if count)
    before = f" ({tally.done_before} done before)" if tally.done_before else ""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(f"{said}{before}: {' and '.join(map(str, results.folders))}")
    if inputs.picture_count and "regions" in results.kinds and results.out is not None:
        regions, file = join_regions(inputs, results, tally.failures)
        console.print(f"{regions} anomalous regions: {file}")
    if results.writer is not None and results.writer.warning:
        Console(stderr=True).print(results.writer.warning, soft_wrap=True, highlight=False, markup=False)
    if tally.failures:
        raise OddscapeError(tally.tell_failures(results.out))

"""``oddscape predict``: pictures and videos to class maps, anomaly maps, overlays and regions, and scores."""

from __future__ import annotations

import signal
import sys
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from cyclopts import Parameter, Token
from rich.console import Console

from oddscape.commands.options import DetectorOptions
from oddscape.commands.progress import progress_bar
from oddscape.errors import OddscapeError
from oddscape.weights.shipped import SHIPPED

if TYPE_CHECKING:
    from oddscape.detector import Detector
    from oddscape.predicting.inputs import Input, Inputs
    from oddscape.predicting.pictures import Outcome, Results
    from oddscape.predicting.record import Spans
    from oddscape.predicting.workers import Workers
    from oddscape.score_files import ScoreWriter

_SHOWN = 3  # so many pictures that failed are named
_RECORD, _FAILURES = "predict.json", "failures.txt"


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
    from oddscape.predicting.workers import Workers

    inputs = find_inputs(pictures, [folder for folder in (out, scores_to) if folder is not None])
    _check_videos(inputs, out)
    writer = _writer(scores_to, score_format, score_dtype)
    loaded = _asked_for(detector)
    results = _results(loaded, inputs, out, write, boxes, writer)
    most = inputs.picture_count if not inputs.video_count else None
    with _ended_by_sigterm(), Workers(loaded, workers, batch, most) as crew:
        begun = replace(results, spans=_begin(loaded, results, inputs, every, overwrite=overwrite))
        tally = _Tally()
        tally.add_all(_pictures(crew, inputs, begun))
        tally.add_all(_videos(crew, inputs, begun, every))
    _show(tally, inputs, begun)


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


def _writer(folder: Path | None, format: str, dtype: str | None) -> ScoreWriter | None:
    from oddscape.score_files import ScoreWriter

    return None if folder is None else ScoreWriter(folder, format, dtype)


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


def _results(
    detector: Detector,
    inputs: Inputs,
    out: Path | None,
    asked: tuple[str, ...],
    boxes: bool,
    writer: ScoreWriter | None,
) -> Results:
    from oddscape.predicting.kinds import picture_kinds, video_kinds
    from oddscape.predicting.pictures import Results

    decides = detector.threshold is not None
    if boxes and not decides:
        raise OddscapeError(
            "--boxes are drawn around anomalous regions, which need a threshold: give --threshold"
        )
    of_pictures = picture_kinds(asked, decides=decides)
    of_videos = video_kinds(asked, decides=decides) if inputs.video_count else ()
    return Results(out, of_pictures, of_videos, boxes, writer)


def _begin(detector: Detector, results: Results, inputs: Inputs, every: int, *, overwrite: bool) -> Spans:
    """Begin or go on in the folders of results; when files there were written that count as done."""
    from oddscape.predicting.record import ANY_TIME, begin, common

    spans = ANY_TIME
    facts = {
        "detector": detector.deciding_by(None).fingerprint,
        "score": detector.score.name,
        "size": detector.size,
    }
    if results.writer is not None:
        stored = {"format": results.writer.format, "dtype": results.writer.dtype}
        # Hidden, for all else in the folder are scores.
        record = results.writer.folder / f".{_RECORD}"
        spans = begin(record, facts | stored, inputs.folders, overwrite=overwrite)
    if results.out is not None:
        decision = {"threshold": detector.threshold, "regions": str(detector.rules)}
        drawn = {"boxes": results.boxes, "every": every}
        made_by = facts | decision | drawn
        spans = common(spans, begin(results.out / _RECORD, made_by, inputs.folders, overwrite=overwrite))
        (results.out / _FAILURES).unlink(missing_ok=True)
        _write_legend(detector, results.out)
    return spans


def _write_legend(detector: Detector, out: Path) -> None:
    from oddscape.files import written_atomically
    from oddscape.legend import legend

    with written_atomically(out / "legend.png") as partial:
        legend(detector.label_space, anomaly=detector.threshold is not None).save(partial, format="PNG")


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


@dataclass
class _Tally:
    """What became of pictures and videos."""

    failures: list[str] = field(default_factory=list)
    failed: set[Input] = field(default_factory=set)
    of_videos: int = 0
    done_before: int = 0

    def add_all(self, outcomes: Iterator[Outcome]) -> None:
        for outcome in outcomes:
            self.done_before += outcome.was_done
            if outcome.failure:
                self.failures.append(outcome.failure)
                self.failed.add(outcome.input)
                self.of_videos += outcome.input.is_video


def _show(tally: _Tally, inputs: Inputs, results: Results) -> None:
    """Tell what was done, and end in an error where something failed."""
    writer, console = results.writer, Console(soft_wrap=True, highlight=False, markup=False)
    folders = (results.out, writer and writer.folder)
    where = " and ".join(str(folder) for folder in folders if folder is not None)
    kinds = {
        "pictures": (inputs.picture_count, len(tally.failures) - tally.of_videos),
        "videos": (inputs.video_count, tally.of_videos),
    }
    said = ", ".join(f"{count - bad} of {count} {kind}" for kind, (count, bad) in kinds.items() if count)
    before = f" ({tally.done_before} done before)" if tally.done_before else ""
    console.print(f"{said}{before}: {where}")
    if inputs.picture_count and "regions" in results.kinds and results.out is not None:
        console.print(_bring_regions_together(inputs, results, results.out, tally.failed))
    if writer is not None and writer.warning:
        Console(stderr=True).print(writer.warning, soft_wrap=True, highlight=False, markup=False)
    if tally.failures:
        raise OddscapeError(_in_short(tally.failures, results.out))


def _bring_regions_together(inputs: Inputs, results: Results, out: Path, failed: Container[Input]) -> str:
    from oddscape.predicting.region_files import write_coco

    def files() -> Iterator[Path]:
        # Of a picture that failed, one of an earlier run may be left.
        mine = (results.file(picture, "regions") for picture in inputs.pictures if picture not in failed)
        return (file for file in mine if file.exists())

    regions = write_coco(out / "regions.json", files)
    return f"{regions} anomalous regions: {out / 'regions.json'}"


def _in_short(failures: Sequence[str], out: Path | None) -> str:
    """The first failures in a line; where there are more, all of them go to a file, too."""
    from oddscape.files import written_atomically

    more = f"; and {len(failures) - _SHOWN} more" if failures[_SHOWN:] else ""
    if more and out is not None:
        with written_atomically(out / _FAILURES) as partial:
            partial.write_text("\n".join(failures) + "\n", encoding="utf-8")
        more += f", in {out / _FAILURES}"
    return "; ".join(failures[:_SHOWN]) + more

"""Predictions of a video: videos again, frame for frame, and the regions of each frame."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np

from oddscape.errors import OddscapeError
from oddscape.files import path_text, written_atomically
from oddscape.predicting.inputs import Input
from oddscape.predicting.kinds import drawn
from oddscape.predicting.outcomes import Outcome
from oddscape.predicting.record import is_done
from oddscape.predicting.region_files import described
from oddscape.predicting.video_files import Frame, VideoError, VideoFacts, opened_video, written_video
from oddscape.predicting.workers import Workers
from oddscape.report.heat import robust_range

if TYPE_CHECKING:
    from oddscape.advance import Advance
    from oddscape.detector import Prediction
    from oddscape.predicting.results import Results

REGIONS = "regions"
"""The kind that is a file of JSON lines, not a video."""

_MEMORY = 0.95  # of the heat map's range for that of the frames before: it does not flicker


def predict_video(
    workers: Workers, video: Input, results: Results, advance: Advance, every: int = 1
) -> Outcome:
    """Predict a video's frames, in order; a bad video costs itself alone.

    Of each kind but ``regions`` there is an .mp4 file with the frames' own times; ``regions`` is a file of
    JSON lines, one a frame: its number, its time in seconds and its regions.

    Args:
        workers: who predict.
        video: which.
        results: where they go and which.
        advance: told how many frames are done.
        every: of so many frames the first is taken.

    Raises:
        OddscapeError: the disk refused, as when it is full.
    """
    assert results.out is not None
    files = video_files(results.out, video, results.video_kinds)
    if is_done(video.path, files.values(), results.spans):
        return Outcome(video, was_done=True)
    try:
        with opened_video(video.path) as (facts, frames), ExitStack() as stack:
            sinks = _Sinks(stack, files, replace(facts, rate=facts.rate / every))
            taken = (frame for frame in frames if frame.number % every == 0)
            for frame, prediction in _predicted(workers, taken, video.path):
                sinks.add(frame, prediction, boxes=results.boxes)
                advance(frame.number + 1, max(frame.number + 1, facts.frames or 0))
    except VideoError as error:
        return Outcome(video, path_text(str(error)))
    return Outcome(video)


def video_files(out: Path, video: Input, kinds: Iterable[str]) -> dict[str, Path]:
    """Where what each kind says about a video lies."""
    ending = {kind: ".jsonl" if kind == REGIONS else ".mp4" for kind in kinds}
    return {kind: out / f"{video.name}_{kind}{ending[kind]}" for kind in ending}


def _predicted(workers: Workers, frames: Iterable[Frame], path: Path) -> Iterator[tuple[Frame, Prediction]]:
    def work(batch: list[Frame]) -> Iterable[tuple[Frame, Prediction | OddscapeError]]:
        return zip(batch, workers.predict([frame.image for frame in batch]), strict=True)

    for frame, found in workers.in_batches(work, frames):
        if isinstance(found, OddscapeError):
            raise VideoError(f"{path}: frame {frame.number}: {found}")
        yield frame, found


class _Sinks:
    """The files that a video's predictions go to, open until the video ends."""

    def __init__(self, stack: ExitStack, files: Mapping[str, Path], facts: VideoFacts) -> None:
        self._time_base = facts.time_base
        self._videos = {
            kind: stack.enter_context(written_video(file, facts))
            for kind, file in files.items()
            if kind != REGIONS
        }
        self._lines: TextIO | None = None
        if REGIONS in files:
            partial = stack.enter_context(written_atomically(files[REGIONS]))
            self._lines = stack.enter_context(partial.open("w", encoding="utf-8"))
        self._heat_range: tuple[float, float] | None = None

    def add(self, frame: Frame, prediction: Prediction, *, boxes: bool) -> None:
        """Put a frame at the end of all."""
        for kind, video in self._videos.items():
            heat_range = self._steady_range(prediction) if kind == "heat" else None
            picture = drawn(kind, prediction, boxes=boxes, heat_range=heat_range)
            video.add(np.asarray(picture.convert("RGB")), frame.pts)
        if self._lines is not None:
            regions = [described(region) for region in prediction.regions]
            time = float(frame.pts * self._time_base)
            self._lines.write(json.dumps({"frame": frame.number, "time": time, "regions": regions}) + "\n")

    def _steady_range(self, prediction: Prediction) -> tuple[float, float]:
        """The scores of the heat map's ends, which follow those of the frames slowly."""
        low, high = robust_range(prediction.score)
        before = self._heat_range or (low, high)
        self._heat_range = (
            _MEMORY * before[0] + (1 - _MEMORY) * low,
            _MEMORY * before[1] + (1 - _MEMORY) * high,
        )
        return self._heat_range

"""Writing a submission folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oddscape.errors import OddscapeError
from oddscape.files import written_atomically
from oddscape.score_files import ScoreWriter
from oddscape.score_files.hdf5 import TOP_FOLDER
from oddscape.score_files.numpy_files import encode_npy
from oddscape.sizes import Size
from oddscape.submission.kinds import SEGMENTATION_SUFFIX, SubmissionKind, find_kind


@dataclass(frozen=True, eq=False)
class Frame:
    """What is submitted for one picture.

    Args:
        id: the frame's id, which its file bears.
        score: floats [H, W], higher = more anomalous.
        classes: uint8 [H, W], Cityscapes' train ids 0 … 18, or 255; Fishyscapes alone wants them.
    """

    id: str
    score: NDArray[np.floating]
    classes: NDArray[np.uint8] | None = None


def make_submission(
    kind: str, folder: Path, frames: Iterable[Frame], *, method: str = "", dataset: str = ""
) -> str:
    """Write a submission folder, file by file, each whole or not at all.

    Args:
        kind: a name in ``SUBMISSIONS``.
        folder: the folder to write into; for SMIYC, what will hold ``anomaly_p``.
        frames: what to submit; taken one by one.
        method: the method's name; SMIYC alone needs it.
        dataset: the data set's name, as in ``"AnomalyTrack-all"``; SMIYC alone needs it.

    Returns:
        One line on the scores that the stored type merges or overflows; ``""`` where it loses nothing.

    Raises:
        OddscapeError: an unknown kind, a name that is none, a frame that is not as asked for, or a disk that
            refuses.
    """
    asked = find_kind(kind)
    here = frames_folder(kind, folder, method, dataset)
    writer = ScoreWriter(here, asked.format)
    for frame in frames:
        _check_frame(frame, asked)
        writer.write(frame.id, frame.score)
        if asked.segmentation and frame.classes is not None:
            with written_atomically(here / f"{frame.id}{SEGMENTATION_SUFFIX}") as partial:
                partial.write_bytes(encode_npy(frame.classes))
    return writer.warning


def frames_folder(kind: str, folder: Path, method: str = "", dataset: str = "") -> Path:
    """Where a submission's files lie: ``anomaly_p/<method>/<dataset>`` for SMIYC, else the folder itself.

    Raises:
        OddscapeError: an unknown kind; a method or data set of SMIYC's without a name that a folder can have.
    """
    if not find_kind(kind).nested:
        return folder
    for what, name in (("method", method), ("data set", dataset)):
        if not name or "/" in name or name.startswith("."):
            raise OddscapeError(f"{name!r} is no name for the {what}: it names a folder in {TOP_FOLDER}")
    return folder / TOP_FOLDER / method / dataset


def _check_frame(frame: Frame, asked: SubmissionKind) -> None:
    if asked.size:
        _check_size(f"{frame.id}: the score", frame.score.shape, asked.size)
    if asked.segmentation and frame.classes is None:
        raise OddscapeError(f"{frame.id}: {asked.title} wants its classes beside the score")
    if asked.segmentation and frame.classes is not None:
        _check_size(f"{frame.id}: the class map", frame.classes.shape, frame.score.shape)


def _check_size(what: str, shape: tuple[int, ...], size: Size | tuple[int, ...]) -> None:
    if shape != size:
        raise OddscapeError(f"{what} has shape {list(shape)}, expected {list(size)}")

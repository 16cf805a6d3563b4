"""Checking a submission folder before it is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oddscape.data.files import read_image
from oddscape.errors import OddscapeError
from oddscape.labels import CITYSCAPES, IGNORED
from oddscape.score_files import SCORE_FORMATS, saturation
from oddscape.score_files.folder import reason
from oddscape.score_files.hdf5 import COMPRESSION, TOP_FOLDER, compression
from oddscape.score_files.numpy_files import decode_npy
from oddscape.sizes import Size, format_size
from oddscape.submission.kinds import SEGMENTATION_SUFFIX, SUBMISSIONS, SubmissionKind, find_kind
from oddscape.submission.pictures import pictures_by_id

_SHOWN = 3


@dataclass(frozen=True)
class SubmissionReport:
    """What a check found.

    Args:
        kind: a name in ``SUBMISSIONS``.
        method: the method's name in SMIYC's layout, else empty.
        datasets: names of the data sets in SMIYC's layout, else empty.
        files: number of score files.
        problems: what makes the folder unfit, a line each.
        warnings: what the benchmark takes and may yet be a mistake, a line each.
    """

    kind: str
    method: str
    datasets: tuple[str, ...]
    files: int
    problems: tuple[str, ...]
    warnings: tuple[str, ...]


class _Finding(NamedTuple):
    """One thing about one frame; findings of many frames that say the same become one line."""

    unfit: bool
    what: str
    frame: str


def check_submission(
    folder: str | Path, kind: str | None = None, images: str | Path | None = None
) -> SubmissionReport:
    """Check a submission folder: names, sizes, types, compression, and scores that say little.

    Args:
        folder: the submission; of SMIYC's layout any level from the one that holds ``anomaly_p`` down.
        kind: a name in ``SUBMISSIONS``; None: the files tell.
        images: folder of the pictures that it is about; None: frames and sizes are not compared with them.

    Raises:
        OddscapeError: an unknown kind, no score files at all, or pictures beside several data sets.
    """
    # Of a relative folder the levels above it say where in the layout it lies.
    top = Path(folder).resolve()
    kind = kind or _kind_of(top)
    asked = find_kind(kind)
    files = _score_files(top, asked)
    places = sorted({place for file in files if (place := _place(file))}) if asked.nested else []
    if images is not None and len(places) > 1:
        several = ", ".join(map("/".join, places))
        raise OddscapeError(f"{folder} holds {several}: of several, give the folder of one with its pictures")
    pictures = pictures_by_id(Path(images)) if images is not None else None
    findings = [*_layout(files, places, asked), *_frames(files, asked, pictures)]
    return SubmissionReport(
        kind=kind,
        method=", ".join(sorted({method for method, _ in places})),
        datasets=tuple(dataset for _, dataset in places),
        files=len(files),
        problems=_lines(finding for finding in findings if finding.unfit),
        warnings=_lines(finding for finding in findings if not finding.unfit),
    )


# ── Names and folders ───────────────────────────────────────────────────────────────────────────────────────


def _kind_of(top: Path) -> str:
    for name, asked in SUBMISSIONS.items():
        if _listed(top, asked):
            return name
    expected = " or ".join(f"*{asked.suffix} ({name})" for name, asked in SUBMISSIONS.items())
    raise OddscapeError(f"{top}: no submission; expected files {expected}")


def _score_files(top: Path, asked: SubmissionKind) -> list[Path]:
    if not (files := _listed(top, asked)):
        raise OddscapeError(f"{top}: no submission to {asked.title}; expected files *{asked.suffix}")
    return files


def _listed(top: Path, asked: SubmissionKind) -> list[Path]:
    found = (top.rglob if asked.nested else top.glob)(f"*{asked.suffix}")
    return sorted(file for file in found if not file.name.startswith("."))


def _place(file: Path) -> tuple[str, str] | None:
    """Method and data set of a file in SMIYC's layout; None outside it."""
    *_, top, method, dataset, _ = ("", "", "", *file.parts)
    return (method, dataset) if top == TOP_FOLDER else None


def _layout(files: list[Path], places: list[tuple[str, str]], asked: SubmissionKind) -> Iterator[_Finding]:
    if not asked.nested:
        return
    for file in files:
        if _place(file) is None:
            yield _Finding(True, f"not in {TOP_FOLDER}/<method>/<dataset>", file.stem)
    methods = sorted({method for method, _ in places})
    if len(methods) > 1:
        yield _Finding(True, "more than one method in a submission", ", ".join(methods))
    for dataset in sorted({dataset for _, dataset in places} - set(asked.datasets)):
        yield _Finding(
            False, f"no data set that {asked.title} asks for ({', '.join(asked.datasets)})", dataset
        )


# ── Frames ──────────────────────────────────────────────────────────────────────────────────────────────────


def _frames(files: list[Path], asked: SubmissionKind, pictures: dict[str, Path] | None) -> Iterator[_Finding]:
    ids = {file.name.removesuffix(asked.suffix): file for file in files}
    if pictures is not None:
        yield from (_Finding(True, "no score file", frame) for frame in pictures if frame not in ids)
        yield from (_Finding(True, "no such picture", frame) for frame in ids if frame not in pictures)
    for file in files:
        frame = file.name.removesuffix(asked.suffix)
        size = asked.size
        if pictures and frame in pictures and not size:
            height, width = read_image(pictures[frame]).shape[:2]
            size = (height, width)
        yield from (_Finding(unfit, what, frame) for unfit, what in _frame(file, frame, asked, size))


def _frame(file: Path, frame: str, asked: SubmissionKind, size: Size | None) -> Iterator[tuple[bool, str]]:
    """What is wrong with one frame's files, and whether it makes them unfit."""
    try:
        content = file.read_bytes()
        score = SCORE_FORMATS[asked.format].decode(content)
    except OddscapeError:
        raise
    except Exception as error:  # a decoder may raise anything on a damaged file
        yield True, f"no readable score file ({reason(error)})"
        return
    yield from _score(score, asked, size)
    if asked.format == "smiyc" and (found := compression(content)) != COMPRESSION:
        yield False, f"compression {found} instead of {COMPRESSION}"
    if asked.segmentation:
        yield from _segmentation(file.with_name(frame + SEGMENTATION_SUFFIX), asked.size)


def _score(score: NDArray[Any], asked: SubmissionKind, size: Size | None) -> Iterator[tuple[bool, str]]:
    if str(score.dtype) not in asked.dtypes:
        yield True, f"scores of type {score.dtype}, expected {' or '.join(asked.dtypes)}"
    yield from _shape(score, "score", size)
    if score.dtype.kind != "f" or not score.size:
        return
    if not np.isfinite(score).all():
        yield from _not_finite(score)
    elif score.min() == score.max():
        yield False, "constant scores"
    elif said := saturation(score):
        yield False, said


def _shape(array: NDArray[Any], what: str, size: Size | None) -> Iterator[tuple[bool, str]]:
    if array.ndim != 2 or not array.size:
        yield True, f"{what} of shape {list(array.shape)}, expected [height, width]"
    elif size and array.shape == size[::-1] and array.shape != size:
        yield True, f"{what} transposed: [width, height] instead of [height, width]"
    elif size and array.shape != size:
        height, width = array.shape
        yield True, f"{what} is {format_size((height, width))}, expected {format_size(size)}"
    elif not size and array.shape[0] > array.shape[1]:
        yield False, f"{what} higher than wide: is it transposed?"


def _not_finite(score: NDArray[np.floating]) -> Iterator[tuple[bool, str]]:
    if np.isnan(score).any():
        yield True, "NaN scores"
    if np.isinf(score).any():
        largest = np.finfo(score.dtype).max
        yield True, f"infinite scores: beyond ±{largest:g} a {score.dtype} overflows"


def _segmentation(file: Path, size: Size | None) -> Iterator[tuple[bool, str]]:
    if not file.is_file():
        yield True, f"no *{SEGMENTATION_SUFFIX}"
        return
    try:
        classes = decode_npy(file.read_bytes())
    except Exception as error:  # a decoder may raise anything on a damaged file
        yield True, f"no readable *{SEGMENTATION_SUFFIX} ({reason(error)})"
        return
    yield from _shape(classes, "segmentation", size)
    if classes.dtype.kind not in "ui":
        yield True, f"segmentation of type {classes.dtype}, expected integers"
        return
    allowed = [*range(CITYSCAPES.num_classes), IGNORED]
    if strange := sorted(set(np.unique(classes).tolist()) - set(allowed)):
        yield (
            True,
            f"segmentation holds {strange[:_SHOWN]}, expected train ids 0 to {allowed[-2]}, or {IGNORED}",
        )


def _lines(findings: Iterable[_Finding]) -> tuple[str, ...]:
    """One line for all frames of which the same is said."""
    frames: dict[str, list[str]] = {}
    for finding in findings:
        frames.setdefault(finding.what, []).append(finding.frame)
    return tuple(
        f"{what}: " + (f"{len(names)} frames, " if len(names) > 1 else "") + _some(names)
        for what, names in frames.items()
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")

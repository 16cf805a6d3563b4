"""What made the results in a folder, so that a run goes on where another one ended and never mixes two."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from oddscape.errors import OddscapeError
from oddscape.files import path_text, remove_abandoned, written_atomically
from oddscape.version import __version__

_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_NEVER = 2**63  # beyond all times of files

Spans = tuple[range, ...]
"""Times, in nanoseconds since 1970, in which files were written that count as results."""

ANY_TIME: Spans = (range(_NEVER),)


def begin(
    record: Path, made_by: Mapping[str, Any], pictures: Iterable[Path] = (), *, overwrite: bool
) -> Spans:
    """Begin to write results into a folder, or go on with it.

    What a killed run left half-written is removed. Pictures of several folders may be called alike, so the
    record also tells from when on the pictures of which folders were predicted.

    Args:
        record: the file in the folder that tells what made its results; it is written where there is none.
        made_by: what results depend on, as JSON has it.
        pictures: the folders that the pictures' names begin in.
        overwrite: whether results of another maker count as not there.

    Returns:
        The times of such results of these pictures in the folder.

    Raises:
        OddscapeError: the results there have another maker, or the disk refused.
    """
    if record.exists():
        remove_abandoned(record.parent)
    runs = _runs(record, made_by) if record.exists() and not overwrite else []
    folders = sorted({path_text(folder) for folder in pictures})
    if not runs or runs[-1]["pictures"] != folders:
        runs = _with_run(record, made_by, runs, folders)
    ends = [*(run["since"] for run in runs[1:]), _NEVER]
    return tuple(
        range(run["since"], end) for run, end in zip(runs, ends, strict=True) if run["pictures"] == folders
    )


def common(some: Spans, others: Spans) -> Spans:
    """The times that are in both."""
    return tuple(
        range(max(one.start, other.start), min(one.stop, other.stop)) for one in some for other in others
    )


def is_done(picture: Path, files: Iterable[Path], spans: Spans) -> bool:
    """Whether all files of a picture are there, whole, younger than it, and written in one of some spans."""
    try:
        taken = picture.stat().st_mtime_ns
        return all(_is_of(file.stat().st_mtime_ns, taken, spans) and _is_whole(file) for file in files)
    except OSError:
        return False


def _is_of(written: int, taken: int, spans: Spans) -> bool:
    return written >= taken and any(written in span for span in spans)


def _with_run(
    record: Path, made_by: Mapping[str, Any], runs: list[dict[str, Any]], folders: list[str]
) -> list[dict[str, Any]]:
    """Write a record with a further run, which begins now by the clock of the disk; all runs."""
    with written_atomically(record) as partial:
        partial.touch()
        runs = [*runs, {"since": partial.stat().st_mtime_ns, "pictures": folders}]
        said = json.dumps({"oddscape": __version__, **made_by, "runs": runs}, indent=1, ensure_ascii=False)
        partial.write_text(said + "\n", encoding="utf-8")
    return runs


def _runs(record: Path, made_by: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The runs that a record tells of, each of the same maker."""
    try:
        said = json.loads(record.read_text(encoding="utf-8"))
        runs: list[dict[str, Any]] = said.get("runs", [])
        differences = _differences(said, json.loads(json.dumps(made_by)))
    except (OSError, ValueError, AttributeError):
        runs, differences = [], [f"{record.name} is damaged"]
    if differences:
        raise OddscapeError(
            f"{record.parent} holds results of another detector or other options ({', '.join(differences)}): "
            "give another folder, or --overwrite"
        )
    return runs


def _differences(said: Mapping[str, Any], made_by: Mapping[str, Any]) -> list[str]:
    """In which facts a record differs from what is about to be done, as ``"threshold 1, now 2"``."""
    return [
        name if name == "detector" else f"{name} {_word(said.get(name))}, now {_word(fact)}"
        for name, fact in made_by.items()
        if said.get(name) != fact
    ]


def _word(fact: Any) -> str:
    return fact if isinstance(fact, str) else json.dumps(fact)


def _is_whole(file: Path) -> bool:
    """Whether a file was not cut off, as far as its end or its header tell."""
    if file.suffix == ".png":
        return _end(file, len(_PNG_END)) == _PNG_END
    if file.suffix == ".npy":
        try:
            np.load(file, mmap_mode="r")
        except (ValueError, OSError, EOFError):
            return False
        return True
    if file.suffix == ".npz":
        return zipfile.is_zipfile(file)
    if file.suffix in (".json", ".jsonl"):
        return _end(file, 2) == b"}\n"
    return file.stat().st_size > 0


def _end(file: Path, count: int) -> bytes:
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - count))
        return opened.read()

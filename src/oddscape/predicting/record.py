"""What made the results in a folder, so that a run goes on where another one ended and never mixes two."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from oddscape.errors import OddscapeError
from oddscape.files import remove_abandoned, written_atomically
from oddscape.version import __version__

_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"


def begin(record: Path, made_by: Mapping[str, Any], *, overwrite: bool) -> int:
    """Begin to write results into a folder, or go on with it.

    What a killed run left half-written is removed.

    Args:
        record: the file in the folder that tells what made its results; it is written where there is none.
        made_by: what results depend on, as JSON has it.
        overwrite: whether results of another maker count as not there.

    Returns:
        The time from which on files in the folder are such results, in nanoseconds since 1970.

    Raises:
        OddscapeError: the results there have another maker, or the disk refused.
    """
    if record.exists():
        remove_abandoned(record.parent)
    if overwrite or not record.exists():
        said = json.dumps({"oddscape": __version__, **made_by}, indent=1, ensure_ascii=False)
        with written_atomically(record) as partial:
            partial.write_text(said + "\n", encoding="utf-8")
    elif differences := _differences(record, made_by):
        raise OddscapeError(
            f"{record.parent} holds results of another detector or other options ({', '.join(differences)}): "
            "give another folder, or --overwrite"
        )
    return record.stat().st_mtime_ns


def is_done(picture: Path, files: Iterable[Path], since: int) -> bool:
    """Whether all files of a picture are there, whole, and younger than the picture and a time."""
    try:
        since = max(since, picture.stat().st_mtime_ns)
        return all(file.stat().st_mtime_ns >= since and _is_whole(file) for file in files)
    except OSError:
        return False


def _differences(record: Path, made_by: Mapping[str, Any]) -> list[str]:
    """In which facts a record differs from what is about to be done, as ``"threshold 1, now 2"``."""
    try:
        said = json.loads(record.read_text(encoding="utf-8"))
        return [
            name if name == "detector" else f"{name} {_word(said.get(name))}, now {_word(fact)}"
            for name, fact in made_by.items()
            if said.get(name) != fact
        ]
    except (OSError, ValueError, AttributeError):
        return [f"{record.name} is damaged"]


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

"""Pictures without labels, wherever they lie."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from oddscape.data.dataset import Dataset, Entry
from oddscape.data.layout import PICTURE_SUFFIXES, existing, natural_order
from oddscape.data.truth import Truth
from oddscape.errors import OddscapeError

_EXPECTED = "expected a folder of pictures, or a glob pattern as in 'drives/*/front_*.jpg'"
_MAGIC = re.compile(r"[*?\[]")


def plain_pictures(sources: Sequence[Path]) -> Dataset:
    """Find pictures without labels.

    Each is named by its path below the folder, after the number of the source where there are several.

    Args:
        sources: folders, which are looked through at any depth, or glob patterns. Hidden files and folders
            are left out.

    Raises:
        OddscapeError: a folder that is missing, or a source without pictures.
    """
    entries: list[Entry] = []
    for number, source in enumerate(sources):
        folder, pattern = _folder_and_pattern(source)
        below = f"{number}/" if len(sources) > 1 else ""
        found = list(_pictures(folder, pattern))
        if not found:
            raise OddscapeError(f"no picture ({', '.join(PICTURE_SUFFIXES)}) in {source}")
        entries += [Entry(f"{below}{path.relative_to(folder).as_posix()}", path) for path in found]
    return Dataset("inliers", None, tuple(entries), _no_truth)


def _folder_and_pattern(source: Path) -> tuple[Path, str]:
    """The folder that a glob pattern begins in, and the rest of it; of a folder, everything below."""
    if source.is_dir():
        return source, "**/*"
    plain = next((n for n, part in enumerate(source.parts) if _MAGIC.search(part)), None)
    if plain is None:
        return existing(source, _EXPECTED), ""
    return existing(Path(*source.parts[:plain]), _EXPECTED), "/".join(source.parts[plain:])


def _pictures(folder: Path, pattern: str) -> Iterator[Path]:
    files = [path for path in folder.glob(pattern) if path.suffix.lower() in PICTURE_SUFFIXES]
    for path in sorted(files, key=lambda path: [natural_order(Path(part)) for part in path.parts]):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _no_truth(path: Path, _size: tuple[int, int]) -> Truth:
    raise OddscapeError(f"{path}: pictures without labels have no label file")

"""What is to be predicted: pictures and videos, from files, folders and glob patterns."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from oddscape.data.layout import ANY_PICTURE_SUFFIXES, natural_order
from oddscape.errors import OddscapeError
from oddscape.submission import frame_id

VIDEO_SUFFIXES = (".mp4", ".mkv", ".avi", ".mov", ".webm")

_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Input:
    """A picture or a video.

    Args:
        path: its file.
        name: what its results are called: its path below the folder that was given, without suffix, as in
            ``"munich/12"``; of a file that was given itself, its name.
    """

    path: Path
    name: str

    @property
    def is_video(self) -> bool:
        """Whether it is a video, by its suffix."""
        return self.path.suffix.lower() in VIDEO_SUFFIXES

    @property
    def scene(self) -> str:
        """The name as the data sets call their scenes: without ``_leftImg8bit`` and ``_rgb``."""
        return Path(self.name).with_name(frame_id(self.path)).as_posix()


@dataclass(frozen=True)
class Inputs:
    """Pictures and videos, in order; folders are read again each time, so that memory holds no list of them.

    Args:
        sources: files, folders, which are looked through at any depth, and glob patterns.
        apart: folders that are left out, such as those of the results.
        picture_count: how many pictures there are.
        video_count: how many videos there are.
    """

    sources: tuple[Path, ...]
    apart: frozenset[Path]
    picture_count: int = 0
    video_count: int = 0

    def __iter__(self) -> Iterator[Input]:
        for source in self.sources:
            yield from _found(source, self.apart)

    @property
    def folders(self) -> frozenset[Path]:
        """The folders, resolved, that the names of pictures and videos begin in."""
        return frozenset(_beginning(source).resolve() for source in self.sources)

    @property
    def pictures(self) -> Iterator[Input]:
        """The pictures alone."""
        return (found for found in self if not found.is_video)

    @property
    def videos(self) -> Iterator[Input]:
        """The videos alone."""
        return (found for found in self if found.is_video)


def find_inputs(sources: Sequence[Path], apart: Iterable[Path] = ()) -> Inputs:
    """Find pictures and videos, and count them.

    Args:
        sources: files, folders and glob patterns. Hidden files and folders are left out.
        apart: folders of results, which are no input.

    Raises:
        OddscapeError: there are none, the results of two would share files, or a source is in a folder of
            results.
    """
    inputs = Inputs(tuple(sources), frozenset(folder.resolve() for folder in apart))
    for source in sources:
        if source.is_dir() and inputs.apart & {source.resolve(), *source.resolve().parents}:
            raise OddscapeError(f"{source} is where the results go: they need a folder of their own")
    names: set[str] = set()
    counts = Counter[bool]()
    for found in inputs:
        if found.scene in names:
            raise OddscapeError(f"2 pictures are called {found.scene!r}: their results would share files")
        names.add(found.scene)
        counts[found.is_video] += 1
    if not names:
        raise OddscapeError(f"no pictures in {', '.join(map(str, sources)) or 'an empty list'}")
    return replace(inputs, picture_count=counts[False], video_count=counts[True])


def _found(source: Path, apart: frozenset[Path]) -> Iterator[Input]:
    if source.is_dir():
        yield from _below(source, apart)
    elif _is_pattern(source):
        yield from _matching(source, apart)
    else:
        yield Input(source, source.stem)


def _is_pattern(source: Path) -> bool:
    return _MAGIC.search(str(source)) is not None and not source.exists()


def _beginning(source: Path) -> Path:
    """The folder that the names of what a source gives begin in."""
    if source.is_dir():
        return source
    if not _is_pattern(source):
        return source.parent
    return next(folder for folder in source.parents if folder.is_dir())


def _below(folder: Path, apart: frozenset[Path]) -> Iterator[Input]:
    for parent, folders, files in os.walk(folder, onerror=_refuse):
        here = Path(parent)
        folders[:] = [name for name in _ordered(folders) if (here / name).resolve() not in apart]
        for name in _ordered(files):
            path = here / name
            if _is_input(path):
                yield _named(path, folder)


def _refuse(error: OSError) -> NoReturn:
    raise OddscapeError(f"cannot read {error.filename}: {error.strerror or error}") from None


def _matching(pattern: Path, apart: frozenset[Path]) -> Iterator[Input]:
    """The files that a glob pattern matches, named by their paths below the folder that it begins in."""
    folder = _beginning(pattern)
    matches = (path for path in folder.glob(pattern.relative_to(folder).as_posix()) if _is_input(path))
    for path in sorted(matches, key=lambda path: [natural_order(Path(part)) for part in path.parts]):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and not apart.intersection(path.resolve().parents):
            yield _named(path, folder)


def _is_input(path: Path) -> bool:
    return path.suffix.lower() in (*ANY_PICTURE_SUFFIXES, *VIDEO_SUFFIXES)


def _named(path: Path, folder: Path) -> Input:
    return Input(path, path.relative_to(folder).with_suffix("").as_posix())


def _ordered(names: Iterable[str]) -> list[str]:
    visible = (name for name in names if not name.startswith("."))
    return sorted(visible, key=lambda name: natural_order(Path(name)))

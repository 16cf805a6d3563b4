"""Getting a data set: fetch its archives, unpack them, and put what they hold into its folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from oddscape.data.sources import Archive, source_of
from oddscape.data.unpack import unpacked
from oddscape.errors import OddscapeError
from oddscape.fetch import BytesDone, fetch, silent

Begin = Callable[[str], BytesDone]
"""Called with what begins; gives what is told how far that is."""


def _silently(_what: str) -> BytesDone:
    return silent


def get(
    name: str,
    directory: str | Path,
    *,
    mirror: str | None = None,
    keep_archives: bool = False,
    progress: Begin = _silently,
) -> Path:
    """Download a data set into a folder; what is there already is neither fetched nor unpacked again.

    Args:
        name: a name in :data:`~oddscape.data.sources.SOURCES`.
        directory: the data set's folder; made where missing.
        mirror: address of a folder that holds the archives (see :func:`oddscape.fetch.fetch`).
        keep_archives: leave the archives in the folder.
        progress: called with each step that begins; gives what is called with the bytes done.

    Returns:
        The data set's folder.

    Raises:
        OddscapeError: the name is unknown; the data set is got by hand, and how; an archive cannot be
            fetched, is not the expected one, or does not unpack; the folder holds half of the data set.
    """
    directory, source = Path(directory), source_of(name)
    if source.by_hand:
        raise OddscapeError(f"{name} is got by hand: {source.by_hand.format(directory=directory)}")
    for archive in source.archives:
        if not all((directory / folder).is_dir() for folder in archive.gives):
            _get_archive(archive, directory, mirror, keep_archives, progress)
    return directory


def _get_archive(
    archive: Archive, directory: Path, mirror: str | None, keep_archive: bool, progress: Begin
) -> None:
    _require_free({folder.partition("/")[0] for folder in archive.gives}, directory, archive)
    name = archive.file.name
    path = fetch(archive.file, directory, mirror=mirror, progress=progress(f"fetching {name}"))
    with unpacked(path, inside=archive.inside, progress=progress(f"unpacking {name}")) as contents:
        _move_in(contents, directory, archive)
    if not keep_archive:
        path.unlink()


def _move_in(contents: Path, directory: Path, archive: Archive) -> None:
    """Move an archive's contents into the folder, but only if they are as expected and nothing is there."""
    if missing := [folder for folder in archive.gives if not (contents / folder).is_dir()]:
        raise OddscapeError(
            f"{directory / archive.file.name} holds no {', '.join(missing)}: its layout has changed; "
            f"unpack it by hand, so that {directory} holds {', '.join(archive.gives)}"
        )
    entries = list(contents.iterdir())
    _require_free({entry.name for entry in entries if entry.is_dir()}, directory, archive)
    for entry in entries:
        entry.replace(directory / entry.name)


def _require_free(folders: set[str], directory: Path, archive: Archive) -> None:
    if taken := sorted(folder for folder in folders if (directory / folder).exists()):
        raise OddscapeError(
            f"{directory} holds {', '.join(taken)} already, but not all of {', '.join(archive.gives)}: "
            "move that away, or get the data set into another folder"
        )

"""Unpacking archives that others made: nothing lands outside, and nothing half-done stays behind."""

from __future__ import annotations

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from oddscape.errors import OddscapeError
from oddscape.fetch import BytesDone, megabytes, require_space, silent

MOST_EXPANSION = 100
"""An archive that would unpack to more than so many times its size is refused; pictures hardly shrink."""

_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError)
_CHUNK = 1 << 20
_LONGEST_CHAIN = 8


@dataclass(frozen=True)
class _Member:
    """A file in an archive."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]


@contextmanager
def unpacked(archive: Path, *, inside: str = "", progress: BytesDone = silent) -> Iterator[Path]:
    """Give a temporary folder beside a zip or tar archive with what it holds.

    The folder is removed when the block ends, however it ends: move out of it what is to stay. All names
    are looked at before the first file is written. A link in a tar becomes a copy of the file in the archive
    that it points to, so no link is ever made.

    Args:
        archive: a zip, or a tar that is plain or compressed by gzip, bzip2 or xz.
        inside: the folder in the archive to unpack, as in ``"set-1.0/images"``; the rest is left out.
        progress: called with the bytes written.

    Raises:
        OddscapeError: the file is no archive or is broken; a member would land outside, is a device, or is a
            link that points outside; it would unpack to more than :data:`MOST_EXPANSION` times its size; the
            disk is full.
    """
    folder = archive.with_name(f".{archive.name}.unpacking")
    try:
        # What is there was left by a process that could not clean up.
        shutil.rmtree(folder, ignore_errors=True)
        try:
            with ExitStack() as stack:
                _write(_checked(archive, _members(archive, stack)), folder, inside, progress)
        except _BROKEN as error:
            raise OddscapeError(f"{archive} is broken: {error}; remove it and fetch it again") from error
        except OSError as error:
            raise OddscapeError(f"cannot unpack {archive}: {error.strerror or error}") from error
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _members(archive: Path, stack: ExitStack) -> list[_Member]:
    if zipfile.is_zipfile(archive):
        return _zip_members(archive, stack.enter_context(zipfile.ZipFile(archive)))
    if tarfile.is_tarfile(archive):
        return _tar_members(archive, stack.enter_context(tarfile.open(archive)))
    raise OddscapeError(f"{archive} is no zip or tar archive; remove it and fetch it again")


def _zip_members(archive: Path, opened: zipfile.ZipFile) -> list[_Member]:
    files = [info for info in opened.infolist() if not info.is_dir()]
    for info in files:
        if stat.S_ISLNK(info.external_attr >> 16):
            raise _refusal(archive, info.filename, "is a link")
    return [_Member(info.filename, info.file_size, partial(opened.open, info)) for info in files]


def _tar_members(archive: Path, opened: tarfile.TarFile) -> list[_Member]:
    infos = {_collapsed(PurePosixPath(info.name)): info for info in opened.getmembers()}
    files = [info for info in infos.values() if not info.isdir()]
    targets = [(info.name, _followed(archive, infos, info)) for info in files]
    return [_Member(name, target.size, partial(_tar_file, opened, target)) for name, target in targets]


def _followed(archive: Path, infos: Mapping[str, tarfile.TarInfo], link: tarfile.TarInfo) -> tarfile.TarInfo:
    """The file that a link leads to, within the archive; any other file itself."""
    target = link
    for _ in range(_LONGEST_CHAIN):
        if not (target.issym() or target.islnk()):
            break
        beside = PurePosixPath(target.name).parent if target.issym() else PurePosixPath()
        place = _collapsed(beside / target.linkname)
        if place not in infos:
            raise _refusal(archive, link.name, f"is a link to {target.linkname!r}, which is not in it")
        target = infos[place]
    if not target.isreg():
        raise _refusal(archive, link.name, "is no file, folder or link to a file")
    return target


def _collapsed(path: PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def _tar_file(opened: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = opened.extractfile(info)
    assert file is not None, "extractfile gives None for what is no file alone"
    return file


def _checked(archive: Path, members: Sequence[_Member]) -> Sequence[_Member]:
    for member in members:
        path = PureWindowsPath(member.name)
        if path.anchor or not path.parts or ".." in path.parts:
            raise _refusal(archive, member.name, "would land outside the folder")
    total, most = sum(member.size for member in members), MOST_EXPANSION * archive.stat().st_size
    if total > most:
        raise OddscapeError(
            f"{archive} would unpack to {megabytes(total)}, more than {MOST_EXPANSION} times its size"
        )
    return members


def _write(members: Sequence[_Member], folder: Path, inside: str, progress: BytesDone) -> None:
    wanted = [(place, member) for member in members if (place := _place(member, inside)) is not None]
    total, done = sum(member.size for _, member in wanted), 0
    require_space(folder.parent, total)
    folder.mkdir()
    for place, member in wanted:
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        with member.open() as source, path.open("wb") as target:
            shutil.copyfileobj(source, target, _CHUNK)
        done += member.size
        progress(done, total)


def _place(member: _Member, inside: str) -> PurePosixPath | None:
    """Where a member goes in the folder; None for what is not asked for, and for macOS's own records."""
    path = PurePosixPath(member.name.replace("\\", "/"))
    if path.parts[0] == "__MACOSX" or not path.is_relative_to(inside):
        return None
    return path.relative_to(inside)


def _refusal(archive: Path, member: str, reason: str) -> OddscapeError:
    return OddscapeError(f"{archive} is not unpacked: {member!r} {reason}")

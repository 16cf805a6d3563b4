"""Listing pictures one by one, without ever holding all of their names, and sharing them out."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Self

from oddscape.data.layout import ANY_PICTURE_SUFFIXES
from oddscape.errors import OddscapeError

STANDARD_INPUT = Path("-")


@dataclass(frozen=True)
class Shard:
    """One of several parts that share out pictures by a hash of their paths.

    A picture is in the same shard whichever machine asks and in whatever order it lists its folders.

    Args:
        number: from 1.
        count: of all shards.

    Raises:
        OddscapeError: a number beyond 1 … count.
    """

    number: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise OddscapeError(f"shard {self}: expected I/N with I from 1 to N, as in 1/8")

    @classmethod
    def parsed(cls, text: str) -> Self:
        """Read ``"I/N"``.

        Raises:
            OddscapeError: anything else.
        """
        number, slash, count = text.partition("/")
        if not (slash and number.isdecimal() and count.isdecimal()):
            raise OddscapeError(f"shard {text!r}: expected I/N with I from 1 to N, as in 1/8")
        return cls(int(number), int(count))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def takes(self, path: str) -> bool:
        """Whether a picture is in this shard."""
        if self.count == 1:
            return True
        digest = blake2b(os.fsencode(path), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.number - 1


WHOLE = Shard()
"""All pictures."""


def require_sources(sources: Sequence[Path], lists: Sequence[Path]) -> None:
    """Make sure that folders, files and lists are there before the long work begins.

    Raises:
        OddscapeError: none are given, or one is missing.
    """
    if not (sources or lists):
        raise OddscapeError("no pictures given: expected folders, picture files or --list FILE")
    for source in sources:
        if not source.exists():
            raise OddscapeError(f"{source}: no such folder or picture")
    for file in lists:
        if file != STANDARD_INPUT and not file.is_file():
            raise OddscapeError(f"--list {file}: no such file; expected one path of a picture a line")


def listed(sources: Sequence[Path], lists: Sequence[Path]) -> Iterator[str]:
    """List pictures: those of folders, at any depth, in the order in which the disk has them.

    Hidden files and folders are left out, and links to folders are not followed. Files that are named, here
    or in a list, are taken whatever they end in and whether they are there or not. Names in a list may begin
    and end with spaces; empty lines are passed over.

    Args:
        sources: folders and picture files.
        lists: text files with a path a line, as seen from the current folder; ``-``: the standard input.

    Raises:
        OddscapeError: a folder that cannot be read.
    """
    for source in sources:
        yield from _below(str(source)) if source.is_dir() else [str(source)]
    for file in lists:
        yield from _lines(file)


def _below(folder: str) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    yield from _below(entry.path)
                elif entry.name.lower().endswith(ANY_PICTURE_SUFFIXES):
                    yield entry.path
    except OSError as error:
        raise OddscapeError(f"cannot read {folder}: {error.strerror or error}") from None


def _lines(file: Path) -> Iterator[str]:
    # As bytes, for names of files need not be text.
    with nullcontext(sys.stdin.buffer) if file == STANDARD_INPUT else file.open("rb") as lines:
        names = (line.removesuffix(b"\n").removesuffix(b"\r") for line in lines)
        yield from (os.fsdecode(name) for name in names if name)

"""From the stores of all shards to one ranking, the same whatever the number of shards."""

from __future__ import annotations

import heapq
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import tee
from pathlib import Path
from typing import Self

from oddscape.errors import OddscapeError
from oddscape.mining.facts import RANKINGS, PictureFacts
from oddscape.mining.listing import Shard
from oddscape.mining.near_duplicates import DISTANCE, repeated
from oddscape.mining.scoring import Mined
from oddscape.mining.settings import MiningSettings
from oddscape.mining.store import StoredShard, store_path

_NAME = re.compile(r"\d+-of-(\d+)\.sqlite")


@dataclass(frozen=True)
class RankedPicture:
    """A picture in its place.

    Args:
        rank: from 1.
        path: of the picture, as it was listed.
        facts: what was found in it.
        duplicate_of: rank of the picture that it repeats; None: it repeats none.
    """

    rank: int
    path: str
    facts: PictureFacts
    duplicate_of: int | None


@dataclass(frozen=True)
class MinedShards:
    """All shards of a mining, finished and of the same settings.

    Args:
        shards: their stores, in the order of their numbers.
        settings: what they are of.
    """

    shards: tuple[StoredShard, ...]
    settings: MiningSettings

    @classmethod
    def found(cls, folder: Path) -> Self:
        """Find the shards below the folder of a mining.

        Raises:
            OddscapeError: there are none, they are of several numbers of shards, some are missing, or not
                finished, or they differ in their settings.
        """
        count = shard_count(folder)
        if count is None:
            raise OddscapeError(f"{folder} holds no shards of oddscape mine: expected {folder}/shards")
        shards = tuple(StoredShard(store_path(folder, Shard(n + 1, count))) for n in range(count))
        missing = [number for number, shard in enumerate(shards, 1) if not shard.path.is_file()]
        if missing:
            raise OddscapeError(
                f"{folder} lacks {_shards(missing, count)}: mine {'them' if missing[1:] else 'it'} first"
            )
        about = [shard.about() for shard in shards]
        for number, (settings, _) in enumerate(about[1:], 2):
            about[0][0].require(settings, f"{folder}: shard 1/{count}, unlike {number}/{count},")
        unfinished = [number for number, (_, finished) in enumerate(about, 1) if not finished]
        if unfinished:
            raise OddscapeError(f"{folder}: {_shards(unfinished, count)} not finished: mine on, then merge")
        return cls(shards, about[0][0])

    def count(self) -> int:
        """How many pictures they hold, those that could not be scored among them."""
        return sum(shard.count() for shard in self.shards)

    def ranked(self, ranking: str = "region", distance: int = DISTANCE) -> Iterator[RankedPicture]:
        """Rank the pictures that were scored, highest figure first, equal ones in the order of their paths.

        Args:
            ranking: one of ``RANKINGS``.
            distance: pictures are near-duplicates whose hashes differ in at most so many bits; below 0: none.
        """
        figure = RANKINGS[ranking]
        streams = (shard.ranked(ranking) for shard in self.shards)
        merged = heapq.merge(*streams, key=lambda it: (-getattr(it.facts, figure), os.fsencode(it.path)))
        pictures, hashed = tee((it.path, it.facts) for it in merged if it.facts is not None)
        repeats = repeated((facts.picture_hash for _, facts in hashed), distance)
        for rank, ((path, facts), earlier) in enumerate(zip(pictures, repeats, strict=True), 1):
            yield RankedPicture(rank, path, facts, None if earlier is None else earlier + 1)

    def failed(self) -> Iterator[Mined]:
        """The pictures that could not be scored, in the order of their paths."""
        streams = (shard.failed() for shard in self.shards)
        yield from heapq.merge(*streams, key=lambda it: os.fsencode(it.path))


def shard_count(folder: Path) -> int | None:
    """How many shards a mining shares its pictures out to; None where none was begun.

    Raises:
        OddscapeError: several minings were begun in one folder.
    """
    names = (_NAME.fullmatch(file.name) for file in (folder / "shards").glob("*.sqlite"))
    counts = {int(name.group(1)) for name in names if name}
    if len(counts) > 1:
        kinds = " and of ".join(map(str, sorted(counts)))
        raise OddscapeError(f"{folder}/shards holds shards of {kinds}: remove those that are not wanted")
    return counts.pop() if counts else None


def _shards(numbers: list[int], count: int) -> str:
    shown = ", ".join(f"{number}/{count}" for number in numbers[:8])
    more = f" and {len(numbers) - 8} more" if numbers[8:] else ""
    return f"shard{'s' if numbers[1:] else ''} {shown}{more}"

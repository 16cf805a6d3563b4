"""Mining a shard: its pictures are listed, scored and kept, and those that were kept before are passed by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from oddscape.data.layout import ANY_PICTURE_SUFFIXES
from oddscape.errors import OddscapeError
from oddscape.mining.listing import WHOLE, Shard, listed
from oddscape.mining.merging import shard_count
from oddscape.mining.scoring import score_pictures
from oddscape.mining.settings import MiningSettings
from oddscape.mining.stamps import Stamp
from oddscape.mining.store import ShardStore, store_path

if TYPE_CHECKING:
    from oddscape.detector import Detector


@dataclass
class ShardCounts:
    """How far a shard is.

    Args:
        scored: pictures that were scored now.
        failed: pictures that could not be scored.
        known: pictures that an earlier run had scored.
        unlisted: pictures of the run before that are not listed any more; told at the end.
    """

    scored: int = 0
    failed: int = 0
    known: int = 0
    unlisted: int = 0

    def __str__(self) -> str:
        known = [f"{self.known:,} known from before"] if self.known else []
        failed = [f"{self.failed:,} failed"] if self.failed else []
        unlisted = [f"{self.unlisted:,} not listed any more"] if self.unlisted else []
        return ", ".join([f"{self.scored:,} scored", *known, *failed, *unlisted])


def mine_shard(
    detector: Detector,
    folder: Path,
    sources: Sequence[Path],
    lists: Sequence[Path] = (),
    shard: Shard = WHOLE,
    *,
    readers: int = 2,
    advance: Callable[[ShardCounts], None] = lambda _: None,
) -> ShardCounts:
    """Score the pictures of a shard and keep what is found below ``folder``; go on where an earlier run was.

    A picture that an earlier run scored is known by its path, and is not scored again unless the size of its
    file or the time of its last change is another; one that could not be scored is tried again; what is not
    listed any more belongs to no result. What is in memory does not grow with the number of pictures.

    Args:
        detector: with a threshold.
        folder: of the mining.
        sources: folders and picture files.
        lists: text files with a path a line.
        shard: which share of the pictures.
        readers: threads beside the network's.
        advance: told how far the shard is after every picture.

    Raises:
        OddscapeError: no pictures, no threshold, an earlier run with other settings, or a disk that refuses.
    """
    settings = MiningSettings.of(detector, (*sources, *lists))
    require_count(folder, shard)
    paths = _some(listed(sources, lists), settings.pictures)
    counts = ShardCounts()

    def known(path: str) -> bool:
        held = store.retain(path, Stamp.of(path))
        if held:
            counts.known += 1
            advance(counts)
        return held

    with ShardStore(store_path(folder, shard), settings) as store:
        wanted = (path for path in paths if shard.takes(path) and not known(path))
        for mined in score_pictures(detector, wanted, readers):
            store.add(mined)
            counts.failed += bool(mined.error)
            counts.scored += not mined.error
            advance(counts)
        counts.unlisted = store.finish()
    return counts


def require_count(folder: Path, shard: Shard) -> None:
    """Make sure that a folder was not begun with another number of shards.

    Raises:
        OddscapeError: it was.
    """
    begun = shard_count(folder)
    if begun not in (None, shard.count):
        asked = "one process" if shard.count == 1 else f"{shard.count} shards"
        of = "one process alone" if begun == 1 else f"{begun} shards"
        raise OddscapeError(f"{folder} was begun by {of}, not by {asked}: go on so, or give another --out")


def _some(paths: Iterator[str], given: Sequence[str]) -> Iterator[str]:
    """The same paths, of which there is one."""
    first = next(paths, None)
    if first is None:
        raise OddscapeError(f"no pictures ({', '.join(ANY_PICTURE_SUFFIXES)}) in {', '.join(given)}")
    return chain([first], paths)

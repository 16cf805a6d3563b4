"""``oddscape mine``: many pictures ranked by what is anomalous in them, without near-duplicates."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from oddscape.commands.options import DetectorOptions
from oddscape.commands.progress import progress_bar
from oddscape.errors import OddscapeError

if TYPE_CHECKING:
    from oddscape.mining.listing import Shard
    from oddscape.mining.outcome import Mining
    from oddscape.mining.shards import ShardCounts
    from oddscape.processes import Processes
    from oddscape.regions import Box

_SHOWN = 10  # pictures in the terminal


def mine(
    *pictures: Path,
    lists: Annotated[tuple[Path, ...], Parameter(name="--list", allow_leading_hyphen=True)] = (),
    out: Path = Path("mined"),
    shard: str | None = None,
    merge: bool = False,
    rank_by: Literal["region", "pixels", "mean"] = "region",
    keep: int = 200,
    distance: int = 12,
    table: tuple[Literal["csv", "parquet"], ...] = ("csv",),
    readers: int = 2,
    detector: DetectorOptions = DetectorOptions(),
) -> None:
    """Rank many pictures by what is anomalous in them: a table of all, a gallery and a list of the first.

    Started again, a run scores what is new, what has changed (by the size of the file and the time of its
    last change) and what could not be scored, and leaves out what is not listed any more; so an interrupted
    one goes on where it was. Started by ``torchrun``, several processes share the pictures; by hand, several
    machines do with --shard, and --merge brings together what they found. The result is the same. Without
    --weights, --model or --detector, the detector that comes with Oddscape does it.

    Parameters
    ----------
    pictures
        Folders, which are looked through at any depth, or picture files. A picture goes by its path as it is
        found from here: give all shards the same.
    lists
        Text file with a picture's path a line, spaces included, as seen from the current folder; ``-`` reads
        the standard input. May be given several times.
    out
        Folder for the tables, the gallery, the list, and what each shard has found so far.
    shard
        I/N: score the I-th of N shares of the pictures alone, as in 1/8, and write no result yet.
    merge
        Score nothing: write the result of what is in --out, as after the last shard, or with another
        --rank-by, --keep, --distance or --table.
    rank_by
        ``region``: by how strongly and coherently a region is anomalous: the mean excess of its score over
        the threshold, times the square root of its thickness as a share of the picture. ``pixels``: by the
        share of anomalous pixels. ``mean``: by the mean score.
    keep
        How many pictures the gallery shows and shortlist.txt lists, without near-duplicates of higher ones.
    distance
        Two pictures are near-duplicates whose hashes differ in at most so many of 128 bits; -1: none are.
    table
        Kind of ranking.csv or ranking.parquet; may be given several times. Parquet needs the extra ``mine``.
    readers
        Threads that decode pictures and describe regions while the network works.
    """
    _check(keep, readers, table)
    if merge:
        _refuse_beside_merge(pictures, lists, shard, detector)
    elif not _scored(pictures, lists, out, shard, readers, detector):
        return

    from oddscape.mining.results import write_results

    with progress_bar("ranking") as advance:
        done = write_results(
            out, ranking=rank_by, keep=keep, distance=distance, tables=table, advance=advance
        )
    _show(done, out, rank_by, table)
    if done.errors:
        left = done.failed - len(done.errors)
        more = f"; and {left} more, at the end of {out / f'ranking.{table[0]}'}" if left else ""
        raise OddscapeError("; ".join(done.errors) + more)


def _scored(
    pictures: tuple[Path, ...],
    lists: tuple[Path, ...],
    out: Path,
    asked: str | None,
    readers: int,
    options: DetectorOptions,
) -> bool:
    """Score this process's share of the pictures; whether it is this process's to bring all together."""
    from oddscape.mining.listing import require_sources
    from oddscape.mining.shards import mine_shard, require_count
    from oddscape.processes import Processes

    require_sources(pictures, lists)
    processes = Processes.joined()
    shard = _shard(asked, lists, processes)
    require_count(out, shard)
    detector = options.load_announced(tell=processes.is_main)
    total = partial(_count, pictures, lists, shard)
    with _progress(total, shown=processes.is_main) as advance:
        done = mine_shard(detector, out, pictures, lists, shard, readers=readers, advance=advance)
    if asked is not None:
        _print(f"shard {shard}: {done}; oddscape mine --merge --out {out} when all {shard.count} are done")
        return False
    unlisted = done.unlisted + sum(it.unlisted for it in processes.others(done))  # each has finished its own
    if unlisted and processes.is_main:
        them = "1 picture is" if unlisted == 1 else f"{unlisted:,} pictures are"
        _print(f"{them} not listed any more, and left out")
    return processes.is_main


def _shard(asked: str | None, lists: Sequence[Path], processes: Processes) -> Shard:
    from oddscape.mining.listing import STANDARD_INPUT, Shard

    if asked is None:
        if processes.count > 1 and STANDARD_INPUT in lists:
            raise OddscapeError("--list - is for one process: several cannot read one standard input")
        return Shard(processes.number + 1, processes.count)
    if processes.count > 1:
        raise OddscapeError("--shard is for processes that do not know each other: leave it out here")
    return Shard.parsed(asked)


def _refuse_beside_merge(
    pictures: Sequence[Path], lists: Sequence[Path], shard: str | None, options: DetectorOptions
) -> None:
    if pictures or lists or shard or options != DetectorOptions():
        raise OddscapeError("--merge scores nothing: leave out pictures, --list, --shard and the detector")


def _check(keep: int, readers: int, tables: Sequence[str]) -> None:
    from oddscape.models.packages import load_package

    if keep < 0:
        raise OddscapeError(f"--keep {keep}: expected 0 or more")
    if readers < 1:
        raise OddscapeError(f"--readers {readers}: expected 1 or more")
    if "parquet" in tables:
        load_package("pyarrow", "mine")


@contextmanager
def _progress(total: Callable[[], int | None], *, shown: bool) -> Iterator[Callable[[ShardCounts], None]]:
    """Show on a terminal how many pictures are done, and how fast; of how many, once they are counted."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    disabled = not (shown and console.is_terminal)
    with Progress(*columns, console=console, transient=True, disable=disabled) as bar:
        task, began = bar.add_task("mining", total=None), time.monotonic()
        if not disabled:
            Thread(target=lambda: bar.update(task, total=total()), daemon=True).start()

        def advance(counts: ShardCounts) -> None:
            now = counts.scored + counts.failed
            rate = f"mining, {now / (time.monotonic() - began):.3g} pictures/s"
            failed = f", {counts.failed:,} failed" if counts.failed else ""
            bar.update(task, completed=now + counts.known, description=rate + failed)

        yield advance


def _count(pictures: Sequence[Path], lists: Sequence[Path], shard: Shard) -> int | None:
    """How many pictures there are; None where that cannot be told without taking them away."""
    from oddscape.mining.listing import STANDARD_INPUT, listed

    if STANDARD_INPUT in lists:
        return None
    with suppress(OddscapeError):  # whoever scores them says so
        return sum(1 for path in listed(pictures, lists) if shard.takes(path))
    return None


def _show(done: Mining, out: Path, ranking: str, tables: Sequence[str]) -> None:
    console = Console()
    console.print(_table(done, ranking))
    repeated = f", {done.repeated:,} of them near-duplicates" if done.repeated else ""
    failed = f", {done.failed:,} could not be scored" if done.failed else ""
    files = [*(f"ranking.{kind}" for kind in tables), "gallery.html", "shortlist.txt"]
    _print(
        f"{done.ranked:,} pictures ranked{repeated}{failed}: {', '.join(str(out / file) for file in files)}"
    )


def _table(done: Mining, ranking: str) -> Table:
    """The first pictures, and of each the region that stands out most."""
    from oddscape.files import path_text
    from oddscape.mining.facts import RANKINGS

    figure = RANKINGS[ranking]
    table = Table("", figure.replace("_", " "), "alike", "region", "its mean", "picture", box=None)
    for column in table.columns[:-1]:
        column.justify, column.no_wrap = "right", True
    for it in done.first[:_SHOWN]:
        region = next(iter(it.facts.leading), None)
        table.add_row(
            str(it.rank),
            f"{getattr(it.facts, figure):.3f}",
            f"{done.alike[it.rank]:,}",
            "" if region is None else _size_words(region.box),
            "" if region is None else f"{region.mean_score:.2f}",
            Text(path_text(it.path), overflow="fold"),
        )
    return table


def _size_words(box: Box) -> str:
    return f"{box.right - box.left}x{box.bottom - box.top}"


def _print(text: str) -> None:
    Console().print(text, soft_wrap=True, highlight=False, markup=False)

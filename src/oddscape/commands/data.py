"""``oddscape data``: get a data set, check it, and list those that there are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from oddscape.commands.options import reader_option
from oddscape.commands.progress import progress_bar
from oddscape.errors import OddscapeError
from oddscape.labels import spans
from oddscape.sizes import format_size

if TYPE_CHECKING:
    from oddscape.data.check import CheckReport
    from oddscape.data.download import Begin
    from oddscape.fetch import BytesDone

# So many files, sizes and values in labels are listed one by one.
_FILES_SHOWN, _SIZES_SHOWN, _VALUES_SHOWN = 20, 5, 20


def get(name: str, directory: Path, *, mirror: str | None = None, keep_archives: bool = False) -> None:
    """Download a public data set, and say where to register for another; a broken download goes on.

    Parameters
    ----------
    name
        Name of the data set (oddscape data list).
    directory
        Folder for the data set.
    mirror
        Address of a folder that holds the archives under their own names; $ODDSCAPE_MIRROR otherwise.
    keep_archives
        Leave the archives in the folder.
    """
    from oddscape.data.download import get as get_data_set

    with byte_bars() as begin:
        get_data_set(name, directory, mirror=mirror, keep_archives=keep_archives, progress=begin)
    Console().print(f"{name}: {directory}\nnext: oddscape data check {name} {directory}", soft_wrap=True)


def list_() -> None:
    """List the data sets: what each is, how it is got, and its terms."""
    from oddscape.data.sources import SOURCES

    table = Table(title="Data sets", show_lines=True)
    for column in ("name", "what it is", "how it is got", "licence"):
        table.add_column(column, overflow="fold")
    for name, source in SOURCES.items():
        table.add_row(
            name, source.title, "by hand" if source.by_hand else "oddscape data get", source.licence
        )
    console = Console()
    console.print(table)
    for name, source in SOURCES.items():
        if source.by_hand:
            how = escape(source.by_hand.format(directory="DIR"))
            console.print(f"{name}: {how}", soft_wrap=True, highlight=False)


def check(name: str, directory: Path, *, reader: tuple[str, ...] = ()) -> None:
    """Look through a data set: what is there, what is missing or broken, and how to put it right.

    Parameters
    ----------
    name
        Name of the data set (oddscape data list), or masks for pictures and masks of one's own.
    directory
        Folder of the data set.
    reader
        An option of the data set's reader as NAME=VALUE, as in split=train; may be given several times.
    """
    from oddscape.data.check import check as look_through

    options = dict(reader_option(text) for text in reader)
    with progress_bar(f"checking {name}") as advance:
        report = look_through(name, directory, progress=advance, **options)
    console = Console()
    console.print(_overview(report))
    if report.labels:
        console.print(_label_table(report))
    for line in _details(report):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    if report.problems:
        count = "1 problem" if len(report.problems) == 1 else f"{len(report.problems)} problems"
        raise OddscapeError(f"{name} in {directory}: {count}")


def _overview(report: CheckReport) -> Table:
    table = Table(title=escape(f"{report.name} in {report.directory}"), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    expected = "" if report.expected is None else f" of {report.expected} expected"
    table.add_row("layout found", escape(report.packaging) or "the only one in use")
    table.add_row("pictures", f"{report.pictures}{expected}")
    table.add_row("with labels", f"{report.with_truth}")
    table.add_row("sizes", _sizes(report))
    if report.folds:
        table.add_row("folds", "\n".join(f"{fold}: {count}" for fold, count in report.folds.items()))
    table.add_row("recordings", f"{report.sequences or 'none named: each picture stands for itself'}")
    if any(label.meaning == "anomaly" for label in report.labels):
        table.add_row("anomalous", f"{report.anomalous_share:.2%} of the pixels that count")
    return table


def _sizes(report: CheckReport) -> str:
    sizes = sorted(report.sizes.items(), key=lambda item: -item[1])
    lines = [f"{format_size(size)}: {count}" for size, count in sizes[:_SIZES_SHOWN]]
    return "\n".join(
        [*lines, f"and {len(sizes) - len(lines)} other sizes"] if sizes[_SIZES_SHOWN:] else lines
    )


def _label_table(report: CheckReport) -> Table:
    table = Table(title="Values in the label files")
    for column in ("value", "meaning", "pixels", "share"):
        table.add_column(column, justify="left" if column == "meaning" else "right", overflow="fold")
    total = sum(label.pixels for label in report.labels)
    for values, meaning, pixels in _label_rows(report):
        table.add_row(spans(values), meaning, f"{pixels:,}", f"{pixels / total:.3%}")
    return table


def _label_rows(report: CheckReport) -> list[tuple[list[int], str, int]]:
    """A row for each value; where there are many, for all values of one meaning."""
    rows: dict[object, tuple[list[int], str, int]] = {}
    for label in report.labels:
        meaning = label.meaning if label.name in ("", label.meaning) else f"{label.meaning}: {label.name}"
        key = meaning if len(report.labels) > _VALUES_SHOWN else label.value
        values, _, pixels = rows.get(key, ([], meaning, 0))
        rows[key] = ([*values, label.value], meaning, pixels + label.pixels)
    return list(rows.values())


def _details(report: CheckReport) -> Iterator[str]:
    if report.labels and report.never_seen:
        yield f"values that occur in no label file: {spans(report.never_seen)}"
    for title, lines in (("missing", report.missing), ("unusable", report.broken)):
        yield from (f"{title}: {line}" for line in lines[:_FILES_SHOWN])
        if len(lines) > _FILES_SHOWN:
            yield f"{title}: {len(lines) - _FILES_SHOWN} more"
    yield from (f"problem: {problem}" for problem in report.problems)
    if not report.problems:
        yield "no problem found"


@contextmanager
def byte_bars() -> Iterator[Begin]:
    """Show a bar of bytes on a terminal for each step that begins while the block runs."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:

        def begin(what: str) -> BytesDone:
            task = bars.add_task(what, total=None)
            return lambda done, total: bars.update(task, completed=done, total=total)

        yield begin

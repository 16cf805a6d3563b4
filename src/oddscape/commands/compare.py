"""``oddscape compare``: results files side by side, with paired differences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from oddscape.errors import OddscapeError
from oddscape.published import published_under
from oddscape.report.comparison import difference_tables, published_tables
from oddscape.report.differences import find_baseline
from oddscape.report.sections import Section, sections
from oddscape.report.table import results_tables
from oddscape.results import Results

if TYPE_CHECKING:
    from oddscape.illustrations import Gallery

Block = list[Table | Text]
"""What is printed together."""


def compare(
    *files: Path, baseline: str | None = None, published: bool = False, report: Path | None = None
) -> None:
    """Put results files side by side, with paired differences against a baseline.

    Figures under different protocols, of different data or with different overrides cannot be compared:
    they get tables of their own, and a line says so.

    Parameters
    ----------
    files
        Results files, as ``oddscape evaluate --out`` writes them.
    baseline
        The row against which differences are shown: MODEL or MODEL:SCORE; by default the first row.
    published
        Show figures that others published near each protocol, in tables of their own.
    report
        Folder for a page of tables, curves and the pictures that lie beside the results files, where
        ``oddscape evaluate --report`` left them.
    """
    if not files:
        raise OddscapeError("give one or more results files, as `oddscape evaluate --out FILE` writes them")
    if twice := [file for file, count in Counter(file.resolve() for file in files).items() if count > 1]:
        raise OddscapeError(f"{twice[0]} is given twice")
    runs = _named(files, [Results.load(file) for file in files])
    parts = sections(runs)
    _require_baseline(parts, baseline)
    shown = [_shown(part, baseline, published and _is_first_of_its_protocol(part, parts)) for part in parts]
    console = Console()
    if len(parts) > 1:
        console.print(Text(_apart(parts), style="bold yellow"), soft_wrap=True)
    for block in chain.from_iterable(shown):
        console.print(*block, sep="\n")
        console.print()
    if report is not None:
        from oddscape.report.page import Comparison, write_report

        page = write_report(report, runs, _galleries(files, runs), Comparison(baseline, published))
        console.print(f"report: {page}", soft_wrap=True)


def _named(files: Sequence[Path], runs: Sequence[Results]) -> list[Results]:
    """Add the file's name to networks that share theirs under one protocol."""
    names = Counter((run.protocol.name, run.model) for run in runs)
    stems = Counter(file.stem for file in files)
    return [
        replace(run, model=f"{run.model} ({file.stem if stems[file.stem] == 1 else file})")
        if names[run.protocol.name, run.model] > 1
        else run
        for file, run in zip(files, runs, strict=True)
    ]


def _galleries(files: Sequence[Path], runs: Sequence[Results]) -> list[Gallery]:
    """The pictures that lie beside results files, under the names that their networks have here."""
    from oddscape.illustrations import Gallery, beside
    from oddscape.report.page_data import belongs

    galleries = []
    for file, run in zip(map(beside, files), runs, strict=True):
        if not file.exists():
            continue
        gallery = replace(Gallery.load(file), model=run.model)
        if belongs(gallery, run):
            galleries.append(gallery)
        else:
            Console().print(f"{file}: pictures of another evaluation, left out", soft_wrap=True)
    return galleries


def _require_baseline(parts: Sequence[Section], baseline: str | None) -> None:
    if any(find_baseline(part, baseline) is not None for part in parts):
        return
    rows = [f"{row.model}:{row.result.score}" for part in parts for row in part.rows]
    raise OddscapeError(f"no baseline {baseline!r} in these results; there are {', '.join(rows)}")


def _apart(parts: Sequence[Section]) -> str:
    titles = ", ".join(
        f"{index}. {part.protocol.name}{' (overridden)' if part.overrides else ''}"
        for index, part in enumerate(parts, 1)
    )
    return f"{len(parts)} parts that must not be compared, for protocol, overrides or data differ: {titles}"


def _is_first_of_its_protocol(part: Section, parts: Sequence[Section]) -> bool:
    return part is next(other for other in parts if other.protocol.name == part.protocol.name)


def _shown(part: Section, baseline: str | None, published: bool) -> list[Block]:
    blocks = [results_tables(part.runs)]
    if len(part.rows) > 1:
        blocks.append(_differences(part, baseline))
    if published:
        blocks.append(_published(part.protocol.name))
    return blocks


def _differences(part: Section, baseline: str | None) -> Block:
    row = find_baseline(part, baseline)
    if row is None:
        return [Text(f"no differences here: {baseline} has no figures under this protocol")]
    return difference_tables(part, row) or [Text("no differences here: no two rows have replicates")]


def _published(protocol: str) -> Block:
    rows = published_under(protocol)
    if not rows:
        return [Text(f"no published figures near protocol {protocol}")]
    return published_tables(protocol, rows)

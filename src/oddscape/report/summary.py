"""Mean, deviation and worst run of every method and score over seeds, as Markdown and in a terminal."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from oddscape.errors import OddscapeError
from oddscape.report.columns import OPEN_SET_COLUMNS, Column, ColumnGroup, pixel_columns
from oddscape.report.narrow import figure_cell, narrow_table
from oddscape.report.sections import Row, Section, sections
from oddscape.report.wording import UNDEFINED, Facts, protocol_facts, saw_words
from oddscape.results import Results

_NOT_HERE = ("95 % intervals", "cFPR and eFPR")
"""Facts about figures of the report that the table does not show."""

_SHOWN = ("AP", "FPR95", "AUROC", "open-mIoU", "closed mIoU")


@dataclass(frozen=True)
class Spread:
    """A figure over several runs; NaN where it is undefined in any of them.

    Args:
        mean: of the runs.
        deviation: sample standard deviation, of n − 1 degrees of freedom; NaN for a single run.
        worst: the worst run's.
    """

    mean: float
    deviation: float
    worst: float

    @classmethod
    def of(cls, values: Sequence[float], *, higher_is_better: bool = True) -> Spread:
        """The spread of the runs' values."""
        if any(math.isnan(value) for value in values):
            return cls(math.nan, math.nan, math.nan)
        deviation = statistics.stdev(values) if len(values) > 1 else math.nan
        worst = min(values) if higher_is_better else max(values)
        return cls(statistics.mean(values), deviation, worst)

    @property
    def text(self) -> str:
        """Mean and deviation in percent, as in ``"62.1 ± 1.3"``; a dash where undefined."""
        if math.isnan(self.mean):
            return UNDEFINED
        return _percent(self.mean) + ("" if math.isnan(self.deviation) else f" ± {_percent(self.deviation)}")

    @property
    def worst_text(self) -> str:
        """The worst run's in percent; "" for a single run, or where undefined."""
        return "" if math.isnan(self.deviation) else _percent(self.worst)


@dataclass(frozen=True)
class SummaryRow:
    """A score of a method over all seeds.

    Args:
        method: the method's name in the study.
        score: the score's.
        saw_outliers: whether method or score was trained with outlier data.
        spreads: one for each of the summary's columns.
    """

    method: str
    score: str
    saw_outliers: bool | None
    spreads: list[Spread]


@dataclass(frozen=True)
class Summary:
    """The table of a study.

    Args:
        section: all runs, under the one protocol.
        columns: the figures.
        rows: methods in the study's order, each with its scores.
        seeds: of every row.
    """

    section: Section
    columns: list[Column]
    rows: list[SummaryRow]
    seeds: tuple[int, ...]

    def best(self, column: int) -> set[int]:
        """Numbers of the rows whose mean is best as printed; none where all are equal."""
        means = {index: row.spreads[column].mean for index, row in enumerate(self.rows)}
        shown = {index: round(mean, 3) for index, mean in means.items() if not math.isnan(mean)}
        if len(set(shown.values())) < 2:
            return set()
        best = (max if self.columns[column].higher_is_better else min)(shown.values())
        return {index for index, mean in shown.items() if mean == best}

    @property
    def group(self) -> ColumnGroup:
        """The columns under a heading that says what they hold."""
        single = len(self.seeds) == 1
        return ColumnGroup("a single run" if single else "mean ± standard deviation", self.columns)

    @property
    def over(self) -> str:
        """What the figures are over: ``"seeds 0, 1"``."""
        return f"seed{'s' if len(self.seeds) > 1 else ''} {', '.join(map(str, self.seeds))}"

    @property
    def reading(self) -> str:
        """What the figures are, in words."""
        if len(self.seeds) == 1:
            return f"A single run each, of {self.over}; in percent."
        return f"Mean ± standard deviation (n − 1) over {self.over}, and the worst run; in percent."


def summarise(results: Mapping[str, Sequence[Results]], seeds: Sequence[int]) -> Summary:
    """Bring the results of a study together.

    Args:
        results: by method one for each seed, all with the same scores.
        seeds: of each method's results.

    Raises:
        OddscapeError: results that must not stand in one table, for protocol or data differ.
    """
    runs = [run for found in results.values() for run in found]
    [section, *others] = sections(runs)
    if others:
        names = ", ".join(run.model for part in others for run in part.runs)
        raise OddscapeError(f"evaluated on other data, or with other overrides, than the rest: {names}")
    columns = [
        column
        for column in (*pixel_columns(section.protocol.aggregation), *OPEN_SET_COLUMNS)
        if column.name in _SHOWN and any(column.concerns(row) for row in section.rows)
    ]
    rows = [
        _row(method, score.score, found, columns)
        for method, found in results.items()
        for score in found[0].scores
    ]
    return Summary(section, columns, rows, tuple(seeds))


def _row(method: str, score: str, runs: Sequence[Results], columns: Sequence[Column]) -> SummaryRow:
    rows = [Row(index, method, run, run.of(score)) for index, run in enumerate(runs)]
    spreads = [
        Spread.of([column.value(row) for row in rows], higher_is_better=column.higher_is_better)
        for column in columns
    ]
    return SummaryRow(method, score, rows[0].result.saw_outliers, spreads)


def markdown(summary: Summary) -> str:
    """The table as Markdown, with the protocol and all that a reader must know."""
    names = ["method", "score", "saw outliers", "runs", *(column.name for column in summary.columns)]
    lines = [f"# {summary.section.protocol.title}", "", f"{summary.reading} Best in bold.", ""]
    lines += [_markdown_line(names), "|---" * len(names) + "|"]
    for index, row in enumerate(summary.rows):
        words = [row.method, row.score, saw_words(row.saw_outliers), str(len(summary.seeds))]
        cells = (
            _markdown_cell(spread, bold=index in summary.best(column))
            for column, spread in enumerate(row.spreads)
        )
        lines.append(_markdown_line([*words, *cells]))
    lines += ["", *(f"- {term}: {text}" for term, text in _facts(summary.section))]
    return "\n".join(lines) + "\n"


def _markdown_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown_cell(spread: Spread, *, bold: bool) -> str:
    text = f"**{spread.text}**" if bold else spread.text
    return f"{text} ({spread.worst_text})" if spread.worst_text else text


def terminal_table(summary: Summary) -> list[Table | Text]:
    """The table for a terminal of 80 columns, and a text with the protocol that its figures belong to."""
    table = narrow_table(
        "a single run" if len(summary.seeds) == 1 else "mean ± standard deviation; below, the worst run",
        ("method\n score", "saw\nout-\nliers"),
        [column.name for column in summary.columns],
        summary.section.protocol.title,
    )
    above = ""
    for index, row in enumerate(summary.rows):
        if row.method != above:
            above = row.method
            table.add_row(Text(above, style="bold"))
        cells = [
            figure_cell(spread.text, spread.worst_text, "bold" if index in summary.best(column) else "")
            for column, spread in enumerate(row.spreads)
        ]
        table.add_row(Text(f" {row.score}"), saw_words(row.saw_outliers), *cells)
    facts = " · ".join(f"{term}: {text}" for term, text in _facts(summary.section))
    return [table, Text(f"{summary.reading} {facts}")]


def _facts(section: Section) -> Facts:
    return [fact for fact in protocol_facts(section) if fact[0] not in _NOT_HERE]


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f}"

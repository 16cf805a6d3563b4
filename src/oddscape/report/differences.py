"""Paired differences of a section's rows against one of them, the baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oddscape.errors import OddscapeError
from oddscape.interval import Interval, paired_difference
from oddscape.report.columns import Column, ColumnGroup, other_groups, pixel_group
from oddscape.report.sections import Row, Section
from oddscape.report.wording import signed, signed_interval_words, units_words


@dataclass(frozen=True)
class Difference:
    """How much a row's figure exceeds the baseline's.

    Args:
        value: the figure minus the baseline's, as a fraction; NaN where either is undefined.
        interval: its 95 % interval, from paired bootstrap replicates; None where there are none.
        higher_is_better: whether a positive difference is an improvement.
    """

    value: float
    interval: Interval | None
    higher_is_better: bool

    @property
    def verdict(self) -> str:
        """``"better"`` or ``"worse"`` where the interval excludes 0; else ""."""
        if self.interval is None or self.interval.low <= 0 <= self.interval.high:
            return ""
        return "better" if (self.interval.low > 0) == self.higher_is_better else "worse"

    @property
    def text(self) -> str:
        """The value in points of percent with its sign."""
        return signed(self.value)

    @property
    def interval_text(self) -> str:
        """The interval in points of percent; "" where there is none."""
        return "" if self.interval is None else signed_interval_words(self.interval)


def find_baseline(section: Section, name: str | None) -> Row | None:
    """The first row of this name, ``MODEL`` or ``MODEL:SCORE``; the first of all for None.

    Args:
        section: where to look.
        name: what the network is called in the section or in its results, with or without a score.

    Returns:
        The row, or None where the section has none of this name.
    """
    if name is None:
        return section.rows[0]
    return next((row for row in section.rows if name in _names(row)), None)


def require_pairs(section: Section) -> None:
    """Refuse results whose bootstrap drew other units: their replicates are no pairs.

    Raises:
        OddscapeError: the units differ.
    """
    first = section.runs[0]
    for model, run in zip(section.models, section.runs, strict=True):
        if (run.units, run.unit) != (first.units, first.unit):
            raise OddscapeError(
                f"no paired difference: intervals of {section.models[0]} come from "
                f"{units_words(first.units, first.unit)}, of {model} from "
                f"{units_words(run.units, run.unit)}: evaluate both again by one version"
            )


def paired_groups(section: Section) -> list[ColumnGroup]:
    """The groups of figures of which two rows or more hold replicates."""
    rows = section.rows
    groups = [pixel_group(rows, section.protocol.aggregation), *other_groups(rows)]
    paired = [
        ColumnGroup(group.title, [c for c in group.columns if _replicated(c, rows)], group.headline)
        for group in groups
    ]
    return [group for group in paired if group.columns]


def difference(column: Column, row: Row, baseline: Row) -> Difference:
    """The difference of a figure between a row and the baseline, replicate by replicate."""
    value = column.value(row) - column.value(baseline)
    return Difference(value, _interval(column, row, baseline), column.higher_is_better)


def _interval(column: Column, row: Row, baseline: Row) -> Interval | None:
    drawn, base = column.replicates(row), column.replicates(baseline)
    if not drawn or not base:
        return None
    found = paired_difference(np.asarray(drawn), np.asarray(base)).interval
    return None if math.isnan(found.width) else found


def _names(row: Row) -> set[str]:
    return {name for model in (row.model, row.run.model) for name in (model, f"{model}:{row.result.score}")}


def _replicated(column: Column, rows: Sequence[Row]) -> bool:
    return sum(bool(column.replicates(row)) for row in rows) > 1

"""The table of what a threshold does, and what is to be said beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from oddscape.report.narrow import figure_cell, narrow_table
from oddscape.report.wording import UNDEFINED
from oddscape.threshold_figures import Estimate, ThresholdFigures
from oddscape.threshold_rules import FalseAlarms, FalseRegions, ThresholdRule

if TYPE_CHECKING:
    from oddscape.thresholds import Calibration

# From so many on a 95 % bound of skewed shares holds about as often as it says.
_ENOUGH_UNITS = 100


def threshold_table(parts: Mapping[str, Sequence[ThresholdFigures]], rule: ThresholdRule) -> Table:
    """Lay out the figures of a threshold, a row for each way of treating regions.

    Args:
        parts: figures by what they were measured on.
        rule: by which the threshold was chosen; false regions stand an hour where it says how many frames a
            second there are, else a picture.
    """
    per_hour = isinstance(rule, FalseRegions)
    regions = "false regions per hour" if per_hour else "false regions per picture"
    title = "FPR, TPR and F1 in %; below, 95 % intervals"
    table = narrow_table(title, ("pictures", "regions"), ("FPR", regions, "TPR", "F1"))
    for name, figures in parts.items():
        for row in figures:
            first = row is figures[0]
            about = Text(f"{name} ({row.pictures:,} pictures)" if first else "")
            table.add_row(about, Text(_treated(row)), *_cells(row, rule), end_section=row is figures[-1])
    return table


def threshold_words(done: Calibration, checked: Sequence[ThresholdFigures]) -> Iterator[str]:
    """What is to be said beside the table: the threshold, its bound, and every caution."""
    bound = "" if done.bound is None else f"; bound {done.bound:.3g}"
    yield f"threshold {done.threshold:g}: {done.rule}{bound}"
    alone, treated = done.figures[0], done.figures[-1]
    if done.bound is not None and alone.units < _ENOUGH_UNITS:
        yield f"! a bound from {alone.units} pictures or recordings is rough: {_ENOUGH_UNITS} would be enough"
    yield from _over(treated, done.rule, "the rules for regions lead")
    if checked:
        yield from _over(checked[-1], done.rule, "the other pictures lead")
    if treated.rules != alone.rules:
        yield f"kept with the detector: {treated.rules}"


def _over(figures: ThresholdFigures, rule: ThresholdRule, who: str) -> Iterator[str]:
    """A caution where figures exceed what the rule allows."""
    share = figures.fpr.value
    if isinstance(rule, FalseAlarms) and share > rule.share:
        yield f"! {who} to a share of {share:.3g} false pixels, above the budget of {rule.share:g}"
    if isinstance(rule, FalseRegions):
        per_hour = figures.false_regions.value * rule.frames_per_hour
        if per_hour > rule.per_hour:
            yield f"! {who} to {per_hour:.3g} false regions an hour, above the budget of {rule.per_hour:g}"


def _treated(row: ThresholdFigures) -> str:
    return "as they are" if str(row.rules) == "none" else str(row.rules)


def _cells(row: ThresholdFigures, rule: ThresholdRule) -> list[Text]:
    factor = rule.frames_per_hour if isinstance(rule, FalseRegions) else 1
    scaled = ((row.fpr, 100), (row.false_regions, factor), (row.tpr, 100), (row.f1, 100))
    return [_cell(estimate, times) for estimate, times in scaled]


def _cell(estimate: Estimate, times: float) -> Text:
    value, (low, high) = estimate
    if math.isnan(value):
        return figure_cell(UNDEFINED)
    below = "" if math.isnan(low) else f"{_digits(low * times)}–{_digits(high * times)}"
    return figure_cell(_digits(value * times), below)


def _digits(value: float) -> str:
    """Three digits, without an exponent where there is room for it."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"

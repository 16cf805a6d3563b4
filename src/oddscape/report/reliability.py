"""Reliability diagrams as inline SVG: how often pixels are named rightly at each confidence."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from oddscape.report.curves import UNIT, series
from oddscape.report.sections import Row, Section
from oddscape.report.svg import axes, element, line, picture
from oddscape.report.wording import percent
from oddscape.results import CalibrationFigures

Calibrated = tuple[Row, CalibrationFigures]


def closed_reliability(section: Section) -> Markup | None:
    """Of the closed-set posterior, a line for each network in its first row's colour; None without any."""
    first = [next(row for row in section.rows if row.run is run) for run in section.runs if run.scores]
    found = [(row, row.run.calibration) for row in first if row.run.calibration is not None]
    return _diagram("Reliability of the closed-set posterior", found)


def open_reliability(section: Section) -> Markup | None:
    """Of the posterior where the open-set decision accepts a pixel as known; None without any."""
    parts = [(row, row.result.open_set) for row in section.rows if row.result.open_set is not None]
    found = [(row, part.calibration) for row, part in parts if part.calibration is not None]
    return _diagram("Reliability of what the open-set decision accepts", found)


def _diagram(label: str, found: Sequence[Calibrated]) -> Markup | None:
    if not any(figures.bins for _, figures in found):
        return None
    drawn = [*axes(UNIT, "confidence", "named rightly"), line(UNIT, (0, 0), (1, 1), "reference")]
    for row, figures in found:
        if figures.bins:
            drawn += _line_with_dots(row, figures)
    return picture(UNIT, label, drawn)


def _line_with_dots(row: Row, figures: CalibrationFigures) -> list[Markup]:
    points = [(confidence, accuracy) for confidence, accuracy, _ in figures.bins]
    says = f"{row.name}: ECE {percent(figures.error)}"
    drawn = [
        element(
            "path",
            element("title", says),
            d=UNIT.path(points),
            class_=series(row, "curve"),
            data_row=row.index,
        )
    ]
    for confidence, accuracy, share in figures.bins:
        x, y = UNIT.at((confidence, accuracy))
        right = f"at confidence {percent(confidence)} {percent(accuracy)} right"
        # The area tells the share of the pixels.
        radius = 2 + 9 * math.sqrt(share)
        title = element("title", f"{says}; {right}; {percent(share)} % of the pixels")
        drawn.append(
            element("circle", title, cx=x, cy=y, r=radius, class_=series(row, "dot"), data_row=row.index)
        )
    return drawn

"""Confusion matrices as inline SVG: what known pixels and anomalies are taken for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from oddscape.report.sections import Row, Section
from oddscape.report.svg import Frame, element, picture, text
from oddscape.results import Results

_CELL = 25
_LEFT, _BOTTOM = 104, 80
_SHOWN = 0.005
"""A cell says its share from here on."""


@dataclass(frozen=True)
class MatrixFigure:
    """A drawn confusion matrix.

    Args:
        title: of which network and score.
        note: what is counted.
        drawing: the picture.
    """

    title: str
    note: str
    drawing: Markup


def matrix_figures(section: Section) -> list[MatrixFigure]:
    """For each network the closed set, and the open set at the score with its best open-mIoU."""
    figures = []
    for model, run in zip(section.models, section.runs, strict=True):
        rows = [row for row in section.rows if row.run is run]
        if run.closed_matrix:
            drawing = confusion_matrix(
                _class_names(run), run.closed_matrix, f"Closed-set confusion of {model}"
            )
            figures.append(MatrixFigure(model, "closed set: known pixels", drawing))
        if (row := best_open_set(rows)) is not None and row.result.open_set is not None:
            names = [*_class_names(run), "anomaly"]
            matrix = row.result.open_set.matrix
            drawing = confusion_matrix(names, matrix, f"Open-set confusion of {row.name}")
            figures.append(MatrixFigure(row.name, "open set: anomaly where score > δ", drawing))
    return figures


def best_open_set(rows: Sequence[Row]) -> Row | None:
    """The row with the best open-mIoU; None where no row has a matrix of the open set."""
    found = [row for row in rows if row.result.open_set is not None and row.result.open_set.matrix]
    return max(found, key=_open_miou, default=None)


def confusion_matrix(names: Sequence[str], matrix: Sequence[Sequence[int]], label: str) -> Markup:
    """Draw the pixels of each true class (row) by what they are taken for (column), in percent of the row.

    Args:
        names: of the classes, in order.
        matrix: pixels by truth and prediction, as many rows and columns as there are names.
        label: what the picture shows, for those who cannot see it.
    """
    side = _CELL * len(names)
    frame = Frame(_LEFT + side + 2, 20 + side + _BOTTOM, (_LEFT, 20, 2, _BOTTOM))
    drawn = [
        text((frame.left, 13), "rows: truth · columns: prediction · % of the row", "tick-label", "start")
    ]
    for index, name in enumerate(names):
        middle = (index + 0.5) * _CELL + 4
        drawn.append(text((frame.left - 7, frame.top + middle), name, "matrix-name", "end"))
        x, y = frame.left + middle, frame.bottom + 8
        drawn.append(text((x, y), name, "matrix-name", "end", transform=f"rotate(-60 {x:.1f} {y:.1f})"))
    for true, pixels in enumerate(matrix):
        for taken, count in enumerate(pixels):
            share = count / sum(pixels) if sum(pixels) else math.nan
            says = f"{names[true]} taken for {names[taken]}: {count:,} pixels"
            corner = (frame.left + taken * _CELL, frame.top + true * _CELL)
            drawn += _cell(corner, share, says, "hit" if true == taken else "miss")
    return picture(frame, label, drawn)


def _cell(corner: tuple[float, float], share: float, says: str, kind: str) -> list[Markup]:
    if math.isnan(share):
        return [_square(corner, element("title", f"{says}: the class does not occur"), "cell absent", 1.0)]
    # By square root, or mistakes of a few percent could not be seen.
    depth = math.sqrt(share)
    title = element("title", f"{says}, {100 * share:.2f} %")
    drawn = [_square(corner, Markup(""), "cell", 1.0), _square(corner, title, f"cell {kind}", depth)]
    if share >= _SHOWN:
        at = (corner[0] + _CELL / 2, corner[1] + _CELL / 2 + 4)
        drawn.append(
            text(at, f"{100 * share:.0f}", "cell-label deep" if depth > 0.65 else "cell-label", "middle")
        )
    return drawn


def _square(corner: tuple[float, float], title: Markup, kind: str, depth: float) -> Markup:
    x, y = corner
    side = float(_CELL - 1)
    return element(
        "rect", title, x=x, y=y, width=side, height=side, rx=2, class_=kind, fill_opacity=f"{depth:.3f}"
    )


def _class_names(run: Results) -> list[str]:
    return list(run.class_iou)


def _open_miou(row: Row) -> float:
    figures = row.result.open_set
    return -1.0 if figures is None or math.isnan(figures.open_miou) else figures.open_miou

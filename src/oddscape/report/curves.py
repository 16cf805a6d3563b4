"""Curves and histograms as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

from markupsafe import Markup

from oddscape.report.sections import Row, Section
from oddscape.report.svg import Frame, Point, axes, element, line, picture, text
from oddscape.report.wording import number, percent
from oddscape.results import Curves

TAIL = 0.001
"""A histogram leaves out the bins at either end that hold less than this share of both kinds of pixel."""

UNIT = Frame(440, 400, (52, 14, 16, 46))
"""The frame of ROC and PR curves: both axes from 0 to 1."""


def roc(section: Section) -> Markup:
    """ROC curves of all rows, with chance as the diagonal and FPR95 marked."""
    drawn = [*axes(UNIT, "false-positive rate", "true-positive rate")]
    drawn += [line(UNIT, (0, 0), (1, 1), "reference"), line(UNIT, (0, 0.95), (1, 0.95), "reference")]
    left, y = UNIT.at((0, 0.95))
    drawn.append(text((left - 8, y + 4), "95", "tick-label", "end"))
    for row in section.rows:
        drawn.append(_curve(row, row.result.curves.roc))
        if not math.isnan(row.result.pooled.fpr95):
            x, y = UNIT.at((row.result.pooled.fpr95, 0.95))
            title = element("title", f"{row.name}: FPR95 {percent(row.result.pooled.fpr95)} %")
            drawn.append(
                element("circle", title, cx=x, cy=y, r=3.5, class_=series(row, "dot"), data_row=row.index)
            )
    return picture(UNIT, "ROC curves over all pixels", drawn)


def precision_recall(section: Section) -> Markup:
    """Precision-recall curves of all rows, with the share of anomalous pixels, which is chance."""
    share = section.anomaly_share
    drawn = [*axes(UNIT, "recall", "precision"), line(UNIT, (0, share), (1, share), "reference")]
    drawn += [_curve(row, row.result.curves.precision_recall) for row in section.rows]
    return picture(UNIT, "Precision-recall curves over all pixels", drawn)


def histogram(row: Row) -> Markup | None:
    """Shares of known and of anomalous pixels by score, heights by square root; None where undefined."""
    edges, known, anomaly = _trimmed(row.result.curves)
    if not known:
        return None
    top = max(*known, *anomaly)
    frame = Frame(300, 162, (42, 22, 8, 22), (edges[0], edges[-1]), (0.0, top), math.sqrt)
    drawn = [*_histogram_axes(frame, top)]
    for kind, shares in (("known", known), ("anomaly", anomaly)):
        outline = _outline(edges, shares)
        closed = frame.path([(edges[0], 0), *outline, (edges[-1], 0)]) + "Z"
        drawn.append(element("path", element("title", f"{kind} pixels"), d=closed, class_=f"area {kind}"))
    drawn += _threshold(frame, row.result.threshold)
    return picture(frame, f"Histogram of {row.name}: known and anomalous pixels by score", drawn)


def _trimmed(curves: Curves) -> tuple[list[float], list[float], list[float]]:
    both = list(zip(curves.known, curves.anomaly, strict=True))
    if not both:
        return [], [], []
    start = _bins_in_tail(both)
    stop = len(both) - _bins_in_tail(both[::-1])
    return curves.score_edges[start : stop + 1], curves.known[start:stop], curves.anomaly[start:stop]


def _bins_in_tail(shares: Sequence[Point]) -> int:
    sums = accumulate(shares, lambda total, pair: (total[0] + pair[0], total[1] + pair[1]))
    return next((i for i, total in enumerate(sums) if max(total) > TAIL), 0)


def _outline(edges: Sequence[float], shares: Sequence[float]) -> list[Point]:
    corners = zip(edges, edges[1:], shares, strict=False)
    return [point for low, high, share in corners for point in ((low, share), (high, share))]


def _histogram_axes(frame: Frame, top: float) -> list[Markup]:
    low, high = frame.x
    drawn = [line(frame, (low, 0), (high, 0), "axis")]
    decimals = max(0, 1 - math.floor(math.log10(high - low)))
    for value, anchor in ((low, "start"), ((low + high) / 2, "middle"), (high, "end")):
        label = f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "−")
        drawn.append(text(frame.at((value, 0)), label, "tick-label", anchor, dy="14"))
    for share in (top, top / 4):
        drawn.append(line(frame, (low, share), (high, share), "grid"))
        x, y = frame.at((low, share))
        drawn.append(text((x - 5, y + 4), f"{100 * share:.2g} %", "tick-label", "end"))
    return drawn


def _threshold(frame: Frame, threshold: float) -> list[Markup]:
    if not frame.x[0] <= threshold <= frame.x[1]:
        return []
    low, high = (threshold, frame.y[0]), (threshold, frame.y[1])
    anchor = "start" if threshold < sum(frame.x) / 2 else "end"
    label = f"δ = {number(threshold)}"
    return [
        line(frame, low, high, "threshold"),
        text(frame.at(high), label, "threshold-label", anchor, dy="-6"),
    ]


def _curve(row: Row, points: Sequence[Sequence[float]]) -> Markup:
    if not points:
        return Markup("")
    figures = row.result.pooled
    title = f"{row.name}: AP {percent(figures.average_precision)}, AUROC {percent(figures.auroc)}"
    return element(
        "path",
        element("title", title),
        d=UNIT.path(points),
        class_=series(row, "curve"),
        data_row=row.index,
    )


def series(row: Row, kind: str) -> str:
    """The classes of a row's mark: its kind, its colour and its dashes."""
    return f"{kind} colour-{row.index % 8} dash-{row.index // 8 % 4}"

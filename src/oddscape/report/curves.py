"""Curves and histograms as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from markupsafe import Markup, escape

from oddscape.report.sections import Row, Section
from oddscape.report.wording import number, percent
from oddscape.results import Curves

TAIL = 0.001
"""A histogram leaves out the bins at either end that hold less than this share of both kinds of pixel."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Frame:
    """A plotting area in an SVG picture of ``width`` × ``height``, its margins around it.

    Args:
        width: of the picture.
        height: of the picture.
        margins: left, top, right, bottom.
        x: data range from left to right.
        y: data range from bottom to top.
        y_scale: applied to y, which it maps monotonically, before it is placed.
    """

    width: float
    height: float
    margins: tuple[float, float, float, float]
    x: Point = (0.0, 1.0)
    y: Point = (0.0, 1.0)
    y_scale: Callable[[float], float] = float

    @property
    def left(self) -> float:
        """Left edge of the plotting area."""
        return self.margins[0]

    @property
    def right(self) -> float:
        """Right edge of the plotting area."""
        return self.width - self.margins[2]

    @property
    def top(self) -> float:
        """Top edge of the plotting area."""
        return self.margins[1]

    @property
    def bottom(self) -> float:
        """Bottom edge of the plotting area."""
        return self.height - self.margins[3]

    def at(self, point: Sequence[float]) -> Point:
        """Where a data point (x, y) lies in the picture."""
        share_x = (point[0] - self.x[0]) / (self.x[1] - self.x[0])
        low, high = map(self.y_scale, self.y)
        share_y = (self.y_scale(point[1]) - low) / (high - low)
        return (
            self.left + share_x * (self.right - self.left),
            self.bottom - share_y * (self.bottom - self.top),
        )

    def path(self, points: Iterable[Sequence[float]]) -> str:
        """Path data of straight lines through data points, to a tenth of a unit."""
        placed = (self.at(point) for point in points)
        return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in placed)


UNIT = Frame(440, 400, (52, 14, 16, 46))
"""The frame of ROC and PR curves: both axes from 0 to 1."""


def roc(section: Section) -> Markup:
    """ROC curves of all rows, with chance as the diagonal and FPR95 marked."""
    drawn = [*_axes(UNIT, "false-positive rate", "true-positive rate")]
    drawn += [_line(UNIT, (0, 0), (1, 1), "reference"), _line(UNIT, (0, 0.95), (1, 0.95), "reference")]
    left, y = UNIT.at((0, 0.95))
    drawn.append(_text((left - 8, y + 4), "95", "tick-label", "end"))
    for row in section.rows:
        drawn.append(_curve(row, row.result.curves.roc))
        if not math.isnan(row.result.pooled.fpr95):
            x, y = UNIT.at((row.result.pooled.fpr95, 0.95))
            title = element("title", f"{row.name}: FPR95 {percent(row.result.pooled.fpr95)} %")
            drawn.append(
                element("circle", title, cx=x, cy=y, r=3.5, class_=_series(row, "dot"), data_row=row.index)
            )
    return _picture(UNIT, "ROC curves over all pixels", drawn)


def precision_recall(section: Section) -> Markup:
    """Precision-recall curves of all rows, with the share of anomalous pixels, which is chance."""
    share = section.anomaly_share
    drawn = [*_axes(UNIT, "recall", "precision"), _line(UNIT, (0, share), (1, share), "reference")]
    drawn += [_curve(row, row.result.curves.precision_recall) for row in section.rows]
    return _picture(UNIT, "Precision-recall curves over all pixels", drawn)


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
    return _picture(frame, f"Histogram of {row.name}: known and anomalous pixels by score", drawn)


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
    drawn = [_line(frame, (low, 0), (high, 0), "axis")]
    decimals = max(0, 1 - math.floor(math.log10(high - low)))
    for value, anchor in ((low, "start"), ((low + high) / 2, "middle"), (high, "end")):
        label = f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "−")
        drawn.append(_text(frame.at((value, 0)), label, "tick-label", anchor, dy="14"))
    for share in (top, top / 4):
        drawn.append(_line(frame, (low, share), (high, share), "grid"))
        x, y = frame.at((low, share))
        drawn.append(_text((x - 5, y + 4), f"{100 * share:.2g} %", "tick-label", "end"))
    return drawn


def _threshold(frame: Frame, threshold: float) -> list[Markup]:
    if not frame.x[0] <= threshold <= frame.x[1]:
        return []
    low, high = (threshold, frame.y[0]), (threshold, frame.y[1])
    anchor = "start" if threshold < sum(frame.x) / 2 else "end"
    label = f"δ = {number(threshold)}"
    return [
        _line(frame, low, high, "threshold"),
        _text(frame.at(high), label, "threshold-label", anchor, dy="-6"),
    ]


def _axes(frame: Frame, x_name: str, y_name: str) -> list[Markup]:
    drawn = []
    for tick in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        drawn.append(_line(frame, (tick, 0), (tick, 1), "grid"))
        drawn.append(_line(frame, (0, tick), (1, tick), "grid"))
        drawn.append(_text(frame.at((tick, 0)), f"{100 * tick:.0f}", "tick-label", "middle", dy="17"))
        x, y = frame.at((0, tick))
        drawn.append(_text((x - 8, y + 4), f"{100 * tick:.0f}", "tick-label", "end"))
    middle = (frame.left + frame.right) / 2
    drawn.append(_text((middle, frame.height - 8), f"{x_name} (%)", "axis-label", "middle"))
    y = (frame.top + frame.bottom) / 2
    turned = f"rotate(-90 13 {y:.1f})"
    drawn.append(_text((13, y), f"{y_name} (%)", "axis-label", "middle", transform=turned))
    return drawn


def _curve(row: Row, points: Sequence[Sequence[float]]) -> Markup:
    if not points:
        return Markup("")
    figures = row.result.pooled
    title = f"{row.name}: AP {percent(figures.average_precision)}, AUROC {percent(figures.auroc)}"
    return element(
        "path",
        element("title", title),
        d=UNIT.path(points),
        class_=_series(row, "curve"),
        data_row=row.index,
    )


def _series(row: Row, kind: str) -> str:
    return f"{kind} colour-{row.index % 8} dash-{row.index // 8 % 4}"


def _line(frame: Frame, start: Point, end: Point, kind: str) -> Markup:
    return element("path", d=frame.path((start, end)), class_=kind)


def _text(at: Point, text: str, kind: str, anchor: str, **attributes: str) -> Markup:
    return element("text", text, x=at[0], y=at[1], class_=kind, text_anchor=anchor, **attributes)


def _picture(frame: Frame, label: str, drawn: Iterable[Markup]) -> Markup:
    box = f"0 0 {frame.width:g} {frame.height:g}"
    return element("svg", *drawn, viewBox=box, role="img", aria_label=label)


def element(tag: str, *children: str, **attributes: str | float) -> Markup:
    """An element with escaped attributes and children; ``class_`` means class, ``data_row`` data-row."""
    written = Markup("").join(
        Markup(' {}="{}"').format(
            name.rstrip("_").replace("_", "-"), f"{value:.1f}" if isinstance(value, float) else value
        )
        for name, value in attributes.items()
    )
    content = Markup("").join(map(escape, children))
    return Markup("<{0}{1}>{2}</{0}>").format(tag, written, content)

"""Plots as inline SVG: a frame that places data, and the marks in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

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


def axes(frame: Frame, x_name: str, y_name: str) -> list[Markup]:
    """Grid, ticks and names of two axes from 0 to 1, in percent."""
    drawn = []
    for tick in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        drawn.append(line(frame, (tick, 0), (tick, 1), "grid"))
        drawn.append(line(frame, (0, tick), (1, tick), "grid"))
        drawn.append(text(frame.at((tick, 0)), f"{100 * tick:.0f}", "tick-label", "middle", dy="17"))
        x, y = frame.at((0, tick))
        drawn.append(text((x - 8, y + 4), f"{100 * tick:.0f}", "tick-label", "end"))
    middle = (frame.left + frame.right) / 2
    drawn.append(text((middle, frame.height - 8), f"{x_name} (%)", "axis-label", "middle"))
    y = (frame.top + frame.bottom) / 2
    turned = f"rotate(-90 13 {y:.1f})"
    drawn.append(text((13, y), f"{y_name} (%)", "axis-label", "middle", transform=turned))
    return drawn


def line(frame: Frame, start: Point, end: Point, kind: str) -> Markup:
    """A straight line between two data points."""
    return element("path", d=frame.path((start, end)), class_=kind)


def text(at: Point, words: str, kind: str, anchor: str, **attributes: str) -> Markup:
    """Words at a point of the picture."""
    return element("text", words, x=at[0], y=at[1], class_=kind, text_anchor=anchor, **attributes)


def picture(frame: Frame, label: str, drawn: Iterable[Markup]) -> Markup:
    """The whole picture, with what it says to those who cannot see it."""
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

"""The plan of one street: where road, lanes, pavements and crossings lie."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from oddscape.town.geometry import Place
from oddscape.town.noise import Floats
from oddscape.town.styles import Style


@dataclass(frozen=True)
class Street:
    """A street that runs away from the camera; distances in metres, s across it from its middle.

    Args:
        half: half the width of the road.
        pavement: width of the left and the right pavement.
        ego: the camera's s.
        slope: how far the street turns off to the right, per metre.
        bend: its curvature.
        crossing: depth of the side street's middle, infinite where there is none.
        crossing_half: half the width of the side street.
        crosswalk: depth where a crosswalk begins, infinite where there is none.
        parking: whether cars park along the kerbs.
        solid: whether the middle line is solid.
    """

    half: float
    lanes: int
    lane_width: float
    pavement: tuple[float, float]
    ego: float
    slope: float
    bend: float
    crossing: float
    crossing_half: float
    crosswalk: float
    parking: bool
    solid: bool

    def middle(self, z: float) -> float:
        """X of the street's middle at depth ``z``."""
        return -self.ego + self.slope * z + self.bend * z * z / (1 + z / 90)

    def middles(self, z: Floats) -> Floats:
        """``middle`` of many depths."""
        middles: Floats = -self.ego + self.slope * z + self.bend * z * z / (1 + z / 90)
        return middles

    def place(self, s: float, z: float, turn: float = 0.0) -> Place:
        """The spot at (s, z), headed along the street and turned by ``turn``."""
        ahead = self.middle(z + 0.5) - self.middle(z - 0.5)
        return Place(self.middle(z) + s, z, math.atan(ahead) + turn)

    def edge(self, side: int) -> float:
        """S of the outer edge of a pavement, side −1 left or 1 right."""
        return side * (self.half + self.pavement[0 if side < 0 else 1])

    def in_crossing(self, z: float, margin: float = 0.0) -> bool:
        """Whether depth ``z`` lies within the side street or ``margin`` beside it."""
        return abs(z - self.crossing) < self.crossing_half + margin


def draw_street(rng: np.random.Generator, style: Style) -> Street:
    """The plan of one picture's street in a town of the given style."""
    parking = bool(rng.random() < 0.6)
    half = style.lanes * style.lane_width + (2.1 if parking else 0.4)
    has_crossing, has_crosswalk = rng.random() < 0.45, rng.random() < 0.4
    crossing = float(rng.uniform(22, 55)) if has_crossing else math.inf
    crossing_half = float(rng.uniform(3.5, 5.5))
    before = crossing - crossing_half - 6.0
    crosswalk = before if has_crossing else float(rng.uniform(9, 26))
    lane = int(rng.integers(style.lanes))
    return Street(
        half=half,
        lanes=style.lanes,
        lane_width=style.lane_width,
        pavement=(float(rng.uniform(*style.pavement)), float(rng.uniform(*style.pavement))),
        ego=style.lane_width * (lane + 0.5) + float(rng.uniform(-0.5, 0.5)),
        slope=float(rng.uniform(-0.1, 0.1)),
        bend=2.2 * float(rng.uniform(-1, 1)) * style.bend,
        crossing=crossing,
        crossing_half=crossing_half,
        crosswalk=crosswalk if has_crosswalk else math.inf,
        parking=parking,
        solid=bool(rng.random() < 0.45),
    )

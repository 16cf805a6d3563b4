"""Raw label ids of the town's label pictures: those of StreetHazards."""

from __future__ import annotations

BACKGROUND = 1
BUILDING = 2
FENCE = 3
OTHER = 4
PERSON = 5
POLE = 6
ROAD_LINE = 7
ROAD = 8
SIDEWALK = 9
VEGETATION = 10
CAR = 11
WALL = 12
TRAFFIC_SIGN = 13
ANOMALY = 14

RAW_COLOURS = (
    (0, 0, 0),
    (112, 160, 208),
    (150, 110, 90),
    (190, 153, 110),
    (96, 96, 40),
    (220, 20, 60),
    (240, 240, 240),
    (255, 200, 40),
    (110, 80, 120),
    (232, 150, 232),
    (80, 140, 50),
    (30, 50, 170),
    (80, 80, 100),
    (60, 220, 220),
    (255, 0, 180),
)
"""RGB of each raw id, for contact sheets."""

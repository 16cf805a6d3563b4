"""What tells the towns apart: streets, buildings, plants, colours and weather."""

from __future__ import annotations

from dataclasses import dataclass

from oddscape.town.light import Colour


@dataclass(frozen=True)
class Style:
    """The look of one town; where several values are given, each picture or thing takes one of them.

    Args:
        number: tells the town's random numbers apart from those of the other towns.
        facades: names of facade materials.
        walls_of: colours of fronts.
        storeys: fewest and most.
        built_up: part of the frontage that is built upon.
        setback: metres between pavement and fronts, least and most.
        lanes: lanes in each direction.
        lane_width: metres.
        pavement: width of the pavements in metres, least and most.
        paving: "slabs", "bricks" or "concrete".
        asphalt: grey of the road.
        line: colour of the middle line.
        verge: what lies behind the pavements: "grass", "gravel" or "paving".
        trees: kinds of tree.
        leaves: colours of leaves.
        fences: kinds of fence.
        masonry: colours of free-standing walls.
        bend: how far the streets curve, in 1/metres.
        weather: names of weathers.
    """

    number: int
    facades: tuple[str, ...]
    walls_of: tuple[Colour, ...]
    storeys: tuple[int, int]
    built_up: float
    setback: tuple[float, float]
    lanes: int
    lane_width: float
    pavement: tuple[float, float]
    paving: str
    asphalt: float
    line: Colour
    verge: str
    trees: tuple[str, ...]
    leaves: tuple[Colour, ...]
    fences: tuple[str, ...]
    masonry: tuple[Colour, ...]
    bend: float
    weather: tuple[str, ...]


_WHITE_LINE = (0.86, 0.86, 0.83)
_YELLOW_LINE = (0.85, 0.68, 0.2)

STYLES: dict[str, Style] = {
    "t1": Style(
        number=1,
        facades=("brick", "brick", "plaster", "siding"),
        walls_of=((0.55, 0.27, 0.2), (0.62, 0.36, 0.26), (0.7, 0.62, 0.5), (0.5, 0.42, 0.36)),
        storeys=(2, 4),
        built_up=0.62,
        setback=(0.5, 4.0),
        lanes=1,
        lane_width=3.6,
        pavement=(2.2, 3.2),
        paving="slabs",
        asphalt=0.34,
        line=_WHITE_LINE,
        verge="grass",
        trees=("round", "round", "tall"),
        leaves=((0.22, 0.36, 0.13), (0.3, 0.42, 0.16), (0.18, 0.3, 0.14)),
        fences=("picket", "boards", "mesh"),
        masonry=((0.52, 0.3, 0.24), (0.6, 0.55, 0.48)),
        bend=0.003,
        weather=("clear", "clear", "cloudy", "dusk"),
    ),
    "t2": Style(
        number=2,
        facades=("plaster", "blocks", "glass", "plaster"),
        walls_of=((0.72, 0.7, 0.66), (0.62, 0.6, 0.6), (0.75, 0.66, 0.52), (0.45, 0.5, 0.56)),
        storeys=(4, 9),
        built_up=0.8,
        setback=(0.0, 1.5),
        lanes=2,
        lane_width=3.4,
        pavement=(3.0, 4.5),
        paving="concrete",
        asphalt=0.28,
        line=_YELLOW_LINE,
        verge="paving",
        trees=("round", "small"),
        leaves=((0.26, 0.4, 0.15), (0.36, 0.42, 0.16)),
        fences=("rail", "mesh", "bars"),
        masonry=((0.55, 0.55, 0.53), (0.64, 0.6, 0.52)),
        bend=0.0015,
        weather=("overcast", "cloudy", "wet", "clear"),
    ),
    "t3": Style(
        number=3,
        facades=("plaster", "siding", "plaster", "brick"),
        walls_of=(
            (0.82, 0.72, 0.48),
            (0.78, 0.5, 0.38),
            (0.52, 0.6, 0.62),
            (0.82, 0.78, 0.7),
            (0.6, 0.66, 0.5),
        ),
        storeys=(2, 5),
        built_up=0.55,
        setback=(1.0, 5.0),
        lanes=1,
        lane_width=3.3,
        pavement=(1.8, 2.8),
        paving="bricks",
        asphalt=0.42,
        line=_WHITE_LINE,
        verge="gravel",
        trees=("conifer", "round", "tall"),
        leaves=((0.14, 0.27, 0.15), (0.33, 0.36, 0.12), (0.45, 0.36, 0.12)),
        fences=("boards", "bars", "picket"),
        masonry=((0.68, 0.6, 0.46), (0.5, 0.46, 0.42)),
        bend=0.006,
        weather=("haze", "clear", "cloudy", "overcast"),
    ),
    "t4": Style(
        number=4,
        facades=("brick", "plaster", "blocks"),
        walls_of=((0.6, 0.4, 0.3), (0.7, 0.68, 0.62), (0.58, 0.52, 0.44), (0.66, 0.52, 0.44)),
        storeys=(3, 6),
        built_up=0.65,
        setback=(0.0, 3.0),
        lanes=1,
        lane_width=3.5,
        pavement=(2.4, 3.6),
        paving="slabs",
        asphalt=0.32,
        line=_WHITE_LINE,
        verge="grass",
        trees=("round", "tall", "small"),
        leaves=((0.25, 0.38, 0.14), (0.2, 0.32, 0.16)),
        fences=("mesh", "picket", "rail"),
        masonry=((0.58, 0.5, 0.42), (0.5, 0.32, 0.27)),
        bend=0.004,
        weather=("cloudy", "haze", "clear", "wet"),
    ),
    "t5": Style(
        number=5,
        facades=("plaster", "blocks", "brick", "siding"),
        walls_of=(
            (0.78, 0.56, 0.46),
            (0.66, 0.68, 0.56),
            (0.84, 0.8, 0.72),
            (0.46, 0.3, 0.26),
            (0.56, 0.56, 0.62),
        ),
        storeys=(2, 6),
        built_up=0.66,
        setback=(0.0, 3.5),
        lanes=1,
        lane_width=3.8,
        pavement=(2.2, 4.0),
        paving="bricks",
        asphalt=0.37,
        line=_YELLOW_LINE,
        verge="grass",
        trees=("tall", "round", "conifer"),
        leaves=((0.3, 0.4, 0.18), (0.2, 0.3, 0.11), (0.42, 0.4, 0.14)),
        fences=("bars", "boards", "mesh"),
        masonry=((0.72, 0.66, 0.54), (0.48, 0.48, 0.46)),
        bend=0.005,
        weather=("clear", "dusk", "overcast", "cloudy"),
    ),
    "t6": Style(
        number=6,
        facades=("brick", "glass", "plaster", "siding"),
        walls_of=((0.5, 0.34, 0.3), (0.68, 0.6, 0.54), (0.56, 0.62, 0.68), (0.74, 0.7, 0.58)),
        storeys=(3, 8),
        built_up=0.7,
        setback=(0.0, 2.5),
        lanes=2,
        lane_width=3.3,
        pavement=(2.6, 3.8),
        paving="concrete",
        asphalt=0.3,
        line=_WHITE_LINE,
        verge="gravel",
        trees=("round", "small", "conifer"),
        leaves=((0.2, 0.34, 0.16), (0.28, 0.38, 0.2)),
        fences=("rail", "picket", "boards"),
        masonry=((0.6, 0.42, 0.34), (0.62, 0.62, 0.58)),
        bend=0.003,
        weather=("haze", "wet", "cloudy", "clear"),
    ),
}
"""Town → style: t1 to t3 for training, t4 for validation, t5 and t6 for tests."""

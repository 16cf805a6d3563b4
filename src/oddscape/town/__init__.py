"""The synthetic town: street scenes from a seed, in StreetHazards' layout, and negatives in ADE20K's."""

from oddscape.town.folder import TOWN_VERSION, NegativeCounts, TownCounts, make_negatives, make_town
from oddscape.town.negatives import render_negative
from oddscape.town.scene import render_scene
from oddscape.town.sheet import contact_sheet

__all__ = [
    "TOWN_VERSION",
    "NegativeCounts",
    "TownCounts",
    "contact_sheet",
    "make_negatives",
    "make_town",
    "render_negative",
    "render_scene",
]

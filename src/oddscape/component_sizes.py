"""Which components SegmentMeIfYouCan's figures leave out for being small."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ComponentSizes:
    """Components smaller than this, in pixels, do not count.

    Args:
        predicted: smaller predicted components are dropped.
        true: smaller ground-truth components become ignored.
    """

    predicted: int
    true: int


ANOMALY_TRACK = ComponentSizes(predicted=500, true=100)
OBSTACLE_TRACK = ComponentSizes(predicted=50, true=10)
"""Lost and Found's sizes, too."""

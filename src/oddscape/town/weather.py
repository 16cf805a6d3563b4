"""Weather: the light of one picture, drawn around a named kind."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from oddscape.town.light import Colour, Light


@dataclass(frozen=True)
class _Weather:
    sun: Colour
    ambient: Colour
    zenith: Colour
    horizon: Colour
    cloud_cover: float
    visibility: float
    elevation: tuple[float, float]  # of the sun, degrees
    wetness: float = 0.0
    glow: float = 0.0


_WEATHERS: dict[str, _Weather] = {
    "clear": _Weather(
        sun=(1.0, 0.93, 0.8),
        ambient=(0.4, 0.46, 0.56),
        zenith=(0.25, 0.45, 0.78),
        horizon=(0.72, 0.82, 0.92),
        cloud_cover=0.3,
        visibility=420,
        elevation=(32, 60),
    ),
    "cloudy": _Weather(
        sun=(0.62, 0.6, 0.56),
        ambient=(0.5, 0.53, 0.58),
        zenith=(0.4, 0.52, 0.7),
        horizon=(0.78, 0.81, 0.85),
        cloud_cover=0.62,
        visibility=300,
        elevation=(35, 60),
    ),
    "overcast": _Weather(
        sun=(0.16, 0.16, 0.16),
        ambient=(0.72, 0.74, 0.77),
        zenith=(0.6, 0.63, 0.67),
        horizon=(0.78, 0.79, 0.8),
        cloud_cover=0.95,
        visibility=200,
        elevation=(50, 65),
    ),
    "haze": _Weather(
        sun=(0.35, 0.32, 0.28),
        ambient=(0.66, 0.66, 0.66),
        zenith=(0.66, 0.7, 0.74),
        horizon=(0.82, 0.82, 0.8),
        cloud_cover=0.85,
        visibility=75,
        elevation=(40, 60),
    ),
    "dusk": _Weather(
        sun=(0.75, 0.45, 0.26),
        ambient=(0.34, 0.33, 0.44),
        zenith=(0.26, 0.32, 0.52),
        horizon=(0.9, 0.66, 0.48),
        cloud_cover=0.5,
        visibility=260,
        elevation=(20, 28),
        glow=0.8,
    ),
    "wet": _Weather(
        sun=(0.1, 0.1, 0.11),
        ambient=(0.6, 0.63, 0.68),
        zenith=(0.5, 0.54, 0.6),
        horizon=(0.68, 0.71, 0.74),
        cloud_cover=0.9,
        visibility=130,
        elevation=(50, 65),
        wetness=0.55,
        glow=0.3,
    ),
}


def _jittered(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    gain = rng.uniform(1 - spread, 1 + spread)
    tint = rng.uniform(1 - spread / 3, 1 + spread / 3, 3)
    return (colour[0] * gain * tint[0], colour[1] * gain * tint[1], colour[2] * gain * tint[2])


def draw_light(rng: np.random.Generator, name: str) -> Light:
    """The light of one picture in the weather ``name``, with the sun beside or behind the camera."""
    kind = _WEATHERS[name]
    elevation = math.radians(rng.uniform(*kind.elevation))
    azimuth = math.radians(180 + rng.choice([-1.0, 1.0]) * rng.uniform(15, 95))
    level = math.cos(elevation)
    return Light(
        towards_sun=(level * math.sin(azimuth), math.sin(elevation), level * math.cos(azimuth)),
        sun=_jittered(rng, kind.sun, 0.15),
        ambient=_jittered(rng, kind.ambient, 0.12),
        zenith=_jittered(rng, kind.zenith, 0.1),
        horizon=_jittered(rng, kind.horizon, 0.06),
        cloud_cover=float(np.clip(kind.cloud_cover + rng.uniform(-0.2, 0.2), 0, 1)),
        visibility=kind.visibility * rng.uniform(0.7, 1.4),
        wetness=kind.wetness * rng.uniform(0.7, 1.2),
        glow=kind.glow * rng.uniform(0.7, 1.2),
    )

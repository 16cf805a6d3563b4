"""Sun, sky and weather: what falls on every surface of a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from oddscape.town.noise import Floats

Colour = tuple[float, float, float]


def rgb(colour: Colour | Floats) -> Floats:
    """A colour as float32 [3]."""
    return np.asarray(colour, np.float32)


def tinted(colour: Colour | Floats, strength: Floats) -> Floats:
    """A colour in each ``strength`` [n]: RGB [n, 3], in memory plane by plane, as all colours of points."""
    return np.multiply.outer(rgb(colour), strength).T


@dataclass(frozen=True)
class Light:
    """Light and weather of one picture; colours are RGB, about [0, 1].

    Args:
        towards_sun: unit vector, x to the right, y up, z away from the camera.
        sun: colour and strength of direct sunlight.
        ambient: colour and strength of the light from the sky.
        zenith: colour of the sky overhead.
        horizon: colour of the sky at the horizon, and of haze.
        cloud_cover: part of the sky behind clouds, in [0, 1].
        visibility: metres after which haze leaves 1/e of a surface's own light.
        wetness: how much the road mirrors, in [0, 1].
        glow: how brightly windows and lamps are lit, in [0, 1].
    """

    towards_sun: Colour
    sun: Colour
    ambient: Colour
    zenith: Colour
    horizon: Colour
    cloud_cover: float
    visibility: float
    wetness: float
    glow: float

    def on(self, normals: Floats) -> Floats:
        """Light on surfaces with the unit ``normals`` [n, 3]: RGB [n, 3]."""
        direct = np.maximum(normals @ rgb(self.towards_sun), 0)
        sky = 0.75 + 0.25 * normals[:, 1]
        return tinted(self.sun, direct) + tinted(self.ambient, sky)

    def on_round(self, x: Floats, y: Floats) -> Floats:
        """Light on a bulging surface seen from the front.

        Args:
            x: [n], sideways component of the normal, −1 left … 1 right.
            y: [n], upward component of the normal.

        Returns:
            RGB [n, 3].
        """
        depth = -np.sqrt(np.clip(1 - x * x - y * y, 0, 1))
        return self.on(np.stack([x, y, depth], axis=1).astype(np.float32))

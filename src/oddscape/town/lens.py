"""From light to picture: haze, wet road, exposure, blur and noise of a camera."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from oddscape.town.geometry import Camera
from oddscape.town.light import Light, rgb
from oddscape.town.noise import Floats


def add_haze(picture: Floats, nearness: Floats, light: Light) -> None:
    """Fade everything but the sky towards the horizon's colour, by depth."""
    veil = np.exp(-1 / (np.maximum(nearness, 1e-4) * np.float32(light.visibility)))
    np.subtract(1, veil, out=veil)
    veil *= nearness > 0
    for plane, colour in zip(np.moveaxis(picture, -1, 0), rgb(light.horizon) * np.float32(0.95), strict=True):
        plane += veil * (colour - plane)


def add_mirror(picture: Floats, road: NDArray[np.bool_], camera: Camera, wetness: float) -> None:
    """Let a wet road mirror what stands above the horizon."""
    height = camera.size[0]
    rows = np.arange(height)
    source = np.clip((2 * camera.horizon - rows).astype(int), 0, height - 1)
    first = int(camera.horizon) + 1
    mirrored = ndimage.uniform_filter1d(picture[source[first:]], max(height // 14, 1), axis=0)
    weight = (road[first:] * np.float32(wetness) * 0.55)[..., None]
    picture[first:] = picture[first:] * (1 - weight) * (1 - 0.35 * weight) + mirrored * weight


def expose(rng: np.random.Generator, picture: Floats) -> NDArray[np.uint8]:
    """Develop light [H, W, 3] into a picture: exposure, white balance, blur, vignette, noise."""
    height, width = picture.shape[:2]
    balance = (rng.uniform(0.9, 1.12) * rng.uniform(0.96, 1.04, 3)).astype(np.float32)
    sigma = rng.uniform(0.0, 0.75) * height / 180
    if sigma > 0.25:
        picture = ndimage.gaussian_filter(picture, (sigma, sigma, 0), truncate=2.5)
    y, x = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)
    falloff = (1 - rng.uniform(0.02, 0.12) * (x * x + y * y))[..., None].astype(np.float32)
    light = picture * (balance * 1.12) * falloff
    toned = 1.06 * (1 - np.exp(-2.1 * light)) ** 1.05
    level = np.float32(rng.uniform(0.006, 0.022))
    noise = rng.standard_normal(picture.shape, dtype=np.float32) * level
    developed: NDArray[np.uint8] = np.clip((toned + noise) * 255 + 0.5, 0, 255).astype(np.uint8, order="C")
    return developed

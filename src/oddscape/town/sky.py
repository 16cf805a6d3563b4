"""The sky: a gradient, clouds, and a glow around the sun."""

from __future__ import annotations

import numpy as np

from oddscape.town.geometry import Camera
from oddscape.town.light import Light, rgb
from oddscape.town.noise import Floats, clouds


def draw_sky(camera: Camera, light: Light, seed: float) -> Floats:
    """The whole sky down to the horizon, drawn at half the resolution: float32 [rows, W, 3]."""
    height, width = camera.size
    step = 2
    rows = min(max(int(np.ceil(camera.horizon)) + 1, 1), height)
    up = np.maximum((camera.horizon - np.arange(0, rows, step, dtype=np.float32) - 1) / camera.focal, 0)[
        :, None
    ]
    across = ((np.arange(0, width, step, dtype=np.float32) + 1 - camera.middle) / camera.focal)[None, :]
    blend = np.clip(1 - np.exp(-up * 4.5), 0, 1)[..., None]
    sky = rgb(light.horizon) * (1 - blend) + rgb(light.zenith) * blend
    far = 1 / (up + 0.09)
    billow = clouds(
        (across * far * 0.35 + seed).astype(np.float32), (far * 0.45 + seed).astype(np.float32) + 0 * across
    )
    wisps = clouds(
        (across * far * 1.3 + seed).astype(np.float32), (far * 1.7).astype(np.float32) + 0 * across
    )
    density = billow + 0.35 * (wisps - 0.5)
    cover = np.clip((density - 0.95 + 0.9 * light.cloud_cover) * 4, 0, 1)[..., None]
    white = rgb(light.ambient) * 0.75 + rgb(light.sun) * 0.4 + 0.12
    shade = (1.05 - 0.5 * (billow - 0.45) * light.cloud_cover * 2)[..., None]
    fade = np.clip(up * 6, 0.15, 1)[..., None]
    cloud = white * shade * fade + rgb(light.horizon) * (1 - fade)
    coarse = sky * (1 - cover) + cloud * cover
    return np.repeat(np.repeat(coarse, step, axis=0)[:rows], step, axis=1)[:, :width].astype(np.float32)

"""Renders one street scene from a seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oddscape.errors import OddscapeError
from oddscape.town import labels
from oddscape.town.geometry import Camera, Thing
from oddscape.town.ground import Setting, draw_ground
from oddscape.town.layout import fill
from oddscape.town.lens import add_haze, add_mirror, expose
from oddscape.town.noise import Floats
from oddscape.town.raster import cast_shadows, corners_of, rasterise, shade
from oddscape.town.sky import draw_sky
from oddscape.town.street import draw_street
from oddscape.town.styles import STYLES
from oddscape.town.weather import draw_light

TEST_TOWNS = ("t5", "t6")
"""The towns that hold anomalies."""

_FINE = 540  # below this many rows, a picture is rendered twice as large and then reduced


def render_scene(
    town: str, seed: int, index: int, size: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Render one picture; the same arguments give the same pixels, whatever was rendered before.

    Args:
        town: ``"t1"`` … ``"t6"``; t5 and t6 hold anomalies.
        seed: the world's seed.
        index: the picture's number within the town.
        size: (H, W) in pixels, at least 16 each.

    Returns:
        the picture, uint8 [H, W, 3], and its raw labels, uint8 [H, W], ids of StreetHazards.

    Raises:
        OddscapeError: the town is unknown, or the size too small.
    """
    if town not in STYLES:
        raise OddscapeError(f"unknown town {town!r}: there are {', '.join(STYLES)}")
    if min(size) < 16:
        raise OddscapeError(f"pictures of {size[1]}x{size[0]} pixels are too small: at least 16x16")
    style = STYLES[town]
    rng = np.random.default_rng([seed, style.number, index])
    factor = 2 if size[0] < _FINE else 1
    light = draw_light(rng, style.weather[rng.integers(len(style.weather))])
    street = draw_street(rng, style)
    camera = _draw_camera(rng, (size[0] * factor, size[1] * factor))
    setting = Setting(camera, street, style, light, float(rng.integers(1, 400)))
    content = fill(rng, street, style, with_anomalies=town in TEST_TOWNS)
    picture, raw = _draw(setting, content, factor)
    coarse = slice(factor - 1, None, factor)
    return expose(rng, _reduced(picture, factor)), np.ascontiguousarray(raw[coarse, coarse])


def _reduced(picture: Floats, factor: int) -> Floats:
    if factor == 1:
        return picture
    corners = picture[0::2, 0::2] + picture[0::2, 1::2] + picture[1::2, 0::2] + picture[1::2, 1::2]
    return corners * np.float32(0.25)


def _draw_camera(rng: np.random.Generator, size: tuple[int, int]) -> Camera:
    height, width = size
    focal = rng.uniform(0.72, 0.9) * max(width, height * 1.2)
    return Camera(size, focal, height * rng.uniform(0.4, 0.5), rng.uniform(1.35, 1.9))


def _draw(setting: Setting, content: Thing, factor: int) -> tuple[Floats, NDArray[np.uint8]]:
    """Light [H, W, 3] and raw labels [H, W] of a whole picture."""
    camera, light = setting.camera, setting.light
    # Plane by plane in memory: arithmetic then runs along the rows, not over three colours at a time.
    picture = np.zeros((3, *camera.size), np.float32).transpose(1, 2, 0)
    raw = np.full(camera.size, labels.BACKGROUND, np.uint8)
    sky = draw_sky(camera, light, setting.seed)
    picture[: len(sky)] = sky
    corners = corners_of(content.faces)
    seen = rasterise(content.faces, corners, camera)
    wanted = _sampled(seen.face, factor)
    ground, things = (seen.face < 0) & (seen.nearness > 0), seen.face >= 0
    draw_ground(wanted & ground, cast_shadows(content, corners, camera, light), setting, picture, raw)
    shade(wanted & things, seen, content.faces, light, camera.focal, picture)
    if factor > 1:
        _copy_unsampled(picture, wanted, ground | things)
    kinds = np.array([face.paint.label for face in content.faces], np.uint8)
    raw = np.where(things, kinds[seen.face], raw)
    if light.wetness > 0:
        add_mirror(picture, (raw == labels.ROAD) | (raw == labels.ROAD_LINE), camera, light.wetness)
    add_haze(picture, seen.nearness, light)
    return picture, raw


def _sampled(face: NDArray[np.int32], factor: int) -> NDArray[np.bool_]:
    """Which pixels to shade: of two neighbours in a row that see the same face one is enough, in turn."""
    wanted = np.ones(face.shape, np.bool_)
    if factor > 1:
        apart = face[:, 0::2] != face[:, 1::2]
        wanted[0::2, 1::2] = apart[0::2]
        wanted[1::2, 0::2] = apart[1::2]
    return wanted


def _copy_unsampled(picture: Floats, wanted: NDArray[np.bool_], drawn: NDArray[np.bool_]) -> None:
    for start in (0, 1):
        here, there = (
            (slice(start, None, 2), slice(1 - start, None, 2)),
            (slice(start, None, 2), slice(start, None, 2)),
        )
        missing = drawn[here] & ~wanted[here]
        np.copyto(picture[here], picture[there], where=missing[..., None])

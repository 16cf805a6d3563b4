"""A contact sheet: many pictures of all towns at a glance."""

from __future__ import annotations

import numpy as np
from PIL import Image

from oddscape.town.labels import RAW_COLOURS
from oddscape.town.scene import render_scene
from oddscape.town.styles import STYLES


def contact_sheet(
    *,
    seed: int = 0,
    size: tuple[int, int] = (180, 320),
    count: int = 24,
    columns: int = 4,
    towns: tuple[str, ...] = tuple(STYLES),
    labels: bool = False,
) -> Image.Image:
    """Render ``count`` pictures in rows, the towns in turn.

    Args:
        seed: the world's seed.
        size: (H, W) of each picture.
        count: number of pictures.
        columns: pictures in a row.
        towns: which towns to show.
        labels: show the labels in colours instead of the pictures.

    Returns:
        an RGB picture.
    """
    height, width = size
    sheet = Image.new("RGB", (columns * width, -(-count // columns) * height))
    for number in range(count):
        image, raw = render_scene(towns[number % len(towns)], seed, number // len(towns), size)
        shown = np.array(RAW_COLOURS, np.uint8)[raw] if labels else image
        sheet.paste(Image.fromarray(shown), (number % columns * width, number // columns * height))
    return sheet

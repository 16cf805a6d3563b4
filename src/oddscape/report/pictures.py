"""The five panels of an illustration as pictures inside the page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_dilation

from oddscape.illustrations import Illustration
from oddscape.labels import ANOMALY_COLOUR, IGNORED, LabelSpace
from oddscape.report.heat import paint_heat, robust_range

MAX_WIDTH = 640
"""Wider pictures are shrunk to this width."""

UNKNOWN_COLOUR = (128, 128, 128)
"""Colour of a known pixel whose class nobody gives."""

HATCH = ((30, 30, 30), (150, 150, 150))
"""The two colours of the stripes over ignored pixels."""

OUTLINE = (0, 240, 255)
"""Cyan, which the heat map does not have."""

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Panel:
    """A picture inside the page.

    Args:
        title: what it shows.
        alt: what it shows of what.
        source: ``data:`` URI.
        width: in pixels.
        height: in pixels.
    """

    title: str
    alt: str
    source: str
    width: int
    height: int


def panels(it: Illustration) -> list[Panel]:
    """Photograph, closed-set classes, heat map, open-set result and truth, at most 640 pixels wide."""
    size = shown_size(it.anomaly.shape)
    space = it.label_space
    pictures = [
        ("Photograph", f"Photograph of {it.name}", _jpeg(_smooth(it.image, size))),
        (
            "Closed-set classes",
            f"Classes of {it.name} by {it.model}",
            _label_map(nearest(it.classes, size), space),
        ),
        (
            "Anomaly score",
            f"Heat map of {it.score_name} by {it.model} on {it.name}",
            _jpeg(_outlined_heat_map(it, size)),
        ),
        (
            "Open-set result",
            f"Classes and found anomalies of {it.name}",
            _label_map(nearest(it.open_set, size), space),
        ),
        ("Truth", f"True anomalies, ignored pixels and classes of {it.name}", _truth(it, size)),
    ]
    return [Panel(title, alt, source, size[1], size[0]) for title, alt, source in pictures]


def shown_size(size: tuple[int, ...]) -> tuple[int, int]:
    """The size (H, W) at which a picture of size (H, W) is shown."""
    height, width = size
    scale = min(1, MAX_WIDTH / width)
    return max(1, round(height * scale)), round(width * scale)


def nearest(labels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Bring labels [H, W] to ``size`` without mixing them: each pixel takes the one at its centre."""
    rows, columns = (
        ((np.arange(shown) + 0.5) * full / shown).astype(np.intp)
        for shown, full in zip(size, labels.shape, strict=True)
    )
    return labels[np.ix_(rows, columns)]


def heat_map(score: NDArray[np.float32], size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Paint a score map [H, W] between its 1 % and 99 % quantiles, uint8 [H, W, 3]; at ``size`` if given."""
    low, high = robust_range(score)
    # Clipped first, or one extreme pixel would colour all that are averaged with it.
    clipped = np.nan_to_num(score, nan=low).clip(low, high).astype(np.float32)
    if size is not None:
        clipped = np.asarray(Image.fromarray(clipped).resize(size[::-1], Image.Resampling.BOX))
    return paint_heat(clipped, low, high)


def contour(anomaly: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels around anomalies that are none, bool [H, W]: an outline of a pixel for 320 pixels of width."""
    inside = anomaly == 1
    outline: NDArray[np.bool_] = binary_dilation(inside, iterations=max(1, anomaly.shape[1] // 320)) & ~inside
    return outline


def _smooth(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.LANCZOS))


def _outlined_heat_map(it: Illustration, size: tuple[int, int]) -> NDArray[np.uint8]:
    painted = heat_map(it.score, size)
    painted[contour(nearest(it.anomaly, size))] = OUTLINE
    return painted


def _label_map(labels: NDArray[np.uint8], space: LabelSpace) -> str:
    return _palette_png(labels, [*space.colours, ANOMALY_COLOUR])


def _truth(it: Illustration, size: tuple[int, int]) -> str:
    anomaly = nearest(it.anomaly, size)
    stripes = np.add.outer(np.arange(size[0]), np.arange(size[1])) // 6 % 2
    if it.labels is None:
        return _jpeg(_truth_on_photograph(_smooth(it.image, size), anomaly, stripes))
    K = it.label_space.num_classes
    labels = nearest(it.labels, size)
    shown = np.where(labels < K, labels, K + 1)
    shown[anomaly == 1] = K
    shown = np.where(anomaly == IGNORED, K + 2 + stripes, shown)
    return _palette_png(
        shown.astype(np.uint8), [*it.label_space.colours, ANOMALY_COLOUR, UNKNOWN_COLOUR, *HATCH]
    )


def _truth_on_photograph(
    image: NDArray[np.uint8], anomaly: NDArray[np.uint8], stripes: NDArray[np.integer]
) -> NDArray[np.uint8]:
    grey = image.mean(2, keepdims=True)
    shown = np.repeat(grey * 0.55 + 20, 3, 2)
    inside, ignored = anomaly == 1, anomaly == IGNORED
    shown[inside] = 0.25 * image[inside] + 0.75 * np.array(ANOMALY_COLOUR)
    shown[ignored] = 0.25 * grey[ignored] + 0.75 * np.array(HATCH)[stripes[ignored]]
    return shown.astype(np.uint8)


def _jpeg(pixels: NDArray[np.uint8]) -> str:
    file = BytesIO()
    # Full colour resolution: outlines and heat maps are thin and saturated.
    Image.fromarray(pixels).save(file, "JPEG", quality=85, subsampling=0)
    return _uri("image/jpeg", file)


def _palette_png(indices: NDArray[np.uint8], colours: Sequence[Colour]) -> str:
    picture = Image.fromarray(indices, "L")
    picture.putpalette([channel for colour in colours for channel in colour])
    file = BytesIO()
    picture.save(file, "PNG", optimize=True)
    return _uri("image/png", file)


def _uri(kind: str, file: BytesIO) -> str:
    return f"data:{kind};base64,{base64.b64encode(file.getvalue()).decode()}"

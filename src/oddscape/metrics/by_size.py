"""How well anomalies are found by their size in pixels, for small and far is what matters on a road."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from oddscape.metrics.arrays import FloatArray, Maps, as_maps
from oddscape.metrics.operating_points import OperatingPoints, average_precision

SizeClass = tuple[int, int | None]
"""The least and the greatest number of pixels, both included; None: however large."""

SIZE_CLASSES: tuple[SizeClass, ...] = ((1, 999), (1_000, 9_999), (10_000, 99_999), (100_000, None))
"""Decades around the 32² and 96² pixels that part COCO's small, medium and large objects.

In a picture of 2048×1024 pixels with the focal length of Cityscapes' camera, 2,260 pixels, an object half a
metre wide and high shrinks below 100,000 pixels at 3.6 m, below 10,000 at 11 m and below 1,000 at 36 m.
"""


@dataclass(frozen=True)
class SizeFigures:
    """Figures of the anomalies of one size class; NaN where it holds no anomaly.

    Args:
        smallest: least number of pixels of such an anomaly.
        largest: greatest number of pixels; None: however large.
        components: number of anomalies, 8-connected components of anomalous pixels.
        pixels: their pixels.
        average_precision: AP of their pixels against all known pixels; other anomalies are left out.
        recall: share of their pixels with score ≥ threshold.
    """

    smallest: int
    largest: int | None
    components: int
    pixels: int
    average_precision: float
    recall: float


def component_sizes(truth: Maps) -> NDArray[np.int64]:
    """Give each anomalous pixel the size of the anomaly that it belongs to.

    An anomaly is an 8-connected component of anomalous pixels in one picture; ignored pixels part it. Sizes
    of several pictures are joined by concatenation.

    Args:
        truth: integers, one picture [H, W] or a batch [N, H, W]; 1 anomaly, anything else is none.

    Returns:
        int64 [P], numbers of pixels, in the order of ``truth[truth == 1]``.
    """
    return np.concatenate([np.empty(0, np.int64), *map(_sizes, as_maps(truth, "truth") == 1)])


def figures_by_size(
    points: OperatingPoints,
    scores: FloatArray,
    sizes: NDArray[np.int64],
    threshold: float,
    classes: Sequence[SizeClass] = SIZE_CLASSES,
) -> list[SizeFigures]:
    """Give AP and recall of the anomalies of each size class.

    Args:
        points: counts of all pixels.
        scores: float [P], of all anomalous pixels that ``points`` counts, in any order.
        sizes: int64 [P], the size of the anomaly that each belongs to, from :func:`component_sizes`.
        threshold: a pixel is called anomalous where its score ≥ this; NaN makes every recall NaN.
        classes: the size classes, which may overlap.
    """
    return [_figures(points, scores, sizes, threshold, *bounds) for bounds in classes]


def _sizes(anomalous: NDArray[np.bool_]) -> NDArray[np.int64]:
    labels, _ = ndimage.label(anomalous, structure=np.ones((3, 3)))
    own = labels[anomalous]
    return np.bincount(own)[own]


def _figures(
    points: OperatingPoints,
    scores: FloatArray,
    sizes: NDArray[np.int64],
    threshold: float,
    smallest: int,
    largest: int | None,
) -> SizeFigures:
    inside = sizes >= smallest if largest is None else (sizes >= smallest) & (sizes <= largest)
    chosen = scores[inside]
    # A component of n pixels occurs n times.
    size, pixels = np.unique(sizes[inside], return_counts=True)
    # As float64 on both sides: rounding the threshold to float32 could call other pixels.
    called = np.count_nonzero(chosen >= np.float64(threshold))
    defined = chosen.size > 0 and not np.isnan(threshold)
    return SizeFigures(
        smallest=smallest,
        largest=largest,
        components=int(np.sum(pixels // size)),
        pixels=chosen.size,
        average_precision=average_precision(points.among(chosen)),
        recall=float(called / chosen.size) if defined else float("nan"),
    )

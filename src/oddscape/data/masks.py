"""Sets that say where the anomaly is and name no class: pictures beside masks.

``<directory>/images/<id>.{png,jpg,webp}`` with ``<directory>/labels_masks/<id>.png`` or
``<id>_labels_semantic.png``: SegmentMeIfYouCan (Chan et al., 2021), the usual packaging of RoadAnomaly
(Lis et al., ICCV 2019), and pictures of one's own.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from oddscape.data.dataset import Dataset, Entry
from oddscape.data.layout import partners, pictures_in
from oddscape.data.truth import read_anomaly
from oddscape.labels import LabelSpace

_EXPECTED = "expected images/<id>.{png,jpg,webp} and labels_masks/<id>.png or <id>_labels_semantic.png"


def masks(directory: Path, frames: str = "*") -> Dataset:
    """Open pictures with masks of 0 known, 1 anomaly, 255 ignored.

    Args:
        directory: the folder that holds ``images`` and ``labels_masks``.
        frames: a glob pattern of file names in ``images``, such as ``"validation*"``.

    Raises:
        OddscapeError: a folder, or the mask of a picture, is missing; there are no pictures.
    """
    return _open("masks", directory, frames, frozenset({1}))


def roadanomaly21(directory: Path, frames: str = "*") -> Dataset:
    """Open RoadAnomaly21, SegmentMeIfYouCan's AnomalyTrack (see :func:`masks`).

    In the benchmark's own archive ``frames="validation*"`` picks the pictures that have a mask.
    """
    return _open("roadanomaly21", directory, frames, frozenset({1}))


def roadobstacle21(directory: Path, frames: str = "*") -> Dataset:
    """Open RoadObstacle21, SegmentMeIfYouCan's ObstacleTrack: 0 road, 1 obstacle, 255 all that is no road."""
    return _open("roadobstacle21", directory, frames, frozenset({1}))


def roadanomaly(directory: Path, frames: str = "*") -> Dataset:
    """Open RoadAnomaly (see :func:`masks`), in which both 1 and 2 stand for an anomaly.

    The original labels say 2 and have no 1; repackaged ones say 1, as in the other sets of their kind.
    """
    return _open("roadanomaly", directory, frames, frozenset({1, 2}))


def _open(name: str, directory: Path, frames: str, anomalies: frozenset[int]) -> Dataset:
    images = pictures_in(directory / "images", _EXPECTED, frames)
    truths = partners(images, directory / "labels_masks", _EXPECTED, ("{}.png", "{}_labels_semantic.png"))
    entries = tuple(Entry(image.stem, image, truth) for image, truth in zip(images, truths, strict=True))
    encoding = LabelSpace(name, ("known",), ((128, 128, 128),), {0: 0}, anomalies, frozenset({255}))
    return Dataset(name, None, entries, partial(read_anomaly, label_space=encoding))

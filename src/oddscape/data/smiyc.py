"""SegmentMeIfYouCan (Chan et al., NeurIPS Datasets 2021): AnomalyTrack and ObstacleTrack.

The benchmark's archive holds its few validation pictures, named ``validation*``, among the test pictures,
whose masks it keeps; a re-packaging holds the validation pictures alone, by number. For the layout see
:mod:`oddscape.data.masks`.
"""

from __future__ import annotations

from pathlib import Path

from oddscape.data.dataset import Dataset, Entry, anomaly_dataset
from oddscape.data.label_spaces import mask_values
from oddscape.data.layout import one_of
from oddscape.data.masks import find_masks
from oddscape.errors import OddscapeError

SPLITS = ("validation", "test", "all")
_VALIDATION = "validation"


def roadanomaly21(directory: Path, split: str = "validation", frames: str = "*") -> Dataset:
    """Open RoadAnomaly21, the AnomalyTrack: 0 known, 1 anomaly, 255 ignored.

    Args:
        directory: the folder that holds ``images`` and ``labels_masks``.
        split: ``"validation"``: pictures named ``validation*``, or all where none is; each needs its mask.
            ``"test"``: those not so named; they may do without. ``"all"``: both, as a submission wants.
        frames: a glob pattern of file names, to open a part.

    Raises:
        OddscapeError: the split is unknown; a folder is missing; there are no such pictures.
    """
    return _open("roadanomaly21", directory, split, frames)


def roadobstacle21(directory: Path, split: str = "validation", frames: str = "*") -> Dataset:
    """Open RoadObstacle21, the ObstacleTrack: 0 road, 1 obstacle, 255 all that is no road.

    A sequence is the scene before the first ``_`` of a test picture's name; validation pictures name none.
    For the rest see :func:`roadanomaly21`.
    """
    return _open("roadobstacle21", directory, split, frames)


def _open(name: str, directory: Path, split: str, frames: str) -> Dataset:
    one_of(name, split, SPLITS)
    found = find_masks(directory)
    named = any(_is_validation(image) for image, _ in found.pairs)
    entries = tuple(
        _entry(name, image, truth, needs_mask=_is_validation(image) or split == "validation")
        for image, truth in found.pairs
        if split == "all" or not named or _is_validation(image) == (split == "validation")
        if image.match(frames)
    )
    if not entries:
        raise OddscapeError(f"{name}: no picture {frames!r} of split {split} in {directory}")
    packaging = "the benchmark's archive" if named else "re-packaged by number"
    return anomaly_dataset(name, mask_values(name), entries, f"{packaging}: {found.packaging}")


def _entry(name: str, image: Path, truth: Path, *, needs_mask: bool) -> Entry:
    scene, separator, _ = image.stem.partition("_")
    sequence = scene if name == "roadobstacle21" and separator and not _is_validation(image) else ""
    return Entry(image.stem, image, truth if needs_mask or truth.is_file() else None, sequence=sequence)


def _is_validation(image: Path) -> bool:
    return image.name.startswith(_VALIDATION)

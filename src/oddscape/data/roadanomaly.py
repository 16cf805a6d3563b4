"""RoadAnomaly (Lis et al., ICCV 2019), in its own layout or with pictures beside masks.

``<directory>/frames/<name>.{jpg,webp}`` with ``frames/<name>.labels/labels_semantic.png``, the names listed
in ``<directory>/frame_list.json``; for the re-packagings see :mod:`oddscape.data.masks`.
"""

from __future__ import annotations

import json
from pathlib import Path

from oddscape.data.dataset import Dataset, Entry, anomaly_dataset
from oddscape.data.label_spaces import mask_values
from oddscape.data.layout import pictures_in
from oddscape.data.masks import LAYOUT, find_masks
from oddscape.errors import OddscapeError

_EXPECTED = f"expected frames/<name>.jpg and frames/<name>.labels/labels_semantic.png, or {LAYOUT}"


def roadanomaly(directory: Path, frames: str = "*") -> Dataset:
    """Open RoadAnomaly, in which both 1 and 2 stand for an anomaly, 0 for known, 255 for ignored.

    The original labels say 2 and have no 1; re-packaged ones say 1, as in the other sets of their kind.

    Args:
        directory: the folder that holds ``frames``, or ``images`` and ``labels_masks``.
        frames: a glob pattern of file names, to open a part.

    Raises:
        OddscapeError: a folder is missing; there are no pictures; ``frame_list.json`` is no list of names.
    """
    if (directory / "frames").is_dir():
        pairs, packaging = _own_layout(directory, frames), "RoadAnomaly's own"
    else:
        found = find_masks(directory, _EXPECTED, frames)
        pairs, packaging = found.pairs, f"re-packaged: {found.packaging}"
    entries = (Entry(image.stem, image, truth) for image, truth in pairs)
    return anomaly_dataset("roadanomaly", mask_values("roadanomaly", anomalies=(1, 2)), entries, packaging)


def _own_layout(directory: Path, frames: str) -> tuple[tuple[Path, Path], ...]:
    there = pictures_in(directory / "frames", _EXPECTED, frames)
    listed = directory / "frame_list.json"
    pictures = _listed_pictures(listed, there, frames) if listed.is_file() else there
    return tuple((image, image.with_suffix(".labels") / "labels_semantic.png") for image in pictures)


def _listed_pictures(listed: Path, there: list[Path], frames: str) -> list[Path]:
    """The pictures of the list, by name without suffix: some archives hold them in another format."""
    try:
        names = [Path(name) for name in json.loads(listed.read_text(encoding="utf-8"))]
    except (ValueError, TypeError) as error:
        raise OddscapeError(f"{listed}: expected a list of file names: {error}") from None
    by_stem = {image.stem: image for image in there}
    wanted = [name for name in names if name.match(frames)]
    return [by_stem.get(name.stem, listed.parent / "frames" / name.name) for name in wanted]

"""ADE20K's scene parsing (Zhou et al., CVPR 2017) as negatives.

``<directory>/images/{training,validation}/<n>.jpg`` with
``<directory>/annotations/{training,validation}/<n>.png``.
"""

from __future__ import annotations

from pathlib import Path

from oddscape.data.dataset import Dataset, Entry
from oddscape.data.files import read_mask
from oddscape.data.layout import one_of, partners, pictures_in
from oddscape.data.truth import Truth
from oddscape.errors import OddscapeError

SPLITS = ("training", "validation")
_LAST_LABEL = 150
_EXPECTED = "expected images/{training,validation}/<n>.jpg and annotations/{training,validation}/<n>.png"


def ade20k(directory: Path, split: str = "training") -> Dataset:
    """Open ADE20K as negatives; a scene's labels are its segments' ids, each of which may be pasted.

    Id 0, ADE20K's "other", is a segment like 1 to 150.

    Args:
        directory: the folder that holds ``images`` and ``annotations``.
        split: ``"training"`` or ``"validation"``.

    Raises:
        OddscapeError: the split is unknown; a folder is missing; there are no pictures.
    """
    one_of("ade20k", split, SPLITS)
    images = pictures_in(directory / "images" / split, _EXPECTED)
    truths = partners(images, directory / "annotations" / split, _EXPECTED)
    entries = tuple(Entry(image.stem, image, truth) for image, truth in zip(images, truths, strict=True))
    return Dataset("ade20k", None, entries, _read_segments, packaging="scene parsing 2016")


def _read_segments(path: Path, size: tuple[int, int]) -> Truth:
    segments = read_mask(path, size)
    if segments.max() > _LAST_LABEL:
        raise OddscapeError(f"{path}: unknown label value {segments.max()}: ade20k knows 0 to {_LAST_LABEL}")
    return segments, None

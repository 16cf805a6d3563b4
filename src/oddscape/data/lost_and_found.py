"""Lost and Found (Pinggera et al., IROS 2016): small obstacles on real roads.

``<directory>/leftImg8bit/{train,test}/<nn>_<street>/<id>_leftImg8bit.png`` with
``<directory>/gtCoarse/{train,test}/<nn>_<street>/<id>_gtCoarse_labelIds.png``, where an id is
``<nn>_<street>_<sequence>_<frame>``.
"""

from __future__ import annotations

import re
from pathlib import Path

from oddscape.data.dataset import Dataset, Entry, anomaly_dataset
from oddscape.data.label_spaces import mask_values
from oddscape.data.layout import existing, mirrored, one_of, pictures_below
from oddscape.data.selection import entries_whose_mask
from oddscape.errors import OddscapeError

SPLITS = ("train", "test")
ENDING = "_leftImg8bit"
"""What a picture's name has after its id."""

_EXPECTED = (
    "expected leftImg8bit/{train,test}/<nn>_<street>/<id>_leftImg8bit.png "
    "and gtCoarse/{train,test}/<nn>_<street>/<id>_gtCoarse_labelIds.png"
)

# What SegmentMeIfYouCan's program leaves out in its split "test-NoKnown", by the beginning of the id: the
# obstacles are children, or bicycles. Of its four, the first alone lies in the test split.
_KNOWN_OBJECTS = (
    "15_Rechbergstr_Deckenpfronn",
    "01_Hanns_Klemm_Str_45_000006",
    "01_Hanns_Klemm_Str_45_000007",
    "10_Schlossberg_9_000004",
)


def lost_and_found(directory: Path, split: str = "test", known_objects: str = "drop") -> Dataset:
    """Open Lost and Found: 1 road, 2 to 200 obstacles, 0 (all that is no road) ignored.

    Pictures of which no pixel is labelled are left out, as SegmentMeIfYouCan does; to find them, all masks
    are read once. The test split so has 1,043 pictures, SegmentMeIfYouCan's "test-NoKnown". A sequence is
    one approach to an obstacle, ``<nn>_<street>_<sequence>``.

    Args:
        directory: the folder that holds ``leftImg8bit`` and ``gtCoarse``.
        split: ``"train"`` or ``"test"``.
        known_objects: ``"drop"`` leaves out the recordings whose obstacles are children and bicycles, which
            networks for road scenes know; ``"keep"`` keeps them (1,186 test pictures).

    Raises:
        OddscapeError: an option is unknown; a folder is missing; there are no pictures.
    """
    one_of("lost-and-found", split, SPLITS)
    one_of("lost-and-found", known_objects, ("drop", "keep"))
    images, truths = directory / "leftImg8bit" / split, directory / "gtCoarse" / split
    existing(truths, _EXPECTED)
    entries = [_entry(image, images, truths) for image in pictures_below(images, _EXPECTED, ENDING)]
    if known_objects == "drop":
        entries = [entry for entry in entries if not entry.name.startswith(_KNOWN_OBJECTS)]
    labelled = entries_whose_mask(entries, lambda there: bool(there[1:].any()))
    if not labelled:
        raise OddscapeError(f"lost-and-found: no picture in {images} is left: none is labelled")
    encoding = mask_values("lost-and-found", known=(1,), anomalies=range(2, 201), ignored=(0,))
    return anomaly_dataset("lost-and-found", encoding, labelled, "Lost and Found's own")


def sequence_of(picture_id: str) -> str:
    """Name the recording of an id ``<nn>_<street>_<sequence>_<frame>``; empty where it is no such id.

    >>> sequence_of("02_Hanns_Klemm_Str_44_000002_000180")
    '02_Hanns_Klemm_Str_44_000002'
    """
    match = re.search(r"(\d\d_\D.*_\d{6})_\d{6}$", picture_id)
    return match[1] if match else ""


def _entry(image: Path, images: Path, truths: Path) -> Entry:
    name = image.stem.removesuffix(ENDING)
    truth = mirrored(image, ENDING, images, truths, "_gtCoarse_labelIds.png")
    return Entry(name, image, truth, sequence=sequence_of(name))

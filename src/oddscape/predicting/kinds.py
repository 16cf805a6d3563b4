"""What can be written about a picture: pictures, arrays and JSON, by name."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from oddscape.errors import OddscapeError
from oddscape.labels import ANOMALY_COLOUR, LabelSpace
from oddscape.predicting.region_files import encode_regions
from oddscape.report.heat import HEAT, heat_levels, robust_range
from oddscape.score_files.numpy_files import encode_npy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from oddscape.detector import Prediction

KINDS = {
    "classes": ".png",
    "open-set": ".png",
    "anomaly": ".png",
    "score": ".npy",
    "heat": ".png",
    "overlay": ".png",
    "regions": ".json",
}
"""Name → suffix of its file. Class maps are train ids with a palette, so that they show in colours, and K
where a pixel is anomalous; ``anomaly`` is black and white, ``score`` float32."""

_DECIDING = ("open-set", "anomaly", "regions")  # they need a threshold
_DEFAULT = ("classes", "open-set", "score", "heat", "overlay", "regions")
_DEFAULT_OF_VIDEOS = ("overlay", "heat", "regions")


def picture_kinds(asked: Sequence[str], *, decides: bool) -> tuple[str, ...]:
    """The kinds that are written about pictures.

    Args:
        asked: names in :data:`KINDS`; () for all that the detector can give but ``anomaly``.
        decides: whether the detector has a threshold.

    Raises:
        OddscapeError: an unknown name, or a kind that needs a threshold where there is none.
    """
    return _checked(asked, decides) or _possible(_DEFAULT, decides)


def video_kinds(asked: Sequence[str], *, decides: bool) -> tuple[str, ...]:
    """The kinds that are written about videos: of those asked for all but ``score``.

    Raises:
        OddscapeError: as :func:`picture_kinds`, or ``score`` alone is asked for.
    """
    if set(asked) == {"score"}:
        raise OddscapeError("--write score: of videos, no scores are written; overlay, heat and regions are")
    kinds = _checked(asked, decides) or _possible(_DEFAULT_OF_VIDEOS, decides)
    return tuple(kind for kind in kinds if kind != "score")


def _checked(asked: Sequence[str], decides: bool) -> tuple[str, ...]:
    if unknown := [kind for kind in asked if kind not in KINDS]:
        raise OddscapeError(f"--write {unknown[0]}: unknown; known: {', '.join(KINDS)}")
    if not decides and (deciding := [kind for kind in asked if kind in _DECIDING]):
        raise OddscapeError(
            f"--write {deciding[0]} needs a threshold: give --threshold, or a detector that has one"
        )
    return tuple(dict.fromkeys(asked))


def _possible(kinds: Sequence[str], decides: bool) -> tuple[str, ...]:
    return tuple(kind for kind in kinds if decides or kind not in _DECIDING)


def encoded(kind: str, prediction: Prediction, picture: str, *, boxes: bool) -> bytes:
    """The content of a file.

    Args:
        kind: a name in :data:`KINDS`.
        prediction: of the picture.
        picture: its path as text, which the regions' file names.
        boxes: whether the overlay has a box around each region.
    """
    if kind == "score":
        return encode_npy(prediction.score)
    if kind == "regions":
        return encode_regions(prediction, picture)
    return encoded_picture(kind, prediction, boxes=boxes)


def encoded_picture(kind: str, prediction: Prediction, *, boxes: bool) -> bytes:
    """The PNG of a kind that is one; as :func:`drawn`."""
    content = BytesIO()
    # The lowest level but none takes a fourth of the default's time for a tenth more bytes.
    drawn(kind, prediction, boxes=boxes).save(content, "PNG", compress_level=1)
    return content.getvalue()


def drawn(
    kind: str,
    prediction: Prediction,
    *,
    boxes: bool,
    heat_range: tuple[float, float] | None = None,
) -> Image.Image:
    """The picture that a kind is.

    Args:
        kind: one of :data:`KINDS` that is a PNG.
        prediction: what is drawn.
        boxes: whether the overlay has a box around each region.
        heat_range: the scores of the heat map's ends; None: the picture's own 1 % and 99 % quantiles.
    """
    if kind == "heat":
        return _with_palette(
            heat_levels(prediction.score, *(heat_range or robust_range(prediction.score))), HEAT
        )
    if kind == "overlay":
        return prediction.overlay(boxes=boxes)
    if kind == "anomaly":
        return Image.fromarray(prediction.anomaly)
    labels = prediction.classes if kind == "classes" else prediction.open_set
    return _with_palette(labels, _palette(prediction.label_space))


def _with_palette(levels: NDArray[np.uint8], palette: NDArray[np.uint8]) -> Image.Image:
    picture = Image.fromarray(levels)
    picture.putpalette(palette.tobytes())
    return picture


def _palette(label_space: LabelSpace) -> NDArray[np.uint8]:
    return np.array([*label_space.colours, ANOMALY_COLOUR], np.uint8)

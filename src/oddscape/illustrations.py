"""Pictures of a result, small enough for a page: a thumbnail of every scene, and the maps of some."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from cattrs import Converter, transform_error

from oddscape.errors import OddscapeError
from oddscape.files import written_atomically
from oddscape.sizes import Size

FORMAT_VERSION = 2
_FORMAT = "oddscape pictures"


@dataclass(frozen=True)
class Failure:
    """A region that a threshold gets wrong.

    Args:
        kind: ``"false alarm"``, a region called anomalous that holds no anomaly; ``"missed"``, an anomaly of
            which less than half is called anomalous.
        box: (top, left, bottom, right) in fractions of the picture's height and width.
        pixels: of the region that are wrong, at evaluation size.
        crop: the photograph around it with its outline, WebP in base64.
    """

    kind: Literal["false alarm", "missed"]
    box: tuple[float, float, float, float]
    pixels: int
    crop: str


@dataclass(frozen=True)
class Illustration:
    """One scene with what a network makes of it, all at the same size (H, W), packed as text.

    Maps hold the values of single pixels of the full-size maps, which are not mixed.

    Args:
        name: the scene's name.
        size: (H, W) of everything here.
        full_size: (H, W) at which it was evaluated.
        photograph: WebP in base64.
        levels: packed map; how many of the gallery's thresholds each pixel's score exceeds.
        anomaly: packed map; 0 known, 1 anomaly, 255 ignored.
        classes: packed map of closed-set classes 0 … K−1; None where scores are all there is.
        labels: packed map of true classes, 255 unknown; None without class labels.
        failures: what goes wrong at the gallery's ``shown_threshold``, the largest first.
    """

    name: str
    size: Size
    full_size: Size
    photograph: str
    levels: str
    anomaly: str
    classes: str | None = None
    labels: str | None = None
    failures: list[Failure] = field(default_factory=list)


@dataclass(frozen=True)
class Gallery:
    """Pictures of one score of one evaluation.

    Args:
        model: name of the network.
        score: name of the score.
        fingerprint: of the evaluation's pictures and truth, as in ``Results``.
        thresholds: at most 255, rising, from ``threshold_stops``.
        shown_threshold: where a page's slider starts; one of them.
        class_names: names of the known classes; none where scores are all there is.
        colours: their RGB colours.
        thumbnails: WebP in base64 of scenes by name.
        illustrations: of the scenes whose maps are kept, in the data set's order.
    """

    model: str
    score: str
    fingerprint: str
    thresholds: list[float]
    shown_threshold: float
    class_names: list[str]
    colours: list[tuple[int, int, int]]
    thumbnails: dict[str, str]
    illustrations: list[Illustration]

    def save(self, path: str | Path) -> None:
        """Write the gallery as JSON.

        Raises:
            OddscapeError: the disk refused.
        """
        document = {"format": _FORMAT, "version": FORMAT_VERSION, **_CONVERTER.unstructure(self)}
        with written_atomically(Path(path)) as partial:
            partial.write_text(json.dumps(document), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            OddscapeError: no such file, or none of this format and version.
        """
        try:
            document: Any = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise OddscapeError(f"cannot read pictures from {path}: {error}") from None
        known = isinstance(document, dict) and document.get("format") == _FORMAT
        if not known or document.get("version") != FORMAT_VERSION:
            raise OddscapeError(f"{path} is no file of pictures that this version reads: evaluate again")
        try:
            return _CONVERTER.structure(document, cls)
        except Exception as error:  # cattrs gathers everything that is amiss into one of several classes
            raise OddscapeError(f"{path} is no whole file of pictures: {transform_error(error)[0]}") from None


def beside(results: str | Path) -> Path:
    """Where the pictures of a results file lie: beside it, with the ending ``.pictures``."""
    return Path(results).with_suffix(".pictures")


_CONVERTER = Converter()

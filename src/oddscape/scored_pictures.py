"""Score maps with their truth, and many of them on disk, for thresholds that depend on all pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from oddscape.errors import OddscapeError
from oddscape.inference import run_network
from oddscape.labels import IGNORED
from oddscape.metrics import StreamingCounts
from oddscape.scenes import Scene
from oddscape.spool import Spool

if TYPE_CHECKING:
    from oddscape.detector import Detector

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ScoredPicture:
    """What a detector says about a picture, and what is true.

    Args:
        score: float32 [H, W], higher = more anomalous; −∞ where the truth is ignored, so that no threshold
            calls such a pixel anomalous and no region grows through it.
        truth: uint8 [H, W], 0 known, 1 anomaly, 255 ignored.
        unit: what the bootstrap draws the picture with: its recording, or itself.
    """

    score: NDArray[np.float32]
    truth: NDArray[np.uint8]
    unit: str

    @property
    def known_scores(self) -> NDArray[np.float32]:
        """Scores of known pixels, float32 [n]."""
        known: NDArray[np.float32] = self.score[self.truth == 0]
        return known


def score_pictures(detector: Detector, scenes: Iterable[Scene]) -> Iterator[ScoredPicture]:
    """Score pictures one by one, at the size of their truth.

    A scene without anomaly truth is taken as free of anomalies: all its pixels are known.

    Raises:
        OddscapeError: no scene at all, or a score that is NaN where it counts.
    """
    scene = None
    for scene in scenes:
        truth = scene.anomaly if scene.anomaly is not None else np.zeros(scene.size, np.uint8)
        height, width = truth.shape
        named = {detector.score.name: detector.score}
        result = run_network(
            detector.net, scene.image, named, size=detector.size, output_size=(height, width)
        )
        score = result.scores[detector.score.name][0].cpu().numpy()
        yield scored_picture(score, truth, scene.name, scene.sequence)
    if scene is None:
        raise OddscapeError("no pictures: a threshold is chosen and checked on pictures")


def scored_picture(
    score: NDArray[np.floating[Any]], truth: NDArray[np.uint8], name: str, sequence: str = ""
) -> ScoredPicture:
    """Bring a score map and its truth, each [H, W], together.

    Raises:
        OddscapeError: the score is NaN where it counts.
    """
    counted = np.where(truth == IGNORED, np.float32(-np.inf), score.astype(np.float32))
    if broken := int(np.count_nonzero(np.isnan(counted))):
        raise OddscapeError(f"{name}: score is NaN at {broken} pixels that count")
    return ScoredPicture(counted, truth, sequence or name)


class ScoredPictures:
    """Many scored pictures: on disk, 5 bytes a pixel in the folder for temporary files, and counted.

    Memory holds 64 MB of counts over all pixels, and two numbers a picture.
    """

    def __init__(self, pictures: Iterable[ScoredPicture] = ()) -> None:
        self.units: list[str] = []
        self.counts = StreamingCounts()
        self._spool = Spool()
        self._known: list[int] = []
        self._peaks: list[float] = []
        for picture in pictures:
            self.add(picture)

    def add(self, picture: ScoredPicture) -> None:
        """Put a picture at the end.

        Raises:
            OddscapeError: the disk refused, as when it is full.
        """
        self._spool.append(picture.score, picture.truth)
        self.counts.update(picture.score, picture.truth)
        known = picture.known_scores
        self.units.append(picture.unit)
        self._known.append(known.size)
        self._peaks.append(float(known.max(initial=-np.inf)))

    def __len__(self) -> int:
        return len(self.units)

    def __iter__(self) -> Iterator[ScoredPicture]:
        for (score, truth), unit in zip(self._spool, self.units, strict=True):
            yield ScoredPicture(score, truth, unit)

    @property
    def known(self) -> NDArray[np.int64]:
        """Known pixels of each picture, int64 [pictures]."""
        return np.array(self._known, np.int64)

    @property
    def peaks(self) -> Floats:
        """The greatest score of a known pixel in each picture, float64 [pictures]; −∞ where there is none."""
        return np.array(self._peaks)

    def known_above(self, thresholds: NDArray[np.float32]) -> NDArray[np.int64]:
        """Count each picture's known pixels above thresholds [T], rising; int64 [pictures, T]."""
        counts = np.zeros((len(self), thresholds.size), np.int64)
        for row, picture in zip(counts, self, strict=True):
            scores = picture.known_scores
            above = np.sort(scores[scores > thresholds[0]])  # the rest need not be sorted
            row[:] = above.size - np.searchsorted(above, thresholds, "right")
        return counts

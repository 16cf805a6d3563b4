"""Scoring pictures one after another: they are read ahead and summed up behind while the network works."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oddscape.ahead import map_ahead
from oddscape.data import read_image
from oddscape.errors import OddscapeError
from oddscape.mining.facts import PictureFacts, picture_facts
from oddscape.mining.near_duplicates import picture_hash
from oddscape.mining.stamps import Stamp

if TYPE_CHECKING:
    from oddscape.detector import Detector, Prediction


@dataclass(frozen=True)
class Mined:
    """A picture and what was found in it.

    Args:
        path: of the picture, as it was listed.
        facts: None where it could not be scored.
        error: why it could not be scored, "" where it could.
        stamp: of the file that was scored.
    """

    path: str
    facts: PictureFacts | None = None
    error: str = ""
    stamp: Stamp | None = None


@dataclass(frozen=True, eq=False)
class _Read:
    path: str
    image: NDArray[np.uint8]
    picture_hash: str
    stamp: Stamp | None


@dataclass(frozen=True, eq=False)
class _Predicted:
    read: _Read
    prediction: Prediction


def score_pictures(detector: Detector, paths: Iterable[str], readers: int = 2) -> Iterator[Mined]:
    """Score pictures in their order; a picture that cannot be scored says why and stops nothing.

    The network runs in the calling thread, one picture at a time; others decode the next pictures and look
    for regions in the last ones. A few pictures are in memory at once, however many there are.

    Args:
        detector: with a threshold.
        paths: of the pictures.
        readers: threads beside the network's.
    """
    pool = ThreadPoolExecutor(readers)
    try:
        read = map_ahead(pool, _read, paths, 2 * readers)
        predicted = (_predicted(detector, picture) for picture in read)
        yield from map_ahead(pool, _summed_up, predicted, 2)
    finally:
        pool.shutdown(cancel_futures=True)


def _read(path: str) -> _Read | Mined:
    stamp = Stamp.of(path)  # before it is read: a file that changes meanwhile is to be scored again
    try:
        image = read_image(path)
    except OddscapeError as error:
        return Mined(path, error=str(error))
    return _Read(path, image, picture_hash(image), stamp)


def _predicted(detector: Detector, picture: _Read | Mined) -> _Predicted | Mined:
    if isinstance(picture, Mined):
        return picture
    try:
        return _Predicted(picture, detector.predict(picture.image))
    except (OddscapeError, RuntimeError) as error:  # torch's: too small for a network, too large for memory
        return Mined(picture.path, error=f"{picture.path}: {' '.join(str(error).split())}")


def _summed_up(it: _Predicted | Mined) -> Mined:
    if isinstance(it, Mined):
        return it
    facts = picture_facts(it.prediction, it.read.picture_hash)
    return Mined(it.read.path, facts, stamp=it.read.stamp)

"""Pictures that look the same: a hash of what they look like, and which repeat one that ranks higher."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from PIL import Image

DISTANCE = 12
"""Two pictures are near-duplicates when their hashes differ in at most so many of the 128 bits.

So are 99 in 100 pairs of CamVid's frames that lie at most 1/15 of a second apart, 4 in 10 at 1/10 to 1/4 of a
second, 1 in 20 at up to a second; and of 2.7 million pairs of other scenes (CamVid, IDD-Lite, RoadAnomaly21,
RoadObstacle21) one: two photographs of one obstacle on one road.
"""

_SIDE = 8
_BLOCK = 512  # 2 MB for the differences of two blocks

_Words = NDArray[np.uint64]


def picture_hash(image: NDArray[np.uint8]) -> str:
    """Hash what a picture looks like: whether its brightness rises to the right, and whether downwards.

    It is the difference hash ("dHash") in both directions: the grey picture is averaged down to 9×8 and to
    8×9 values, and each pair of neighbours gives a bit.

    Args:
        image: uint8 [H, W, 3].

    Returns:
        32 hexadecimal digits, 128 bits.
    """
    grey = Image.fromarray(image).convert("L")
    across = np.asarray(grey.resize((_SIDE + 1, _SIDE), Image.Resampling.BOX))
    down = np.asarray(grey.resize((_SIDE, _SIDE + 1), Image.Resampling.BOX))
    rises = np.concatenate([across[:, 1:] > across[:, :-1], down[1:] > down[:-1]])
    return np.packbits(rises).tobytes().hex()


def repeated(hashes: Iterable[str], distance: int = DISTANCE) -> Iterator[int | None]:
    """Tell which pictures repeat one before them that is itself no repetition.

    Every picture is compared with all those before it that repeat none, and repeats the first that is alike;
    so what comes out depends on the order of the pictures alone. Of each picture that repeats none 24 bytes
    stay in memory; the time grows with their number's square, to about 25 minutes for a million.

    Args:
        hashes: of :func:`picture_hash`, in the order of the ranking.
        distance: two pictures are alike whose hashes differ in at most so many bits; below 0: none are.

    Yields:
        For each picture the number, from 0, of the picture that it repeats, or None.
    """
    kept: list[tuple[_Words, NDArray[np.intp]]] = []
    hashes, number = iter(hashes), 0
    if distance < 0:
        yield from (None for _ in hashes)
    while block := list(islice(hashes, _BLOCK)):
        words = _words(block)
        found = _first_alike(words, kept, distance)
        fresh = _settle_among_themselves(words, found, number, distance)
        if fresh.size:
            kept.append((words[fresh], number + fresh))
        yield from (None if it < 0 else int(it) for it in found)
        number += len(block)


def _words(hashes: list[str]) -> _Words:
    """Hashes as two words each, uint64 [N, 2]."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), np.uint64).reshape(-1, 2)


def _first_alike(
    words: _Words, kept: list[tuple[_Words, NDArray[np.intp]]], distance: int
) -> NDArray[np.intp]:
    """The number of the first kept picture that each is like, −1 where there is none."""
    found = np.full(len(words), -1)
    for others, numbers in kept:
        alike = _alike(words, others, distance)
        new = alike.any(1) & (found < 0)
        found[new] = numbers[alike[new].argmax(1)]
    return found


def _settle_among_themselves(
    words: _Words, found: NDArray[np.intp], number: int, distance: int
) -> NDArray[np.intp]:
    """Complete ``found`` by repetitions of the same block; the rows that repeat none."""
    alike = _alike(words, words, distance)
    for row in range(len(words)):
        if found[row] < 0:
            later = row + 1 + np.flatnonzero(alike[row, row + 1 :])
            found[later[found[later] < 0]] = number + row
    return np.flatnonzero(found < 0)


def _alike(words: _Words, others: _Words, distance: int) -> NDArray[np.bool_]:
    """Which pairs differ in few bits, bool [N, M]."""
    # Most pairs differ enough in the first word alone.
    alike: NDArray[np.bool_] = np.bitwise_count(words[:, None, 0] ^ others[None, :, 0]) <= distance
    rows, columns = np.divmod(np.flatnonzero(alike), len(others))
    alike[rows, columns] = np.bitwise_count(words[rows] ^ others[columns]).sum(1) <= distance
    return alike

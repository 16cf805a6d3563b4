"""What the numbers in a label picture mean: class names, colours, raw ids and train ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from colorsys import hsv_to_rgb
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

IGNORED = 255
"""Train id of a pixel without a known class, and anomaly truth of a pixel that no figure counts."""

ANOMALY_COLOUR = (0, 255, 255)
"""The colour of an anomaly in open-set pictures; no label space here uses it for a known class."""

IGNORED_COLOUR = (0, 0, 0)

_UNKNOWN = 2  # in the place of an anomaly truth


@dataclass(frozen=True)
class LabelSpace:
    """The known classes of a data set and the encoding of its label files.

    Args:
        name: what the reading is called, as in ``"streethazards-12"``.
        classes: names of the K known classes; their position is the train id.
        colours: one RGB triple (0 to 255) for each known class.
        raw_to_train: raw value in a label file → train id, for known classes.
        anomalies: raw values that stand for an anomaly.
        ignored: raw values that no loss and no figure counts.
    """

    name: str
    classes: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    raw_to_train: Mapping[int, int] = field(default_factory=dict)
    anomalies: frozenset[int] = frozenset()
    ignored: frozenset[int] = frozenset()

    @property
    def num_classes(self) -> int:
        """Number of known classes, K."""
        return len(self.classes)

    @property
    def raw_values(self) -> tuple[int, ...]:
        """All raw values that the encoding knows, in ascending order."""
        return tuple(sorted({*self.raw_to_train, *self.anomalies, *self.ignored}))

    def decode(self, raw: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Turn raw labels into train ids and anomaly truth.

        Args:
            raw: uint8 [H, W], values of a label file.

        Returns:
            ``labels`` uint8 [H, W], 0 … K−1 or 255 where the pixel has no known class, and
            ``anomaly`` uint8 [H, W], 0 known, 1 anomaly, 255 ignored.

        Raises:
            ValueError: the label file holds a value that the encoding does not know.
        """
        to_train, to_anomaly = self._tables
        anomaly = _translated(raw, to_anomaly)
        if (anomaly == _UNKNOWN).any():
            unknown = sorted(set(np.unique(raw).tolist()) - set(self.raw_values))
            raise ValueError(
                f"unknown label value [{spans(unknown)}]: {self.name!r} knows [{spans(self.raw_values)}]"
            )
        return _translated(raw, to_train), anomaly

    @property
    def _tables(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        to_train = np.full(256, IGNORED, np.uint8)
        to_anomaly = np.full(256, _UNKNOWN, np.uint8)
        to_anomaly[list(self.ignored)] = IGNORED
        for raw, train in self.raw_to_train.items():
            to_train[raw], to_anomaly[raw] = train, 0
        to_anomaly[list(self.anomalies)] = 1
        return to_train, to_anomaly

    def paint(self, labels: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Colour train ids; id K is painted as an anomaly, anything else as ignored.

        Args:
            labels: integers [H, W].

        Returns:
            uint8 [H, W, 3] RGB.
        """
        table = np.full((256, 3), IGNORED_COLOUR, np.uint8)
        table[: self.num_classes] = self.colours
        table[self.num_classes] = ANOMALY_COLOUR
        painted: NDArray[np.uint8] = table[labels]
        return painted


def _translated(raw: NDArray[np.uint8], table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    # Four times as quick as ``table[raw]``, which makes an index of 8 bytes of every label first.
    return np.frombuffer(bytearray(raw).translate(table.tobytes()), np.uint8).reshape(raw.shape)


def spans(values: Iterable[int]) -> str:
    """Write ascending numbers, three or more in a row as one span: ``"0, 2 to 200, 255"``."""
    rows: list[list[int]] = []
    for value in values:
        if rows and value == rows[-1][-1] + 1:
            rows[-1].append(value)
        else:
            rows.append([value])
    words = (f"{row[0]} to {row[-1]}" if len(row) > 2 else ", ".join(map(str, row)) for row in rows)
    return ", ".join(words)


CITYSCAPES = LabelSpace(
    "cityscapes",
    (
        *("road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign"),
        *(
            "vegetation",
            "terrain",
            "sky",
            "person",
            "rider",
            "car",
            "truck",
            "bus",
            "train",
            "motorcycle",
            "bicycle",
        ),
    ),
    (
        *((128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153), (153, 153, 153)),
        *((250, 170, 30), (220, 220, 0), (107, 142, 35), (152, 251, 152), (70, 130, 180), (220, 20, 60)),
        *((255, 0, 0), (0, 0, 142), (0, 0, 70), (0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32)),
    ),
)
"""The 19 classes of Cityscapes by train id, in its colours; what most released road networks know."""


def label_space_of(num_classes: int) -> LabelSpace:
    """Names and colours where the data set has no classes: Cityscapes' for 19, else numbers."""
    if num_classes == CITYSCAPES.num_classes:
        return CITYSCAPES
    names = tuple(f"class {k}" for k in range(num_classes))
    # Golden-angle steps through the hues, dark enough to tell from the anomaly's colour.
    hues = [(k * 0.618034) % 1 for k in range(num_classes)]
    colours = tuple(
        tuple(round(180 * channel) for channel in hsv_to_rgb(hue, 0.6, 1 - 0.4 * (k % 2)))
        for k, hue in enumerate(hues)
    )
    return LabelSpace("numbered", names, colours)  # type: ignore[arg-type]

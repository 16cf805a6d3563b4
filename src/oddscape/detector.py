"""One object for people with a picture: a network, a score and a threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from oddscape.data import read_image
from oddscape.detector_file import DetectorParts, read_parts, write_parts
from oddscape.errors import OddscapeError
from oddscape.inference import run_network
from oddscape.labels import LabelSpace, label_space_of
from oddscape.models import probe
from oddscape.scores import Score, pick_scores
from oddscape.sizes import InferenceSize
from oddscape.weights.shipped import shipped_file
from oddscape.wrappers.left_out import left_out


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a detector says about one picture.

    Args:
        image: the picture, uint8 [H, W, 3].
        classes: largest known class, uint8 [H, W], 0 … K−1.
        score: float32 [H, W], higher = more anomalous.
        threshold: δ; None where the detector has none.
        label_space: names and colours of the K known classes.
    """

    image: NDArray[np.uint8]
    classes: NDArray[np.uint8]
    score: NDArray[np.float32]
    threshold: float | None
    label_space: LabelSpace

    @property
    def anomaly(self) -> NDArray[np.bool_]:
        """Where the score exceeds the threshold, bool [H, W].

        Raises:
            OddscapeError: the detector was given no threshold.
        """
        if self.threshold is None:
            raise OddscapeError(
                "this detector has no threshold: make it with Detector(net, score=…, threshold=…)"
            )
        return self.score > self.threshold

    @property
    def open_set(self) -> NDArray[np.uint8]:
        """Classes with id K where the pixel is anomalous, uint8 [H, W]."""
        return np.where(self.anomaly, np.uint8(self.label_space.num_classes), self.classes)

    def overlay(self, opacity: float = 0.5) -> Image.Image:
        """The picture under the colours of its open-set result; without a threshold, of its classes."""
        labels = self.classes if self.threshold is None else self.open_set
        painted = self.label_space.paint(labels)
        return Image.blend(Image.fromarray(self.image), Image.fromarray(painted), opacity)


class Detector:
    """A network, a score and a threshold: ``predict`` takes a picture as people have it.

    Args:
        net: maps pictures [N, 3, H, W] in [0, 1] to a ``DenseOutput``; it is put into evaluation mode.
        score: a name in ``odd.SCORES``, or a callable of the same kind.
        threshold: pixels with a score above it are anomalous; None: no decision, the score map alone.
        size: (H, W) at which the network sees pictures; a whole number: the shorter side of each,
            in pixels, its aspect ratio kept; None: their own.
        label_space: names and colours of the known classes; None: Cityscapes' for 19 classes, else numbers.

    Raises:
        OddscapeError: an unknown score, or one that needs what the network does not give.
    """

    def __init__(
        self,
        net: nn.Module,
        score: str | Score = "energy",
        threshold: float | None = None,
        *,
        size: InferenceSize | None = None,
        label_space: LabelSpace | None = None,
    ) -> None:
        self.net = net.eval()
        out = probe(net)
        if isinstance(score, str):
            score = pick_scores([score], out.fields, left_out=left_out(net))[score]
        self.score = score
        self.score.before_steps(out)  # refuses a network of another kind than it was fitted to
        self.threshold = None if threshold is None else float(threshold)
        self.size = size
        self.label_space = label_space or label_space_of(out.num_classes)

    def predict(self, picture: str | Path | Image.Image | NDArray[np.uint8]) -> Prediction:
        """Score one picture: a path, a Pillow image, or an array uint8 [H, W, 3] in RGB.

        Raises:
            OddscapeError: no such file, one that does not decode, or a score that is NaN somewhere.
        """
        image = _as_array(picture)
        result = run_network(self.net, image, {self.score.name: self.score}, size=self.size)
        classes, score = result.classes[0].cpu().numpy(), result.scores[self.score.name][0].cpu().numpy()
        if np.isnan(score).any():
            where = f"{picture}: " if isinstance(picture, str | Path) else ""
            raise OddscapeError(f"{where}the score {self.score.name!r} of this network is not a number (NaN)")
        return Prediction(image, classes, score, self.threshold, self.label_space)

    def save(
        self, path: str | Path, metadata: Mapping[str, str] | None = None, *, half: bool = False
    ) -> None:
        """Write the detector to one safetensors file, whole or not at all.

        The file holds the weights in the type that they have, the score as it is written with what it learnt,
        the threshold, the size, names and colours of the classes, and how the network was made: the name and
        options that ``odd.create_model`` was told, and the wrappers around it (windows, scales and flips, MC
        dropout, ensembles, ODIN, ReAct), for a threshold holds for the scores that these give.

        Args:
            path: the file, .safetensors.
            metadata: further facts for people, such as the origin of the weights.
            half: whether the weights are rounded to float16, for a file of half the size; once loaded, they
                are float32 all the same.

        Raises:
            OddscapeError: a file of another ending, a score of one's own, which no name stands for, an
                ensemble of networks that ``odd.create_model`` did not make, or weights beyond float16.
        """
        parts = DetectorParts(self.net, self.score, self.threshold, self.size, self.label_space)
        write_parts(parts, path, metadata, half=half)

    @classmethod
    def load(cls, path: str | Path, net: nn.Module | None = None) -> Self:
        """Read a detector that predicts what the saved one did; no code is run from the file.

        Args:
            path: a file of ``save``.
            net: the network, without wrappers, where ``odd.create_model`` did not make it, or a function in a
                file of one's own did: the weights go into it, and the wrappers around it.

        Returns:
            The detector on the CPU, its weights float32, or of the type that ``net`` has.

        Raises:
            OddscapeError: no such file, one that is damaged or holds something else, a network that has to be
                given, or weights that do not fit it.
        """
        parts = read_parts(path, net)
        return cls(parts.net, parts.score, parts.threshold, size=parts.size, label_space=parts.label_space)

    @classmethod
    def shipped(cls) -> Self:
        """The detector that comes with Oddscape, ``street-lite``; its model card says what it is good for.

        Returns:
            The detector on the CPU.

        Raises:
            OddscapeError: this installation lacks its file.
        """
        return cls.load(shipped_file())


def _as_array(picture: str | Path | Image.Image | NDArray[np.uint8]) -> NDArray[np.uint8]:
    if isinstance(picture, str | Path):
        return read_image(picture)
    return np.asarray(picture.convert("RGB") if isinstance(picture, Image.Image) else picture)

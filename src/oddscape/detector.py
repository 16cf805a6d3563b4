"""One object for people with a picture: a network, a score and a threshold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from oddscape.data import read_image
from oddscape.errors import OddscapeError
from oddscape.inference import run_network
from oddscape.labels import LabelSpace, label_space_of
from oddscape.models import probe
from oddscape.scores import Score, pick_scores
from oddscape.sizes import Size


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
        size: (H, W) at which the network sees pictures; None: their own.
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
        size: Size | None = None,
        label_space: LabelSpace | None = None,
    ) -> None:
        self.net = net.eval()
        out = probe(net)
        self.score = pick_scores([score], out.fields)[score] if isinstance(score, str) else score
        self.score.before_steps(out)  # refuses a network of another kind than it was fitted to
        self.threshold = threshold
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


def _as_array(picture: str | Path | Image.Image | NDArray[np.uint8]) -> NDArray[np.uint8]:
    if isinstance(picture, str | Path):
        return read_image(picture)
    return np.asarray(picture.convert("RGB") if isinstance(picture, Image.Image) else picture)

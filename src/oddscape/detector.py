"""One object for people with a picture: a network, a score, a threshold and rules for regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import nn

from oddscape.data import read_image, resize_image
from oddscape.data.tensors import to_tensor
from oddscape.detector_file import DetectorParts, fingerprint, read_parts, write_parts
from oddscape.errors import OddscapeError
from oddscape.inference import Postprocessed, postprocess, run_network
from oddscape.labels import ANOMALY_COLOUR, LabelSpace, label_space_of
from oddscape.models import probe
from oddscape.outputs import DenseOutput
from oddscape.regions import AS_THEY_ARE, Region, RegionRules, anomaly_mask, check_rules, find_regions
from oddscape.scores import Score, pick_scores
from oddscape.sizes import InferenceSize, seen_size
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
        rules: what is done to the pixels above the threshold before they are called anomalous.
    """

    image: NDArray[np.uint8]
    classes: NDArray[np.uint8]
    score: NDArray[np.float32]
    threshold: float | None
    label_space: LabelSpace
    rules: RegionRules = AS_THEY_ARE

    @cached_property
    def anomaly(self) -> NDArray[np.bool_]:
        """Where the score exceeds the threshold, after the rules for regions; bool [H, W].

        Raises:
            OddscapeError: the detector was given no threshold.
        """
        if self.threshold is None:
            raise OddscapeError(
                "this detector has no threshold: make it with Detector(net, score=…, threshold=…)"
            )
        return anomaly_mask(self.score, self.threshold, self.rules)

    @property
    def open_set(self) -> NDArray[np.uint8]:
        """Classes with id K where the pixel is anomalous, uint8 [H, W]."""
        return np.where(self.anomaly, np.uint8(self.label_space.num_classes), self.classes)

    @cached_property
    def regions(self) -> list[Region]:
        """The 8-connected regions of ``anomaly``: box, outlines, size, mean and largest score of each.

        Raises:
            OddscapeError: the detector was given no threshold.
        """
        return find_regions(self.score, self.anomaly)

    def overlay(self, opacity: float = 0.5, *, boxes: bool = False) -> Image.Image:
        """The picture under the colours of its open-set result; without a threshold, of its classes.

        Args:
            opacity: of the colours, from 0 to 1.
            boxes: whether a box is drawn around each anomalous region, with its mean score.
        """
        labels = self.classes if self.threshold is None else self.open_set
        painted = self.label_space.paint(labels)
        blended = Image.blend(Image.fromarray(self.image), Image.fromarray(painted), opacity)
        if boxes:
            _draw_boxes(blended, self.regions)
        return blended


class Detector:
    """A network, a score, a threshold and rules for regions; ``predict`` takes a picture as people have it.

    Args:
        net: maps pictures [N, 3, H, W] in [0, 1] to a ``DenseOutput``; it is put into evaluation mode.
        score: a name in ``odd.SCORES``, or a callable of the same kind.
        threshold: pixels with a score above it are anomalous; None: no decision, the score map alone.
        size: (H, W) at which the network sees pictures; a whole number: the shorter side of each,
            in pixels, its aspect ratio kept; None: their own.
        label_space: names and colours of the known classes; None: Cityscapes' for 19 classes, else numbers.
        rules: minimum size of anomalous regions and hysteresis.

    Raises:
        OddscapeError: an unknown score, one that needs what the network does not give, a label space of
            another number of classes, or rules for regions that the threshold does not allow.
    """

    def __init__(
        self,
        net: nn.Module,
        score: str | Score = "energy",
        threshold: float | None = None,
        *,
        size: InferenceSize | None = None,
        label_space: LabelSpace | None = None,
        rules: RegionRules = AS_THEY_ARE,
    ) -> None:
        self.net = net.eval()
        out = probe(net)
        if isinstance(score, str):
            score = pick_scores([score], out.fields, left_out=left_out(net))[score]
        self.score = score
        self.score.before_steps(out)  # refuses a network of another kind than it was fitted to
        self.threshold = None if threshold is None else float(threshold)
        self.rules = check_rules(rules, self.threshold)
        self.size = size
        self.label_space = _fitting(label_space or label_space_of(out.num_classes), out.num_classes)

    def deciding_by(self, threshold: float | None, rules: RegionRules = AS_THEY_ARE) -> Self:
        """The same detector with another threshold and other rules for regions.

        Raises:
            OddscapeError: rules that the threshold does not allow.
        """
        other = copy(self)
        other.threshold = None if threshold is None else float(threshold)
        other.rules = check_rules(rules, other.threshold)
        return other

    def predict(self, picture: str | Path | Image.Image | NDArray[np.uint8]) -> Prediction:
        """Score one picture: a path, a Pillow image, or an array uint8 [H, W, 3] in RGB.

        Raises:
            OddscapeError: no such file, one that does not decode, or a score that is NaN somewhere.
        """
        image = _as_array(picture)
        result = run_network(self.net, image, {self.score.name: self.score}, size=self.size)
        where = f"{picture}: " if isinstance(picture, str | Path) else ""
        return self._prediction(image, result, 0, where)

    def predict_batch(self, images: Sequence[NDArray[np.uint8]]) -> list[Prediction]:
        """Score several pictures at once, which fills a GPU better than one by one.

        Scores may differ from those of ``predict`` in the last digits of float32.

        Args:
            images: arrays uint8 [H, W, 3] in RGB, all of one size.

        Raises:
            OddscapeError: no pictures, pictures of several sizes, or a score that is NaN somewhere.
        """
        if len({image.shape for image in images}) != 1:
            shapes = sorted({image.shape for image in images})
            raise OddscapeError(f"expected pictures of one size, not of {shapes}")
        result = self._shown(images)
        return [self._prediction(image, result, number, "") for number, image in enumerate(images)]

    @torch.inference_mode()
    def _shown(self, images: Sequence[NDArray[np.uint8]]) -> Postprocessed:
        own = images[0].shape[:2]
        seen = torch.cat([to_tensor(resize_image(image, seen_size(own, self.size))) for image in images])
        out: DenseOutput = self.net(seen.to(next(self.net.parameters()).device))
        return postprocess(replace(out, size=own), {self.score.name: self.score})

    def _prediction(
        self, image: NDArray[np.uint8], result: Postprocessed, number: int, where: str
    ) -> Prediction:
        classes = result.classes[number].cpu().numpy()
        score = result.scores[self.score.name][number].cpu().numpy()
        if np.isnan(score).any():
            raise OddscapeError(f"{where}the score {self.score.name!r} of this network is not a number (NaN)")
        return Prediction(image, classes, score, self.threshold, self.label_space, self.rules)

    def save(
        self, path: str | Path, metadata: Mapping[str, str] | None = None, *, half: bool = False
    ) -> None:
        """Write the detector to one safetensors file, whole or not at all.

        The file holds the weights in the type that they have, the score as it is written with what it learnt,
        the threshold, the rules for regions, the size, names and colours of the classes, and how the network
        was made: the name and options that ``odd.create_model`` was told, and the wrappers around it
        (windows, scales and flips, MC dropout, ensembles, ODIN, ReAct), for a threshold holds for the scores
        that these give.

        Args:
            path: the file, .safetensors.
            metadata: further facts for people, such as the origin of the weights.
            half: whether the weights are rounded to float16, for a file of half the size; once loaded, they
                are float32 all the same.

        Raises:
            OddscapeError: a file of another ending, a score of one's own, which no name stands for, an
                ensemble of networks that ``odd.create_model`` did not make, or weights beyond float16.
        """
        write_parts(self._parts, path, metadata, half=half)

    @property
    def fingerprint(self) -> str:
        """A digest of all that predictions depend on, in hexadecimal: the same for the same detector."""
        return fingerprint(self._parts)

    @property
    def _parts(self) -> DetectorParts:
        return DetectorParts(self.net, self.score, self.threshold, self.size, self.label_space, self.rules)

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
        return cls(
            parts.net,
            parts.score,
            parts.threshold,
            size=parts.size,
            label_space=parts.label_space,
            rules=parts.rules,
        )

    @classmethod
    def shipped(cls) -> Self:
        """The detector that comes with Oddscape, ``street-lite``; its model card says what it is good for.

        Returns:
            The detector on the CPU.

        Raises:
            OddscapeError: this installation lacks its file.
        """
        return cls.load(shipped_file())


def _fitting(label_space: LabelSpace, num_classes: int) -> LabelSpace:
    if label_space.num_classes != num_classes:
        raise OddscapeError(
            f"the network knows {num_classes} classes, the label space names {label_space.num_classes}"
        )
    return label_space


def _as_array(picture: str | Path | Image.Image | NDArray[np.uint8]) -> NDArray[np.uint8]:
    if isinstance(picture, str | Path):
        return read_image(picture)
    return np.asarray(picture.convert("RGB") if isinstance(picture, Image.Image) else picture)


def _draw_boxes(picture: Image.Image, regions: Sequence[Region]) -> None:
    """Draw a box around each region, with its mean score above it or, at the top of the picture, inside."""
    draw = ImageDraw.Draw(picture)
    line, font_size = max(1, picture.width // 640), max(10, picture.width // 80)  # strokes are lines wide
    for region in regions:
        top, left, bottom, right = region.box
        around = (left - line, top - line, right + line - 1, bottom + line - 1)
        draw.rectangle(around, None, ANOMALY_COLOUR, line)
        draw.text(
            (left, top - 2 * line - 1 if top > 2 * font_size else top + font_size),
            f"{region.mean_score:.3g}",
            ANOMALY_COLOUR,
            anchor="ls",
            font_size=font_size,
            stroke_width=line,
            stroke_fill="black",
        )

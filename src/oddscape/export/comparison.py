"""What fewer bits gain and cost: an exported file beside the float32 one, picture by picture."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from oddscape.data import resize_mask
from oddscape.errors import OddscapeError
from oddscape.evaluation import evaluation_truth, resized_score
from oddscape.export.conversion import onnxruntime
from oddscape.labels import LabelSpace
from oddscape.metrics import ConfusionMatrix, PixelMetrics
from oddscape.protocols import Protocol
from oddscape.scenes import Scene
from oddscape.sizes import Size

_SAMPLE = 10_000  # pixels of a picture whose ranks are compared


@dataclass(frozen=True)
class FileFigures:
    """One exported file.

    Args:
        precision: ``"float32"``, ``"float16"`` or ``"int8"``.
        megabytes: size of the file, in 10⁶ bytes.
        milliseconds: median time of a picture, resizing and score included.
        average_precision: AP under the protocol, in [0, 1]; NaN without one.
        miou: mIoU of the known classes, in [0, 1]; NaN without class labels.
    """

    precision: str
    megabytes: float
    milliseconds: float
    average_precision: float = math.nan
    miou: float = math.nan


@dataclass(frozen=True)
class Comparison:
    """A file in fewer bits beside the float32 one.

    Args:
        reference: the float32 file.
        candidate: the other one.
        speed: how many times as fast the candidate is, the median over pictures; both take turns.
        same_class: share of pixels to which both give the same class.
        rank_correlation: Spearman's, of both scores over the pixels of a picture, the mean over pictures.
        pictures: how many were looked at.
        threads: that each picture was computed with; None: as many as onnxruntime takes.
    """

    reference: FileFigures
    candidate: FileFigures
    speed: float
    same_class: float
    rank_correlation: float
    pictures: int
    threads: int | None

    @property
    def is_faster(self) -> bool:
        """Whether the candidate takes less time."""
        return self.speed > 1


def compare_files(
    reference: Path,
    candidate: Path,
    scenes: Iterable[Scene],
    *,
    protocol: Protocol | None = None,
    label_space: LabelSpace | None = None,
    threads: int | None = None,
) -> Comparison:
    """Run two exported ONNX files over the same pictures by turns, on the CPU.

    Args:
        reference: the float32 file.
        candidate: the one in fewer bits.
        scenes: the pictures; with a protocol, their truth too.
        protocol: how AP is computed; None: agreement and speed alone.
        label_space: known classes of the data, for mIoU; None: it has none.
        threads: to compute with; None: as many as onnxruntime takes.

    Raises:
        OddscapeError: no picture, a network that knows other classes than the data, or a score that is NaN
            somewhere, as where a map goes beyond float16.
    """
    both = [_Running(path, threads, protocol, label_space) for path in (reference, candidate)]
    speeds: list[float] = []
    agreement = _Agreement()
    for number, scene in enumerate(scenes):
        if not number:
            for running in both:  # the first run of a size takes its time to get ready
                running.look(scene.image)
        maps = [running.timed(scene.image) for running in (both if number % 2 else both[::-1])]
        agreement.add(*maps)
        speeds.append(both[0].seconds[-1] / both[1].seconds[-1])
        if protocol is not None:
            truth = evaluation_truth(scene, protocol)
            for running, found in zip(both, maps if number % 2 else maps[::-1], strict=True):
                running.judge(truth, *found)
    if not speeds:
        raise OddscapeError("no picture to compare the files on")
    figures = [running.figures() for running in both]
    return Comparison(
        figures[0],
        figures[1],
        statistics.median(speeds),
        agreement.same / agreement.pixels,
        statistics.fmean(agreement.correlations),
        len(speeds),
        threads,
    )


@dataclass(eq=False)
class _Agreement:
    """Pixels to which two files give the same class, and how their scores rank pixels alike."""

    same: int = 0
    pixels: int = 0
    correlations: list[float] = field(default_factory=list)

    def add(self, one: _Found, other: _Found) -> None:
        self.same += int(np.count_nonzero(one[0] == other[0]))
        self.pixels += one[0].size
        chosen = np.random.default_rng(0).integers(one[1].size, size=_SAMPLE)
        self.correlations.append(float(spearmanr(one[1].ravel()[chosen], other[1].ravel()[chosen]).statistic))


_Found = tuple[NDArray[np.uint8], NDArray[np.float32]]
"""Classes and score [H, W] of a picture."""


class _Running:
    """A file that runs, the time that it takes, and what its maps are worth."""

    def __init__(
        self, path: Path, threads: int | None, protocol: Protocol | None, space: LabelSpace | None
    ) -> None:
        runtime = onnxruntime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        self.session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.precision: str = self.session.get_modelmeta().custom_metadata_map["precision"]
        self.megabytes = path.stat().st_size / 1e6
        self.seconds: list[float] = []
        self.protocol = protocol
        # Two files' scores of a whole data set would take gigabytes; the streaming engine takes 64 MB a file,
        # and its AP is exact to the digits that are shown.
        self.pixels = None if protocol is None else PixelMetrics(protocol.fpr_rule, "streaming")
        self.closed = None if space is None else ConfusionMatrix(space.num_classes)

    def look(self, image: NDArray[np.uint8]) -> _Found:
        given: dict[str, NDArray[Any]] = {"image": image[None]}
        if any(thing.name == "threshold" for thing in self.session.get_inputs()):
            given["threshold"] = np.zeros(1, np.float32)
        classes, score = self.session.run(["classes", "score"], given)
        if np.isnan(score).any():
            raise OddscapeError(f"in {self.precision}, the score is not a number (NaN)")
        return classes[0], score[0]

    def timed(self, image: NDArray[np.uint8]) -> _Found:
        started = time.perf_counter()
        found = self.look(image)
        self.seconds.append(time.perf_counter() - started)
        return found

    def judge(self, truth: Scene, classes: NDArray[np.uint8], score: NDArray[np.float32]) -> None:
        """Add what is found of a picture to the figures, brought to the size of its truth."""
        assert truth.anomaly is not None, "protocols are for data with anomaly truth"
        assert self.pixels is not None, "there are figures under a protocol alone"
        size: Size = truth.anomaly.shape
        self.pixels.update(resized_score(score, size), truth.anomaly)
        if self.closed is not None and truth.labels is not None:
            self.closed.update(resize_mask(classes, size), truth.labels)

    def figures(self) -> FileFigures:
        return FileFigures(
            self.precision,
            self.megabytes,
            1e3 * statistics.median(self.seconds),
            math.nan if self.pixels is None else self._average_precision(self.pixels),
            math.nan if self.closed is None else self.closed.compute().miou,
        )

    def _average_precision(self, pixels: PixelMetrics) -> float:
        found = pixels.compute()
        assert self.protocol is not None, "there are figures under a protocol alone"
        pooled = self.protocol.aggregation == "pooled"
        return found.average_precision if pooled else found.per_picture.average_precision

"""The accumulators of an evaluation, and the results that come out of them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from oddscape.errors import OddscapeError
from oddscape.labels import IGNORED, LabelSpace
from oddscape.metrics import CalibrationMetrics, ConfusionMatrix, component_sizes
from oddscape.metrics.bootstrap import bootstrap_sums, resample
from oddscape.metrics.calibration import expected_calibration_error
from oddscape.metrics.semantic import intersection_over_union, means_defined
from oddscape.processes import Processes
from oddscape.protocols import Protocol
from oddscape.results import CalibrationFigures, Results
from oddscape.scenes import Scene
from oddscape.score_tally import ScoreSource, ScoreTally, calibration_figures, intervals_of, rounded


@dataclass(frozen=True, eq=False)
class SceneMaps:
    """What is evaluated of one scene, at the size of its truth.

    Args:
        scores: by name, float [H, W], higher = more anomalous.
        classes: uint8 [H, W], the most probable known class; None where scores are all there is.
        confidence: float32 [H, W], the closed-set posterior of that class; None where unknown.
        note: what was done to make them fit, for the results to say; "" where nothing.
    """

    scores: Mapping[str, NDArray[np.floating]]
    classes: NDArray[np.uint8] | None = None
    confidence: NDArray[np.float32] | None = None
    note: str = ""


class Tally:
    """All accumulators of one evaluation: each score's own, and the closed set once.

    Args:
        sources: the scores by name, and where they come from.
        space: the data set's known classes; None where it has none.
        protocol: the rules.
        engine: of the pixel figures, ``"exact"`` or ``"streaming"``.
        num_classes: number of classes that the network knows; None: there are scores alone.

    Raises:
        OddscapeError: the network knows other classes than the data set.
    """

    def __init__(
        self,
        sources: Mapping[str, ScoreSource],
        space: LabelSpace | None,
        protocol: Protocol,
        engine: str,
        num_classes: int | None,
    ) -> None:
        if space is not None and num_classes not in (None, space.num_classes):
            raise OddscapeError(
                f"the network knows {num_classes} classes, {space.name!r} has {space.num_classes}: "
                f"{', '.join(space.classes)}; its scores alone can be evaluated: "
                "oddscape predict --scores-to, then evaluate --scores-from"
            )
        known = space.num_classes if space is not None and num_classes is not None else None
        self.protocol, self.engine, self.space = protocol, engine, space
        self.scores = [ScoreTally(name, source, protocol, engine, known) for name, source in sources.items()]
        self._closed = None if known is None else _ClosedSet(known)
        self._pictures: list[_Picture] = []

    def add(self, scene: Scene, truth: Scene, maps: SceneMaps) -> None:
        """Add one scene.

        Args:
            scene: as it was read, which the fingerprint covers.
            truth: the same at the evaluation size.
            maps: what is evaluated of it, at that size.
        """
        assert truth.anomaly is not None, "the caller has made sure that there is anomaly truth"
        for tally in self.scores:
            score = maps.scores[tally.name]
            tally.add(truth, truth.anomaly, score, maps.classes, maps.confidence)
        if self._closed is not None and maps.classes is not None and truth.labels is not None:
            self._closed.add(maps.classes, truth.labels, maps.confidence)
        self._pictures.append(_picture(scene, truth.anomaly, maps.note))

    def gather(self, processes: Processes) -> None:
        """Bring what all processes added together in the main one, as if it had added it, in their order.

        It goes one score of one process at a time: with the exact engine the main process ends with 4 bytes a
        pixel and score as it would alone, and on the way needs twice one such share more.
        """
        for tally in self.scores:
            for other in processes.others(tally):
                tally.merge(other)
        for closed, pictures in processes.others((self._closed, self._pictures)):
            if self._closed is not None and closed is not None:
                self._closed.merge(closed)
            self._pictures += pictures

    def results(self, overrides: Sequence[str]) -> Results:
        """Give all figures; model, weights and time are the caller's to add."""
        pictures = self._pictures
        recordings = any(picture.recording for picture in pictures)
        units = [picture.recording or picture.name for picture in pictures]
        weights = resample(units)
        sizes = np.concatenate([np.empty(0, np.int64), *(picture.anomaly_sizes for picture in pictures)])
        closed = None if self._closed is None else self._closed.matrix.compute()
        closed_replicates = {} if self._closed is None else self._closed.replicates(weights)
        classes = self.space.classes if self.space is not None and closed is not None else ()
        return Results(
            protocol=self.protocol,
            overrides=[*overrides, *dict.fromkeys(picture.note for picture in pictures if picture.note)],
            model="",
            weights="",
            inference_size=None,
            pictures=[picture.name for picture in pictures],
            left_out={picture.name: picture.left_out for picture in pictures if picture.left_out},
            known_pixels=sum(picture.known for picture in pictures),
            anomalous_pixels=sum(picture.anomaly_sizes.size for picture in pictures),
            scores=[tally.result(sizes, weights) for tally in self.scores],
            closed_miou=math.nan if closed is None else closed.miou,
            class_iou={} if closed is None else dict(zip(classes, closed.class_iou.tolist(), strict=True)),
            closed_matrix=[] if closed is None else closed.matrix.tolist(),
            calibration=None if self._closed is None else self._closed.calibration_figures(),
            intervals=intervals_of(closed_replicates),
            replicates=rounded(closed_replicates),
            units=len(set(units)),
            unit="recording" if recordings else "picture",
            engine=self.engine,
            fingerprint=hashlib.sha256(b"".join(picture.digest for picture in pictures)).hexdigest(),
        )


@dataclass(eq=False)
class _ClosedSet:
    """Closed-set accumulators, and the confusion matrix of each picture for the bootstrap."""

    num_classes: int
    calibration: CalibrationMetrics = field(default_factory=CalibrationMetrics)
    each: list[NDArray[np.int64]] = field(default_factory=list)

    def add(
        self,
        classes: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        confidence: NDArray[np.float32] | None,
    ) -> None:
        picture = ConfusionMatrix(self.num_classes)
        picture.update(classes, labels)
        self.each.append(picture.matrix)
        if confidence is not None:
            self.calibration.update(confidence, classes == labels, labels != IGNORED)

    def merge(self, other: _ClosedSet) -> None:
        self.each += other.each
        self.calibration.merge(other.calibration)

    @property
    def matrix(self) -> ConfusionMatrix:
        total = ConfusionMatrix(self.num_classes)
        total.matrix += sum(self.each)
        return total

    def calibration_figures(self) -> CalibrationFigures:
        return calibration_figures(self.calibration.compute())

    def replicates(self, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        matrices = np.array(self.each).reshape(-1, self.num_classes, self.num_classes)
        found = {
            "closed_miou": bootstrap_sums(
                matrices, weights, lambda sums: means_defined(intersection_over_union(sums))
            )
        }
        counts = self.calibration.compute().each
        if len(counts) == len(matrices):
            found["calibration.error"] = bootstrap_sums(counts, weights, expected_calibration_error)
        return found


@dataclass(frozen=True, eq=False)
class _Picture:
    """What is kept of a picture beside its scores."""

    name: str
    recording: str
    known: int
    anomaly_sizes: NDArray[np.int64]  # of the anomaly that each anomalous pixel belongs to
    digest: bytes
    note: str

    @property
    def left_out(self) -> str:
        """Why no per-picture figure counts it; "" where all do."""
        missing = [
            kind
            for kind, count in (("anomalous", self.anomaly_sizes.size), ("known", self.known))
            if not count
        ]
        return f"no {' and no '.join(missing)} pixel" if missing else ""


def _picture(scene: Scene, anomaly: NDArray[np.uint8], note: str) -> _Picture:
    digest = hashlib.sha256(scene.name.encode())
    for array in (scene.image, scene.labels, scene.anomaly):
        if array is not None:
            digest.update(array.tobytes())
    return _Picture(
        scene.name,
        scene.sequence,
        int(np.count_nonzero(anomaly == 0)),
        component_sizes(anomaly),
        digest.digest(),
        note,
    )

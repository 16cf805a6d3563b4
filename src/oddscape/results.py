"""What an evaluation found: figures with the protocol they belong to, as a versioned JSON file."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from cattrs import Converter, transform_error

from oddscape.errors import OddscapeError
from oddscape.files import written_atomically
from oddscape.interval import Interval
from oddscape.protocols import Protocol
from oddscape.sizes import InferenceSize

FORMAT_VERSION = 2


@dataclass(frozen=True)
class Figures:
    """Pixel figures, fractions in [0, 1]; NaN where undefined, with the reason in ``undefined``."""

    average_precision: float
    auroc: float
    fpr95: float
    best_f1: float = math.nan
    undefined: str = ""


@dataclass(frozen=True)
class Curves:
    """Thinned curves of the pooled pixels and histograms of the scores.

    Args:
        roc: [[false-positive rate, true-positive rate], …], ascending.
        precision_recall: [[recall, precision], …], ascending in recall.
        score_edges: B + 1 bin edges of the histograms.
        known: share of the known pixels in each of the B bins.
        anomaly: share of the anomalous pixels in each of the B bins.
        rates: [[score t, TPR, FPR], …] of the pixels with s ≥ t, rising in t; at most 182 of the scores.
    """

    roc: list[list[float]]
    precision_recall: list[list[float]]
    score_edges: list[float]
    known: list[float]
    anomaly: list[float]
    rates: list[list[float]] = field(default_factory=list)


@dataclass(frozen=True)
class CalibrationFigures:
    """How well a confidence tells how often it is right.

    Args:
        error: expected calibration error in [0, 1]; NaN where undefined.
        accuracy: share of the counted pixels that are named rightly.
        confidence: mean confidence of the counted pixels.
        bins: [[confidence, accuracy, share of the pixels], …] of the bins that hold pixels, ascending.
        undefined: why there is no error; "" where there is one.
    """

    error: float
    accuracy: float
    confidence: float
    bins: list[list[float]]
    undefined: str = ""


@dataclass(frozen=True)
class FoldFigures:
    """Open-set figures of one fold; its threshold comes from the other folds."""

    fold: str
    pictures: int
    threshold: float
    open_miou: float
    anomaly_iou: float


@dataclass(frozen=True)
class OpenSetFigures:
    """Open-set segmentation, fractions in [0, 1].

    Args:
        open_miou: mean of the folds' open-mIoU weighted by their numbers of pictures.
        anomaly_iou: mean of the folds' anomaly IoU, weighted likewise.
        gap: closed mIoU − open-mIoU, the price of the open set.
        folds: the figures of each fold.
        undefined: why a figure is NaN; "" where none is.
        matrix: pixels by truth (row) and prediction (column) over all folds; the last of both is the anomaly.
        calibration: of the closed-set posterior where the decision accepts a pixel as known; an anomaly there
            counts as named wrongly.
    """

    open_miou: float
    anomaly_iou: float
    gap: float
    folds: list[FoldFigures]
    undefined: str = ""
    matrix: list[list[int]] = field(default_factory=list)
    calibration: CalibrationFigures | None = None


@dataclass(frozen=True)
class SmiycFigures:
    """SegmentMeIfYouCan's own pixel figures, from its quantile bins; fractions in [0, 1].

    Args:
        average_precision: AP, about a tenth of a point from the exact one.
        auroc: area under the ROC curve.
        fpr95: at the first recall of at least 95 %.
        best_f1: the largest pixel F1.
        threshold: δ*, at which the pixel F1 is largest and components are cut out.
        undefined: why the figures are NaN; "" where they are numbers.
    """

    average_precision: float
    auroc: float
    fpr95: float
    best_f1: float
    threshold: float
    undefined: str = ""


@dataclass(frozen=True)
class ComponentFigures:
    """SegmentMeIfYouCan's component figures at δ*, fractions in [0, 1].

    Args:
        siou: mean adjusted IoU of the true components.
        ppv: mean precision of the predicted components.
        f1: F1*, the mean F1 over the 11 thresholds τ of sIoU and PPV.
        counts: [[τ, true positives, false negatives, false positives], …].
        undefined: why a figure is NaN; "" where none is.
    """

    siou: float
    ppv: float
    f1: float
    counts: list[list[float]]
    undefined: str = ""


@dataclass(frozen=True)
class SizeFigures:
    """Anomalies of one range of sizes against all known pixels.

    Args:
        smallest: pixels of the smallest anomaly of the range, inclusive.
        largest: pixels of its largest; None: no limit.
        components: number of anomalies.
        pixels: their pixels.
        average_precision: AP with the anomalies of other sizes left out; NaN without one of this size.
        recall: share of their pixels with a score ≥ the threshold of the pooled FPR95.
    """

    smallest: int
    largest: int | None
    components: int
    pixels: int
    average_precision: float
    recall: float


@dataclass(frozen=True)
class MistakeFigures:
    """False-positive rates of DiCNet's paper, each at the picture's own 95 %-recall threshold.

    Args:
        cfpr: mean over pictures, in [0, 1], among known pixels that the network classifies rightly.
        efpr: among those that it classifies wrongly.
        pictures: number of pictures that have both.
        undefined: why a figure is NaN; "" where none is.
    """

    cfpr: float
    efpr: float
    pictures: int
    undefined: str = ""


@dataclass(frozen=True)
class ScoreResult:
    """One score of one network under the results' protocol.

    Figures are named by where they stand: ``"pooled.average_precision"``, ``"per_picture.fpr95"``,
    ``"open_set.open_miou"``, ``"smiyc.best_f1"``, ``"components.f1"``, ``"mistakes.cfpr"``.

    Args:
        score: its name in ``odd.SCORES``, or the name of the program that made the score files.
        formula: its formula.
        saw_outliers: whether the network it reads was trained with outlier data; None: unknown.
        pooled: figures over all pixels of all pictures.
        per_picture: mean figures over the pictures that hold both kinds of pixel.
        threshold: the score t at which the pixels with s ≥ t have the pooled FPR95, by the protocol's rule.
        best_f1_threshold: the score t at which the pixels with s ≥ t have the best pooled F1.
        picture_average_precision: AP of each picture, in the order of ``Results.pictures``; NaN where the
            picture does not hold both kinds.
        curves: for the report.
        open_set: open-set figures where the protocol asks for them.
        smiyc: SegmentMeIfYouCan's pixel figures where the protocol asks for them.
        components: its component figures where the protocol asks for them.
        sizes: figures by the size of the anomaly, where the scores were kept.
        mistakes: cFPR and eFPR where there are class labels.
        distinct_scores: how many different values the counted pixels have, at most 1,000 counted.
        intervals: 95 % bootstrap interval of a figure by its name.
        certified: interval that holds the exact figure, by its name, where the streaming engine was used.
        replicates: the figure in every bootstrap replicate by its name; runs over the same units share the
            draws, so that differences replicate by replicate are paired.
        picture_fpr95: FPR95 of each picture at its own threshold, as ``picture_average_precision``.
        picture_false_alarms: share of each picture's known pixels with a score ≥ ``threshold``, from the
            picture's sketch of 512 scores, so about that; NaN without known pixels.
    """

    score: str
    formula: str
    saw_outliers: bool | None
    pooled: Figures
    per_picture: Figures
    threshold: float
    picture_average_precision: list[float]
    curves: Curves
    open_set: OpenSetFigures | None = None
    best_f1_threshold: float = math.nan
    smiyc: SmiycFigures | None = None
    components: ComponentFigures | None = None
    sizes: list[SizeFigures] = field(default_factory=list)
    mistakes: MistakeFigures | None = None
    distinct_scores: int = 1000
    intervals: dict[str, Interval] = field(default_factory=dict)
    certified: dict[str, Interval] = field(default_factory=dict)
    replicates: dict[str, list[float]] = field(default_factory=dict)
    picture_fpr95: list[float] = field(default_factory=list)
    picture_false_alarms: list[float] = field(default_factory=list)

    def headline(self, protocol: Protocol) -> Figures:
        """The figures that the protocol asks for."""
        return self.pooled if protocol.aggregation == "pooled" else self.per_picture

    def figure(self, name: str) -> float:
        """A figure by its name, as in ``"pooled.fpr95"``; NaN where this result has no such part."""
        found: Any = self
        for part in name.split("."):
            found = None if found is None else getattr(found, part)
        return math.nan if found is None else float(found)


@dataclass(frozen=True)
class Results:
    """One network under one protocol.

    Args:
        protocol: everything that changes a figure.
        overrides: in words, what this run changed of the protocol; empty if nothing.
        model: name of the network, for tables.
        weights: file of its weights, or "" where they came from elsewhere.
        inference_size: (H, W) at which the network saw the pictures, or the shorter side of each; None: their
            own size.
        pictures: names of the pictures, in order.
        left_out: name of each picture that no per-picture figure counts, and why.
        known_pixels: number of known pixels.
        anomalous_pixels: number of anomalous pixels.
        scores: a result for each score.
        closed_miou: mIoU of the known classes without anomalous and ignored pixels, in [0, 1]; NaN without
            class labels.
        class_iou: IoU of each known class.
        seconds: wall time of the evaluation.
        environment: versions and machine.
        closed_matrix: known pixels by class (row) and prediction (column); empty without class labels.
        calibration: of the closed-set posterior over the known pixels; None without class labels.
        intervals: 95 % bootstrap intervals of ``"closed_miou"`` and ``"calibration.error"``.
        replicates: those figures in every bootstrap replicate, as in ``ScoreResult``.
        units: number of recordings that the bootstrap draws, of pictures where the set names no recordings.
        unit: what a unit is, ``"picture"`` or ``"recording"``.
        engine: ``"exact"`` or ``"streaming"``.
        fingerprint: SHA-256 over names, pictures and truth as read, in order.
        source: what was evaluated, a network or score files of any program.
        inference: in words, how else the network was shown a picture, such as in windows or in several
            scales, the outermost first; empty if once and whole.
    """

    protocol: Protocol
    overrides: list[str]
    model: str
    weights: str
    inference_size: InferenceSize | None
    pictures: list[str]
    left_out: dict[str, str]
    known_pixels: int
    anomalous_pixels: int
    scores: list[ScoreResult]
    closed_miou: float = math.nan
    class_iou: dict[str, float] = field(default_factory=dict)
    seconds: float = math.nan
    environment: dict[str, str] = field(default_factory=dict)
    closed_matrix: list[list[int]] = field(default_factory=list)
    calibration: CalibrationFigures | None = None
    intervals: dict[str, Interval] = field(default_factory=dict)
    replicates: dict[str, list[float]] = field(default_factory=dict)
    units: int = 0
    unit: str = "picture"
    engine: str = "exact"
    fingerprint: str = ""
    source: Literal["network", "score files"] = "network"
    inference: list[str] = field(default_factory=list)

    @property
    def anomaly_share(self) -> float:
        """Share of the counted pixels that are anomalous: the AP of a random score."""
        return self.anomalous_pixels / max(1, self.known_pixels + self.anomalous_pixels)

    def of(self, score: str) -> ScoreResult:
        """The result of the score of this name."""
        for result in self.scores:
            if result.score == score:
                return result
        raise OddscapeError(
            f"no score {score!r} in these results; there are {[r.score for r in self.scores]}"
        )

    def save(self, path: str | Path) -> None:
        """Write the results as JSON; undefined figures become null."""
        document = {"format": "oddscape results", "version": FORMAT_VERSION, **_CONVERTER.unstructure(self)}
        with written_atomically(Path(path)) as partial:
            partial.write_text(_json(document), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read results that ``save`` wrote.

        Raises:
            OddscapeError: no such file, not a results file, or one of another version.
        """
        try:
            document = json.loads(Path(path).read_text())
        except (OSError, ValueError) as error:
            raise OddscapeError(f"cannot read results from {path}: {error}") from None
        if not isinstance(document, dict) or document.get("format") != "oddscape results":
            raise OddscapeError(f"{path} is no Oddscape results file")
        if document.get("version") != FORMAT_VERSION:
            raise OddscapeError(
                f"{path} has results version {document.get('version')}; this reads {FORMAT_VERSION}: "
                "evaluate again"
            )
        try:
            return _CONVERTER.structure(document, cls)
        except Exception as error:  # cattrs gathers everything that is amiss into one of several classes
            raise OddscapeError(
                f"{path} is no whole Oddscape results file: {transform_error(error)[0]}"
            ) from None


def _json(document: dict[str, Any]) -> str:
    """JSON, indented but for the innermost lists of numbers, which get a line each."""
    text = json.dumps(document, indent=1, allow_nan=False)
    # No text of the document holds a line break, so that what is found between brackets is a list.
    return re.sub(r"\[\n[^\[\]{}\"]*\]", lambda found: re.sub(r"\s+", "", found[0]), text) + "\n"


def _null_unless_finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _nan_for_null(value: Any, _: type) -> float:
    return math.nan if value is None else float(value)


def _inference_size(value: Any, _: type) -> InferenceSize | None:
    if value is None or isinstance(value, int):
        return value
    height, width = value
    return int(height), int(width)


_CONVERTER = Converter()
_CONVERTER.register_unstructure_hook(float, _null_unless_finite)
_CONVERTER.register_structure_hook(float, _nan_for_null)
_CONVERTER.register_structure_hook(InferenceSize | None, _inference_size)

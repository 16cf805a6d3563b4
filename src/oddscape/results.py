"""What an evaluation found: figures with the protocol they belong to, as a versioned JSON file."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from oddscape.errors import OddscapeError
from oddscape.files import written_atomically
from oddscape.protocols import Protocol

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Figures:
    """AP, AUROC and FPR95, fractions in [0, 1]; NaN where undefined, with the reason in ``undefined``."""

    average_precision: float
    auroc: float
    fpr95: float
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
    """

    roc: list[list[float]]
    precision_recall: list[list[float]]
    score_edges: list[float]
    known: list[float]
    anomaly: list[float]


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
    """Open-set segmentation, fractions in [0, 1]; ``gap`` = closed mIoU − open-mIoU, its price."""

    open_miou: float
    anomaly_iou: float
    gap: float
    folds: list[FoldFigures]
    undefined: str = ""


@dataclass(frozen=True)
class ScoreResult:
    """One score of one network under the results' protocol.

    Args:
        score: its name in ``odd.SCORES``.
        formula: its formula.
        saw_outliers: whether the network it reads was trained with outlier data.
        pooled: figures over all pixels of all pictures.
        per_picture: mean figures over the pictures that hold both kinds of pixel.
        threshold: the score t at which the pixels with s ≥ t have the pooled FPR95, by the protocol's rule.
        picture_average_precision: AP of each picture, in the order of ``Results.pictures``; NaN where the
            picture does not hold both kinds.
        curves: for the report.
        open_set: open-set figures where the protocol asks for them.
    """

    score: str
    formula: str
    saw_outliers: bool
    pooled: Figures
    per_picture: Figures
    threshold: float
    picture_average_precision: list[float]
    curves: Curves
    open_set: OpenSetFigures | None = None

    def headline(self, protocol: Protocol) -> Figures:
        """The figures that the protocol asks for."""
        return self.pooled if protocol.aggregation == "pooled" else self.per_picture


@dataclass(frozen=True)
class Results:
    """One network under one protocol.

    Args:
        protocol: everything that changes a figure.
        overrides: in words, what this run changed of the protocol; empty if nothing.
        model: name of the network, for tables.
        weights: file of its weights, or "" where they came from elsewhere.
        inference_size: (H, W) at which the network saw the pictures; None: their own size.
        pictures: names of the pictures, in order.
        left_out: names of the pictures without both kinds of pixel, which no per-picture figure counts.
        known_pixels: number of known pixels.
        anomalous_pixels: number of anomalous pixels.
        scores: a result for each score.
        closed_miou: mIoU of the known classes without anomalous and ignored pixels, in [0, 1]; NaN without
            class labels.
        class_iou: IoU of each known class.
        seconds: wall time of the evaluation.
        environment: versions and machine.
    """

    protocol: Protocol
    overrides: list[str]
    model: str
    weights: str
    inference_size: tuple[int, int] | None
    pictures: list[str]
    left_out: list[str]
    known_pixels: int
    anomalous_pixels: int
    scores: list[ScoreResult]
    closed_miou: float = math.nan
    class_iou: dict[str, float] = field(default_factory=dict)
    seconds: float = math.nan
    environment: dict[str, str] = field(default_factory=dict)

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
        document = {"format": "oddscape results", "version": FORMAT_VERSION, **asdict(self)}
        with written_atomically(Path(path)) as partial:
            partial.write_text(json.dumps(_null_for_nan(document), indent=1, allow_nan=False) + "\n")

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
                f"{path} has results version {document.get('version')}; this reads {FORMAT_VERSION}"
            )
        try:
            return cls(**_from_document(document))
        except (KeyError, TypeError) as error:
            raise OddscapeError(f"{path} is no whole Oddscape results file: {error}") from None


def _from_document(document: dict[str, Any]) -> dict[str, Any]:
    content = {f.name: document[f.name] for f in fields(Results)}
    size = content["inference_size"]
    return content | {
        "protocol": _protocol(document["protocol"]),
        "scores": [_score_result(score) for score in document["scores"]],
        "inference_size": None if size is None else tuple(size),
        "closed_miou": _nan_for_null(document["closed_miou"]),
        "class_iou": _nan_for_null(document["class_iou"]),
        "seconds": _nan_for_null(document["seconds"]),
    }


def _protocol(content: dict[str, Any]) -> Protocol:
    size = content["evaluation_size"]
    return Protocol(**content | {"evaluation_size": None if size is None else tuple(size)})


def _score_result(content: dict[str, Any]) -> ScoreResult:
    content = _nan_for_null(content, keep=("open_set",))
    open_set = content["open_set"]
    if open_set is not None:
        open_set = OpenSetFigures(**open_set | {"folds": [FoldFigures(**fold) for fold in open_set["folds"]]})
    nested = {
        "pooled": Figures(**content["pooled"]),
        "per_picture": Figures(**content["per_picture"]),
        "curves": Curves(**content["curves"]),
        "open_set": open_set,
    }
    return ScoreResult(**content | nested)


def _null_for_nan(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _null_for_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_null_for_nan(item) for item in value]
    return value


def _nan_for_null(value: Any, keep: tuple[str, ...] = ()) -> Any:
    if value is None:
        return math.nan
    if isinstance(value, dict):
        return {k: v if v is None and k in keep else _nan_for_null(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_nan_for_null(item) for item in value]
    return value

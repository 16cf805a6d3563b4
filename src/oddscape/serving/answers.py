"""What is sent of a prediction: facts, maps for the page, and files to keep."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from oddscape.detector import Prediction
from oddscape.predicting.kinds import encoded_picture
from oddscape.predicting.region_files import described, json_score
from oddscape.score_files.numpy_files import encode_npy


@dataclass(frozen=True)
class Answer:
    """The body of a response.

    Args:
        body: its bytes.
        media_type: what they are.
    """

    body: bytes
    media_type: str


def as_json(prediction: Prediction, _side: int | None = None) -> Answer:
    """Size, threshold, share of each class, and the regions as ``oddscape predict`` writes them."""
    return Answer(json.dumps(_facts(prediction), ensure_ascii=False).encode(), "application/json")


def as_safetensors(prediction: Prediction, side: int | None = None) -> Answer:
    """``score`` float32 [h, w] and ``classes`` uint8 [h, w], with the picture's own size as metadata.

    Args:
        prediction: of a detector.
        side: pixels of the maps' longer side, at most; each takes the values at the centres of its pixels.
    """
    maps = {"score": _thinned(prediction.score, side), "classes": _thinned(prediction.classes, side)}
    height, width = prediction.classes.shape
    body = save(maps, {"width": str(width), "height": str(height)})
    return Answer(body, "application/octet-stream")


def as_npy(prediction: Prediction, _side: int | None = None) -> Answer:
    """The score, float32 [H, W], as NumPy writes it."""
    return Answer(encode_npy(prediction.score), "application/octet-stream")


def as_png(prediction: Prediction, _side: int | None = None) -> Answer:
    """The class of each pixel as a palette picture: indices are train ids, K the anomaly."""
    kind = "classes" if prediction.threshold is None else "open-set"
    return Answer(encoded_picture(kind, prediction, boxes=False), "image/png")


ANSWERS: dict[str, Callable[[Prediction, int | None], Answer]] = {
    "json": as_json,
    "safetensors": as_safetensors,
    "npy": as_npy,
    "png": as_png,
}
"""By ending of the path."""


def with_threshold(prediction: Prediction, threshold: float | None) -> Prediction:
    """The prediction at another threshold, hysteresis from no higher; None: at its detector's own."""
    if threshold is None:
        return prediction
    low = prediction.rules.low
    rules = replace(prediction.rules, low=None if low is None else min(low, threshold))
    return replace(prediction, threshold=threshold, rules=rules)


def _thinned(values: NDArray[Any], side: int | None) -> NDArray[Any]:
    if side is None or max(values.shape) <= side:
        return np.ascontiguousarray(values)
    sizes = [max(1, round(length * side / max(values.shape))) for length in values.shape]
    rows, columns = (
        ((np.arange(size) + 0.5) * length / size).astype(np.intp)
        for size, length in zip(sizes, values.shape, strict=True)
    )
    thinned: NDArray[Any] = values[np.ix_(rows, columns)]
    return thinned


def _facts(prediction: Prediction) -> dict[str, Any]:
    height, width = prediction.classes.shape
    shares = np.bincount(prediction.classes.ravel(), minlength=prediction.label_space.num_classes)
    names = prediction.label_space.classes
    facts: dict[str, Any] = {
        "width": width,
        "height": height,
        "classes": {n: c / prediction.classes.size for n, c in zip(names, shares.tolist(), strict=True)},
        "score": {
            "lowest": json_score(prediction.score.min()),
            "highest": json_score(prediction.score.max()),
        },
        "threshold": prediction.threshold,
    }
    if prediction.threshold is not None:
        facts["anomalous"] = float(prediction.anomaly.mean())
        facts["regions"] = [described(region) for region in prediction.regions]
    return facts

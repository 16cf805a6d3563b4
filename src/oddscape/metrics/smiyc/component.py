"""SegmentMeIfYouCan's component metric: which anomalies are found, and how much of what is predicted is one.

Chan et al., "SegmentMeIfYouCan: A Benchmark for Anomaly Segmentation", NeurIPS Datasets and Benchmarks 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from oddscape.component_sizes import ComponentSizes
from oddscape.errors import OddscapeError
from oddscape.labels import IGNORED
from oddscape.metrics.arrays import FloatArray, Floats, Maps, as_scored_maps
from oddscape.metrics.ratios import ratio

LEVELS: NDArray[np.float64] = np.linspace(0.25, 0.75, 11)
"""The τ at which components count as found; 25, 50 and 75 % are the indices 0, 5 and 10."""

_EIGHT_CONNECTED = np.ones((3, 3), bool)


@dataclass(frozen=True, eq=False)
class MatchedComponents:
    """How well the components of one picture match; fractions in [0, 1].

    Args:
        siou: float64 [T], sIoU of each ground-truth component.
        ppv: float64 [M], the share of each predicted component that lies on ground truth.
        siou_predicted: float64 [M], sIoU of each predicted component with prediction and truth exchanged.
    """

    siou: NDArray[np.float64]
    ppv: NDArray[np.float64]
    siou_predicted: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EachPictureComponents:
    """What each picture adds, in the order of their update: the pooled figures are ratios of these sums.

    Args:
        true_positives: int64 [pictures, 11], ground-truth components with sIoU ≥ τ.
        false_negatives: int64 [pictures, 11], ground-truth components with sIoU < τ.
        false_positives: int64 [pictures, 11], predicted components with PPV < τ.
        siou: float64 [pictures], sum of sIoU over ground-truth components.
        ppv: float64 [pictures], sum of PPV over predicted components.
        siou_predicted: float64 [pictures], sum of sIoU over predicted components.
        true: int64 [pictures], ground-truth components.
        predicted: int64 [pictures], predicted components.
    """

    true_positives: NDArray[np.int64]
    false_negatives: NDArray[np.int64]
    false_positives: NDArray[np.int64]
    siou: NDArray[np.float64]
    ppv: NDArray[np.float64]
    siou_predicted: NDArray[np.float64]
    true: NDArray[np.int64]
    predicted: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ComponentResult:
    """Figures of the components of all pictures; fractions in [0, 1].

    Args:
        mean_f1: F1*, the mean of ``f1`` over the 11 levels.
        mean_siou: mean sIoU over ground-truth components.
        mean_ppv: mean PPV over predicted components.
        mean_siou_predicted: mean sIoU over predicted components, prediction and truth exchanged.
        levels: float64 [11], τ from 0.25 to 0.75.
        true_positives: int64 [11], ground-truth components with sIoU ≥ τ.
        false_negatives: int64 [11], ground-truth components with sIoU < τ.
        false_positives: int64 [11], predicted components with PPV < τ.
        f1: float64 [11], 2TP / (2TP + FN + FP).
        true: ground-truth components that count.
        predicted: predicted components that count.
        undefined: why some figures are NaN; None where all are numbers.
        each: what each picture adds.
    """

    mean_f1: float
    mean_siou: float
    mean_ppv: float
    mean_siou_predicted: float
    levels: NDArray[np.float64]
    true_positives: NDArray[np.int64]
    false_negatives: NDArray[np.int64]
    false_positives: NDArray[np.int64]
    f1: NDArray[np.float64]
    true: int
    predicted: int
    undefined: str | None
    each: EachPictureComponents


class ComponentMetrics:
    """Accumulates score maps and gives the figures of SegmentMeIfYouCan's component metric.

    Args:
        threshold: δ*, from :class:`oddscape.metrics.smiyc.SmiycPixelMetrics` on the same split; pixels
            with s > δ* are predicted.
        sizes: the smallest components that count.

    Raises:
        OddscapeError: the threshold is NaN.
    """

    def __init__(self, threshold: float, sizes: ComponentSizes) -> None:
        if np.isnan(threshold):
            raise OddscapeError("threshold is NaN: expected a number; no best F1 means no component metric")
        self.threshold = float(threshold)
        self.sizes = sizes
        self._pictures: list[MatchedComponents] = []

    def update(self, score: Maps, truth: Maps) -> None:
        """Add one picture or a batch of pictures.

        Args:
            score: any float type, numpy or torch, [H, W] or [N, H, W]; higher = more anomalous.
            truth: the same shape; 0 known, 1 anomaly, 255 ignored. Scores of ignored pixels never matter.

        Raises:
            OddscapeError: shapes differ, truth holds another value, or a counted score is NaN. Then nothing
                has been added.
        """
        score, truth = as_scored_maps(score, truth)
        # A 64-bit scalar makes the comparison one of float64; a Python float would be rounded to float32.
        threshold = np.float64(self.threshold)
        for maps in zip(score, truth, strict=True):
            _require_numbers(*maps)
        self._pictures += [
            match_components(s > threshold, t, self.sizes) for s, t in zip(score, truth, strict=True)
        ]

    def merge(self, other: ComponentMetrics) -> None:
        """Add the pictures of another accumulator after one's own.

        Raises:
            OddscapeError: the two have different thresholds or sizes.
        """
        own, others = (self.threshold, self.sizes), (other.threshold, other.sizes)
        if own != others:
            raise OddscapeError(f"cannot merge components at {others} into those at {own}")
        self._pictures += other._pictures

    def compute(self) -> ComponentResult:
        """Give the figures of everything added so far; undefined ones are NaN and say why."""
        return pool_components(_each(self._pictures))


def match_components(
    predicted: NDArray[np.bool_], truth: NDArray[Any], sizes: ComponentSizes
) -> MatchedComponents:
    """Match the 8-connected components of one picture's prediction with those of its ground truth.

    For a ground-truth component k, K̂ is the union of the predicted components that share a pixel with it and
    A the pixels of K̂ in other ground-truth components: sIoU(k) is the size of k ∩ K̂ over that of k ∪ K̂
    without A. For a predicted component, PPV is the share of its pixels in any ground-truth component.

    Args:
        predicted: bool [H, W]; ignored pixels never matter.
        truth: integers [H, W]: 0 known, 1 anomaly, 255 ignored.
        sizes: the smallest components that count. Predicted ones are measured without ignored pixels. Ground
            truth that is too small becomes ignored; what it leaves of a prediction is not measured again.
    """
    predicted_at, true_at = _label(predicted & (truth != IGNORED)), _label(truth == 1)
    pixels = np.flatnonzero(predicted_at | true_at)
    predicted_at, true_at = predicted_at[pixels], true_at[pixels]
    large_predicted, large_true = _drop_small(predicted_at, sizes.predicted), _drop_small(true_at, sizes.true)
    counted = (large_true > 0) | (true_at == 0)
    return _match(large_predicted[counted], large_true[counted])


def pool_components(each: EachPictureComponents) -> ComponentResult:
    """Give the figures of many pictures together; undefined ones are NaN and say why."""
    true, predicted = int(each.true.sum()), int(each.predicted.sum())
    found, missed, false = (
        counts.sum(axis=0) for counts in (each.true_positives, each.false_negatives, each.false_positives)
    )
    f1 = ratio(2 * found, 2 * found + missed + false)
    return ComponentResult(
        mean_f1=float(f1.mean()),
        mean_siou=float(ratio(each.siou.sum(), true)),
        mean_ppv=float(ratio(each.ppv.sum(), predicted)),
        mean_siou_predicted=float(ratio(each.siou_predicted.sum(), predicted)),
        levels=LEVELS,
        true_positives=found,
        false_negatives=missed,
        false_positives=false,
        f1=f1,
        true=true,
        predicted=predicted,
        undefined=_undefined(true, predicted),
        each=each,
    )


def _label(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Number the components 1, 2, …; int32 [H · W], 0 where there is none."""
    labels = np.empty(mask.shape, np.int32)
    ndimage.label(mask, _EIGHT_CONNECTED, output=labels)
    return labels.ravel()


def _drop_small(labels: NDArray[np.int32], smallest: int) -> NDArray[np.intp]:
    """Number the components anew without those of fewer pixels, which get 0."""
    large = np.bincount(labels, minlength=1) >= smallest
    large[0] = False
    return np.where(large, np.cumsum(large), 0)[labels]


def _match(predicted: NDArray[np.intp], true: NDArray[np.intp]) -> MatchedComponents:
    """Match by the numbers of the two components at each pixel that has either, 0 for none."""
    predicted_areas, true_areas = np.bincount(predicted, minlength=1)[1:], np.bincount(true, minlength=1)[1:]
    both = (predicted > 0) & (true > 0)
    pairs = (predicted[both] - 1, true[both] - 1)
    shape = (len(predicted_areas), len(true_areas))
    overlap = sparse.coo_array((np.ones(len(pairs[0]), np.int64), pairs), shape).tocsr()
    covered: NDArray[np.int64] = overlap.sum(axis=1)
    found: NDArray[np.int64] = overlap.sum(axis=0)
    touch = overlap.sign()
    # k ∪ K̂ without A is k and what of K̂ lies in no ground truth at all.
    siou = found / (true_areas + touch.T @ (predicted_areas - covered))
    left = predicted_areas > 0  # of others, all lay in ground truth that became ignored
    union_predicted = predicted_areas + touch @ (true_areas - found)
    return MatchedComponents(
        siou=siou,
        ppv=covered[left] / predicted_areas[left],
        siou_predicted=covered[left] / union_predicted[left],
    )


def _each(pictures: Sequence[MatchedComponents]) -> EachPictureComponents:
    siou, ppv = [picture.siou for picture in pictures], [picture.ppv for picture in pictures]
    true = np.array([len(values) for values in siou], np.int64)
    missed = _count_below_levels(siou)
    return EachPictureComponents(
        true_positives=true[:, None] - missed,
        false_negatives=missed,
        false_positives=_count_below_levels(ppv),
        siou=np.array([values.sum() for values in siou]),
        ppv=np.array([values.sum() for values in ppv]),
        siou_predicted=np.array([picture.siou_predicted.sum() for picture in pictures]),
        true=true,
        predicted=np.array([len(values) for values in ppv], np.int64),
    )


def _count_below_levels(values: Sequence[NDArray[np.float64]]) -> NDArray[np.int64]:
    """How many values of each picture lie below each level, int64 [pictures, 11]."""
    counts = [np.count_nonzero(of_picture[:, None] < LEVELS, axis=0) for of_picture in values]
    return np.array(counts, np.int64).reshape(-1, len(LEVELS))


def _undefined(true: int, predicted: int) -> str | None:
    counts = {"ground-truth": true, "predicted": predicted}
    missing = [name for name, count in counts.items() if not count]
    return f"no {' and no '.join(missing)} component counts" if missing else None


def _require_numbers(score: FloatArray, truth: NDArray[Any]) -> None:
    # The maximum carries a NaN along, whether it counts or not.
    if np.isnan(score.max(initial=-np.inf)):
        missing = np.count_nonzero(np.isnan(score) & (truth != IGNORED))
        if missing:
            raise OddscapeError(f"score is NaN at {missing} pixels that count")


def bootstrap_components(result: ComponentResult, weights: Floats) -> dict[str, Floats]:
    """Replicate the component figures at a fixed threshold.

    Args:
        result: of P pictures.
        weights: float64 [replicates, P], from ``resample``.

    Returns:
        ``siou``, ``ppv`` and ``f1`` (F1*), each float64 [replicates]; NaN where the pictures drawn leave a
        figure undefined.
    """
    each = result.each
    found, missed, false = (
        weights @ counts for counts in (each.true_positives, each.false_negatives, each.false_positives)
    )
    return {
        "siou": ratio(weights @ each.siou, weights @ each.true),
        "ppv": ratio(weights @ each.ppv, weights @ each.predicted),
        "f1": ratio(2 * found, 2 * found + missed + false).mean(axis=1),
    }

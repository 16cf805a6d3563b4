"""Rules by which a threshold is chosen on scored pictures: a false-alarm budget, a recall, best F1.

Both budgets ask that an upper confidence bound, and not the figure itself, stays within the budget. The true
figure of pixels never rises with the threshold, so the lowest threshold whose own bound, and that of every
threshold above it, is within the budget keeps the bound's confidence though it was chosen on the same
pictures: no correction for having looked at many thresholds is needed (Bates et al., "Distribution-Free,
Risk-Controlling Prediction Sets", JACM 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from oddscape.confidence_bounds import bootstrap_upper, poisson_upper
from oddscape.errors import OddscapeError
from oddscape.metrics import OperatingPoints, best_f1
from oddscape.regions import RegionRules, anomaly_mask, count_false_regions
from oddscape.scored_pictures import ScoredPictures

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

_SECONDS = 3600
# Of three units that speak, 5 % of a bootstrap's replicates draw none; of fewer, more say nothing at all.
_LEAST_UNITS = 3
_BRANCHES = 256  # thresholds looked at in one pass; 4 passes tell all float32 numbers apart
_RANKS = 128  # candidate thresholds from the pooled scores, and as many from the pictures' greatest ones
_BATCH = 8  # candidates looked at in one pass for regions, which stops at the first that fails


class Choice(NamedTuple):
    """A threshold, and the upper confidence bound of what the rule limits; None where it limits nothing."""

    threshold: float
    bound: float | None


class ThresholdRule(Protocol):
    """What every rule does."""

    def choose(self, pictures: ScoredPictures, regions: RegionRules) -> Choice:
        """Choose the threshold; raises OddscapeError where the pictures do not allow it."""


@dataclass(frozen=True)
class FalseAlarms:
    """At most a share of known pixels above the threshold: the lowest for which that can be promised.

    The bound is that of a bootstrap that draws whole pictures, or whole recordings where these are named, and
    the worst of them once more (:func:`~oddscape.confidence_bounds.bootstrap_upper`), for the pixels of one
    picture are wrong together: a million of them may say no more than one. The bound never rises where the
    threshold does, so the lowest float32 is found by bisection. Thresholds that fewer than three units exceed
    are not looked at, for a bootstrap knows nothing of what it has not seen. Rules for regions play no part.

    Args:
        share: the budget, in (0, 1).
        confidence: of the bound, in [0.5, 0.99].

    Raises:
        OddscapeError: numbers out of range.
    """

    share: float
    confidence: float = 0.95

    def __post_init__(self) -> None:
        _require_share("share of false pixels", self.share)
        _require_confidence(self.confidence)

    def __str__(self) -> str:
        return f"share of false pixels ≤ {self.share:g} with {self.confidence:.3g} confidence"

    def choose(self, pictures: ScoredPictures, regions: RegionRules) -> Choice:  # noqa: ARG002
        """Find the lowest threshold whose bound, like that of all above, is within the budget.

        Raises:
            OddscapeError: fewer than three units, or a budget that cannot be promised.
        """
        bounds = self._bounds(pictures)
        highest = np.array([_exceeded_by_three(pictures)], np.float32)
        best = float(bounds(highest)[0])
        if best > self.share:
            raise OddscapeError(
                f"a share of {self.share:g} false pixels cannot be promised with {self.confidence:.3g} "
                f"confidence by {_units(pictures)}: the lowest that can is {_rounded_up(best)}"
            )
        lowest = pictures.counts.counts().scores[0]
        threshold = lowest_accepted(lambda t: bounds(t) <= self.share, lowest, float(highest[0]))
        return Choice(_finite(threshold), float(bounds(np.array([threshold], np.float32))[0]))

    def _bounds(self, pictures: ScoredPictures) -> Callable[[Singles], Floats]:
        """What gives the bound of the share at each of rising thresholds."""
        held = pictures.known > 0
        known = pictures.known[held]
        units = [unit for unit, counts in zip(pictures.units, held, strict=True) if counts]
        if (count := len(set(units))) < _LEAST_UNITS:
            raise OddscapeError(
                f"{count} pictures or recordings with known pixels bound no share of false pixels: "
                f"expected {_LEAST_UNITS} or more"
            )

        def bounds(thresholds: Singles) -> Floats:
            return bootstrap_upper(pictures.known_above(thresholds)[held], known, units, self.confidence)

        return bounds


@dataclass(frozen=True)
class FalseRegions:
    """At most so many false regions an hour of driving, after the rules for regions.

    Each picture stands for one frame, so a false region that is seen in ten frames counts ten times. The
    bound is the greater of two: the exact one of a Poisson mean, which holds where no region was seen at
    all, and that of a bootstrap over pictures or recordings
    (:func:`~oddscape.confidence_bounds.bootstrap_upper`), which sees that regions come in flocks.

    The number of regions is not monotone in the threshold, as a region may part in two or melt into another.
    So candidate thresholds are gone through from above, and the last before the first whose bound exceeds the
    budget is taken: all candidates above it are within. Candidates are the scores at 128 geometrically spaced
    ranks of the pooled known pixels, and at as many of the pictures' greatest scores.

    Args:
        per_hour: the budget, above 0.
        frames_per_second: pictures that the camera gives a second.
        confidence: of the bound, in [0.5, 0.99].

    Raises:
        OddscapeError: numbers out of range.
    """

    per_hour: float
    frames_per_second: float
    confidence: float = 0.95

    def __post_init__(self) -> None:
        for name, value in (("false regions an hour", self.per_hour), ("frames", self.frames_per_second)):
            if not 0 < value < np.inf:
                raise OddscapeError(f"{value:g} {name}: expected a finite number above 0")
        _require_confidence(self.confidence)

    def __str__(self) -> str:
        return (
            f"false regions an hour ≤ {self.per_hour:g} at {self.frames_per_second:g} frames a second with "
            f"{self.confidence:.3g} confidence"
        )

    @property
    def frames_per_hour(self) -> float:
        """Frames that the camera gives an hour."""
        return self.frames_per_second * _SECONDS

    def choose(self, pictures: ScoredPictures, regions: RegionRules) -> Choice:
        """Go through the candidates from above, as long as the bound is within the budget.

        Raises:
            OddscapeError: fewer than two units, or a budget that so few pictures cannot promise.
        """
        if len(set(pictures.units)) < 2:
            raise OddscapeError("1 picture or recording bounds no false regions: expected 2 or more")
        chosen = None
        for threshold, bound in self._bounds(pictures, regions):
            if bound > self.per_hour:
                break
            chosen = Choice(threshold, bound)
        if chosen is None:
            raise self._cannot_be_promised(len(pictures), bound)
        return chosen

    def _bounds(self, pictures: ScoredPictures, regions: RegionRules) -> Iterator[tuple[float, float]]:
        """Candidates from above, each with the bound of its false regions an hour."""
        falling, frames = candidates(pictures, regions), np.ones(len(pictures))
        for start in range(0, len(falling), _BATCH):
            thresholds = falling[start : start + _BATCH]
            counts = _false_regions(pictures, thresholds, regions)
            upper = bootstrap_upper(counts, frames, pictures.units, self.confidence)
            poisson = poisson_upper(counts.sum(axis=0), self.confidence) / len(pictures)
            upper = np.maximum(upper, poisson) * self.frames_per_hour
            yield from zip(thresholds, upper.tolist(), strict=True)

    def _cannot_be_promised(self, pictures: int, best: float) -> OddscapeError:
        needed = np.ceil(poisson_upper(0, self.confidence) * self.frames_per_hour / self.per_hour)
        return OddscapeError(
            f"{self.per_hour:g} false regions an hour cannot be promised with {self.confidence:.3g} "
            f"confidence by {pictures} pictures at {self.frames_per_second:g} a second: the lowest that "
            f"can is {_rounded_up(best)}; even without a false region it takes {needed:.0f} pictures"
        )


@dataclass(frozen=True)
class Recall:
    """At least a share of anomalous pixels above the threshold: the highest threshold that finds so many.

    Args:
        share: of all anomalous pixels of all pictures, in (0, 1].

    Raises:
        OddscapeError: a share out of range.
    """

    share: float

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise OddscapeError(f"recall of {self.share:g}: expected a number above 0 and at most 1")

    def __str__(self) -> str:
        return f"TPR ≥ {self.share:g}"

    def choose(self, pictures: ScoredPictures, regions: RegionRules) -> Choice:  # noqa: ARG002
        """Find the highest threshold that enough anomalous pixels exceed.

        Raises:
            OddscapeError: no anomalous pixel.
        """
        points = _labelled_points(pictures)
        # Fractions of counts: 0.95 of 20 pixels are 19, which 0.95 * 20 as a float exceeds.
        first = int(np.argmax(points.recall >= self.share))
        return Choice(_just_below(points.thresholds[first]), None)


@dataclass(frozen=True)
class BestF1:
    """The greatest F1 = 2TP / (2TP + FP + FN) of all pixels of all pictures; the highest such threshold."""

    def __str__(self) -> str:
        return "best F1"

    def choose(self, pictures: ScoredPictures, regions: RegionRules) -> Choice:  # noqa: ARG002
        """Find the threshold.

        Raises:
            OddscapeError: no anomalous or no known pixel.
        """
        points = _labelled_points(pictures)
        if points.undefined:
            raise OddscapeError(f"best F1 is undefined: {points.undefined}")
        return Choice(_just_below(best_f1(points)[1]), None)


def lowest_accepted(accepted: Callable[[Singles], NDArray[np.bool_]], low: float, high: float) -> float:
    """Find the lowest float32 from ``low`` to ``high`` that is accepted, as all above it are.

    Float32 numbers are numbered in their order, and a pass parts those in question by 255 others: four passes
    tell all of them apart.

    Args:
        accepted: says of rising thresholds, float32 [T], which are accepted.
        low: the lowest in question.
        high: the highest, which is accepted.
    """
    first, last = (int(n) for n in _numbers(np.array([low, high], np.float32)))
    while first < last:
        asked = np.unique(np.linspace(first, last, _BRANCHES + 1).astype(np.int64))[:-1]
        fine = accepted(_singles(asked))
        at = int(np.argmax(fine)) if fine.any() else asked.size
        last = int(asked[at]) if at < asked.size else last
        first = int(asked[at - 1]) + 1 if at else first
    return float(_singles(np.array([last]))[0]) + 0.0  # no negative zero


def candidates(pictures: ScoredPictures, regions: RegionRules) -> list[float]:
    """Candidate thresholds of :class:`FalseRegions`, falling from the greatest score of a known pixel.

    Raises:
        OddscapeError: no known pixel, or none with a finite score.
    """
    if not pictures.known.any():
        raise OddscapeError(f"no known pixel in {len(pictures)} pictures: nothing can be a false alarm")
    values = pictures.counts.counts()
    from_top = np.cumsum(values.counts[0][::-1])
    ranks = _geometric_ranks(int(from_top[-1]))
    pooled = values.scores[::-1][np.searchsorted(from_top, ranks)]
    peaks = np.sort(pictures.peaks)[::-1][_geometric_ranks(len(pictures)) - 1]
    scores = np.concatenate((pooled, peaks)).astype(np.float32)
    if regions.low is not None:  # the least threshold that hysteresis allows
        scores = np.append(scores[scores > regions.low], np.float32(regions.low))
    falling = np.unique(scores[np.isfinite(scores)])[::-1]
    if not falling.size:
        raise OddscapeError("all scores are infinite: no threshold parts them")
    return [float(score) for score in falling]


def _geometric_ranks(count: int) -> NDArray[np.int64]:
    """Ranks from 1 to ``count``, ever further apart."""
    return np.unique(np.rint(np.geomspace(1, count, _RANKS)).astype(np.int64))


def _false_regions(
    pictures: ScoredPictures, thresholds: Sequence[float], regions: RegionRules
) -> NDArray[np.int64]:
    """False regions of each picture at each threshold, int64 [pictures, T]."""
    counts = np.zeros((len(pictures), len(thresholds)), np.int64)
    for row, peak, picture in zip(counts, pictures.peaks, pictures, strict=True):
        for at, threshold in enumerate(thresholds):
            if peak > threshold:  # else no false region begins
                called = anomaly_mask(picture.score, threshold, regions)
                row[at] = count_false_regions(called, picture.truth == 1)
    return counts


def _exceeded_by_three(pictures: ScoredPictures) -> np.float32:
    """The highest threshold that known pixels of three pictures or recordings exceed."""
    _, unit = np.unique(np.asarray(pictures.units, np.str_), return_inverse=True)
    peaks = np.full(unit.max() + 1, -np.inf)
    np.maximum.at(peaks, unit, pictures.peaks)
    third = np.float32(np.sort(peaks)[-_LEAST_UNITS])
    return np.float32(np.nextafter(third, np.float32(-np.inf)))


def _labelled_points(pictures: ScoredPictures) -> OperatingPoints:
    points = pictures.counts.operating_points()
    if not points.positives:
        raise OddscapeError(
            f"no anomalous pixel in {len(pictures)} pictures: a recall and F1 need anomalies; a budget of "
            "false alarms does not"
        )
    return points


def _just_below(score: np.floating[Any] | float) -> float:
    """The threshold that a score is just above: the next lower float32."""
    return _finite(float(np.nextafter(np.float32(score), np.float32(-np.inf))))


def _finite(threshold: float) -> float:
    if not np.isfinite(threshold):
        raise OddscapeError(
            f"the threshold would be {threshold}: the scores that it has to part are infinite"
        )
    return threshold


def _numbers(singles: Singles) -> NDArray[np.int64]:
    """Number float32 numbers in their order."""
    bits = singles.view(np.int32).astype(np.int64)
    return np.where(bits < 0, -1 - (bits & 0x7FFFFFFF), bits)


def _singles(numbers: NDArray[np.int64]) -> Singles:
    """The inverse of :func:`_numbers`."""
    bits = np.where(numbers < 0, (-1 - numbers) | 0x80000000, numbers)
    return bits.astype(np.uint32).view(np.float32)


def _units(pictures: ScoredPictures) -> str:
    units = len(set(pictures.units))
    recordings = "" if units == len(pictures) else f" of {units} recordings"
    return f"{len(pictures)} pictures{recordings}"


def _rounded_up(value: float) -> str:
    """Three digits, not below the value, so that whoever asks for it is given it."""
    unit = 10.0 ** (np.floor(np.log10(value)) - 2) if value > 0 else 1.0
    return f"{np.ceil(value / unit) * unit:.3g}"


def _require_share(name: str, share: float) -> None:
    if not 0 < share < 1:
        raise OddscapeError(f"{name} of {share:g}: expected a number between 0 and 1")


def _require_confidence(confidence: float) -> None:
    if not 0.5 <= confidence <= 0.99:
        raise OddscapeError(f"confidence of {confidence:g}: expected a number from 0.5 to 0.99")

"""Choosing a detector's threshold on pictures, and telling how it holds on others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from oddscape.detector import Detector
from oddscape.errors import OddscapeError
from oddscape.regions import RegionRules
from oddscape.scenes import Scene
from oddscape.scored_pictures import ScoredPictures, score_pictures
from oddscape.threshold_figures import ThresholdFigures, figures_at
from oddscape.threshold_rules import ThresholdRule


@dataclass(frozen=True, eq=False)
class Calibration:
    """A detector with the threshold that was chosen for it.

    Args:
        detector: the one that was given, with the threshold.
        rule: by which it was chosen.
        bound: upper confidence bound of what the rule limits: a share of pixels, or regions an hour; None for
            a recall and best F1, which limit nothing.
        figures: on the pictures that it was chosen on: of the threshold alone, with each rule for regions,
            and with all of them.
    """

    detector: Detector
    rule: ThresholdRule
    bound: float | None
    figures: tuple[ThresholdFigures, ...]

    @property
    def threshold(self) -> float:
        """δ: pixels with a score above it are anomalous."""
        assert self.detector.threshold is not None
        return self.detector.threshold


def calibrate(
    detector: Detector,
    scenes: Iterable[Scene],
    rule: ThresholdRule,
    regions: RegionRules | None = None,
) -> Calibration:
    """Choose a detector's threshold by a rule.

    Memory does not grow with the pictures: score maps wait on disk, 5 bytes a pixel, in the folder for
    temporary files, and go with the process.

    Args:
        detector: with any threshold or none; it is left as it is.
        scenes: pictures. One without anomaly truth is taken as free of anomalies.
        rule: ``FalseAlarms`` or ``FalseRegions``, for which pictures without anomalies suffice, or ``Recall``
            or ``BestF1`` (:mod:`oddscape.threshold_rules`).
        regions: minimum size of regions and hysteresis, which the detector then has; None: those that it
            has. ``FalseRegions`` counts the regions that they leave; the other rules choose by pixels above
            the threshold alone.

    Raises:
        OddscapeError: no pictures, pictures that do not allow what the rule asks for, or a low threshold of
            hysteresis above the one that is chosen.
    """
    rules = detector.rules if regions is None else regions
    pictures = ScoredPictures(score_pictures(detector, scenes))
    threshold, bound = rule.choose(pictures, rules)
    chosen = detector.deciding_by(threshold, rules)
    return Calibration(chosen, rule, bound, figures_at(pictures, threshold, rules))


def check_threshold(
    detector: Detector, scenes: Iterable[Scene], regions: RegionRules | None = None
) -> tuple[ThresholdFigures, ...]:
    """Tell how a detector's threshold holds on pictures that it was not chosen on, in one pass.

    Args:
        detector: with a threshold.
        scenes: pictures. One without anomaly truth is taken as free of anomalies.
        regions: minimum size of regions and hysteresis; None: those of the detector.

    Returns:
        Figures of the threshold alone, with each rule for regions, and with all of them.

    Raises:
        OddscapeError: no pictures, a detector without a threshold, or a low threshold of hysteresis above it.
    """
    if detector.threshold is None:
        raise OddscapeError("this detector has no threshold to check: choose one by odd.calibrate")
    rules = detector.rules if regions is None else regions
    return figures_at(score_pictures(detector, scenes), detector.threshold, rules)

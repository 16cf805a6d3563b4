"""Several detectors by name, of which one is in memory."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from oddscape.detector import Detector
from oddscape.errors import OddscapeError
from oddscape.labels import LabelSpace
from oddscape.models import probe
from oddscape.regions import RegionRules
from oddscape.scores import SCORES, fitting_scores


@dataclass(frozen=True)
class DetectorFacts:
    """What there is to choose from in a detector.

    Args:
        score: its own, to which the threshold and the rules belong.
        formulas: by name, its own score and the others that its network can carry.
        threshold: δ; None where it has none.
        rules: minimum size of regions and hysteresis.
        label_space: names and colours of the known classes.
    """

    score: str
    formulas: Mapping[str, str]
    threshold: float | None
    rules: RegionRules
    label_space: LabelSpace


class Detectors:
    """Detectors by name, the one asked for last in memory.

    Args:
        loaders: how each is loaded; all are once, to see that they can be.

    Raises:
        OddscapeError: whatever a loader raises.
    """

    def __init__(self, loaders: Mapping[str, Callable[[], Detector]]) -> None:
        self._loaders = loaders
        self._loaded: tuple[str, Detector] | None = None
        self._by_score: dict[str, Detector] = {}  # of the network in memory
        self.facts = {name: _facts(self._load(name)) for name in loaders}

    def get(self, name: str, score: str) -> Detector:
        """The detector with one of its scores; its threshold and rules hold for its own score alone."""
        own = self._load(name)
        if score not in self._by_score:  # made once: making one runs the network on a small picture
            self._by_score[score] = Detector(own.net, score, size=own.size, label_space=own.label_space)
        return self._by_score[score]

    def _load(self, name: str) -> Detector:
        if self._loaded is None or self._loaded[0] != name:
            self._loaded, self._by_score = None, {}  # before the next one is made: never two in memory
            gc.collect()
            detector = self._loaders[name]()
            self._loaded, self._by_score = (name, detector), {detector.score.name: detector}
        return self._loaded[1]

    def choose(self, name: str | None, score: str | None) -> tuple[str, str]:
        """Names of a detector and a score of its, where these may be left open.

        Raises:
            OddscapeError: an unknown detector, or a score that it does not have.
        """
        name = next(iter(self.facts)) if name is None else name
        if name not in self.facts:
            raise OddscapeError(f"unknown detector {name!r}; there are: {', '.join(self.facts)}")
        score = self.facts[name].score if score is None else score
        if score not in self.facts[name].formulas:
            known = ", ".join(self.facts[name].formulas)
            raise OddscapeError(f"detector {name!r} has no score {score!r}; it has: {known}")
        return name, score


def _facts(detector: Detector) -> DetectorFacts:
    fitting = fitting_scores(probe(detector.net).fields)
    own = {detector.score.name: detector.score.formula}
    formulas = own | {name: SCORES[name].formula for name in fitting}
    return DetectorFacts(
        detector.score.name, formulas, detector.threshold, detector.rules, detector.label_space
    )

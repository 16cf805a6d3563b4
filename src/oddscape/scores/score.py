"""A score: how anomalous each pixel is, from what a network says about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Literal

import torch
from torch import Tensor

from oddscape.errors import OddscapeError
from oddscape.outputs import DenseOutput
from oddscape.scores.parameters import Parameter, with_parameters
from oddscape.scores.postprocessing import PostProcessing

Kind = Literal["outputs alone", "learns from known data", "several passes"]
"""What a score takes: one output; that and statistics of known pictures; the outputs of several passes."""


@dataclass(frozen=True)
class Score:
    """A callable ``DenseOutput → float32 [N, H, W]``; higher = more anomalous.

    Args:
        name: its name in ``odd.SCORES``.
        function: the computation.
        formula: the formula, for people; f are the logits of the K known classes, p their softmax.
        paper: where it comes from: authors, title, venue and year.
        needs: names of the maps of :class:`~oddscape.outputs.NativeMaps` that it reads beside the logits.
        saw_outliers: whether the network that it reads was trained with outlier data.
        per_pixel: whether ``function`` gives a pixel its score from the full-size maps at that pixel alone,
            so that it may be computed band by band.
        reads_evidence: of one that is not, whether it reads the output's ``log_evidence``, which the bands
            then compute for it.
        kind: what it takes.
        works: when it works, a sentence.
        fails: when it fails, a sentence.
        parameters: numbers that change it, keywords of ``function``.
        steps: what is done to the finished map, in order; see :mod:`oddscape.scores.postprocessing`.
    """

    name: str
    function: Callable[..., Tensor]
    formula: str
    paper: str
    needs: tuple[str, ...] = ()
    saw_outliers: bool = False
    per_pixel: bool = True
    reads_evidence: bool = False
    kind: Kind = "outputs alone"
    works: str = ""
    fails: str = ""
    parameters: tuple[Parameter, ...] = ()
    steps: tuple[PostProcessing, ...] = ()

    def missing(self, fields: frozenset[str]) -> tuple[str, ...]:
        """Which of the maps that this score needs are not among ``fields``."""
        return tuple(name for name in self.needs if name not in fields)

    def with_(self, **parameters: float) -> Score:
        """The same score with some parameters fixed, which its name and formula then say.

        ``SCORES["energy"].with_(temperature=2)`` is called ``energy@temperature=2``.

        Raises:
            OddscapeError: a parameter that it does not have, or a value that does not fit.
        """
        return reduce(Score.then, self.steps, with_parameters(self.without_steps(), parameters))

    def then(self, step: PostProcessing) -> Score:
        """The same score with a further step on its finished map, which its name and formula then say.

        ``SCORES["max_logit"].then(POSTPROCESSING["smoothing"])`` is called ``max_logit+smoothing``.
        """
        return replace(
            self,
            name=f"{self.name}+{step.name}",
            formula=f"{self.formula}; then {step.formula}",
            steps=(*self.steps, step),
        )

    def without_steps(self) -> Score:
        """The same score before any step, under the name and formula that it had then."""
        if not self.steps:
            return self
        written = "".join(f"+{step.name}" for step in self.steps)
        done = "".join(f"; then {step.formula}" for step in self.steps)
        name, formula = self.name.removesuffix(written), self.formula.removesuffix(done)
        return replace(self, name=name, formula=formula, steps=())

    def __call__(self, out: DenseOutput) -> Tensor:
        """Score every pixel of N pictures, float32 [N, H, W].

        Raises:
            OddscapeError: the network gives no map that this score needs.
        """
        score = self.before_steps(out)
        return self.after_steps(score, out.logits.argmax(1).to(torch.uint8)) if self.steps else score

    def before_steps(self, out: DenseOutput) -> Tensor:
        """The score map before any step, float32 [N, H, W].

        Raises:
            OddscapeError: the network gives no map that this score needs.
        """
        if missing := self.missing(out.fields):
            raise OddscapeError(
                f"score {self.name!r} needs {', '.join(missing)}, which this network does not give; "
                f"it gives {', '.join(sorted(out.fields))}"
            )
        return self.function(out)

    def after_steps(self, score: Tensor, classes: Tensor) -> Tensor:
        """The map with every step done to it, float32 [N, H, W].

        Args:
            score: of ``before_steps``.
            classes: the largest known class of each pixel, uint8 [N, H, W].
        """
        for step in self.steps:
            score = step.function(score, classes)
        return score

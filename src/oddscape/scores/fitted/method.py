"""A score that learns from known data: what is added up over pictures, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from oddscape.errors import OddscapeError
from oddscape.outputs import DenseOutput
from oddscape.scores.parameters import Parameter
from oddscape.scores.score import Score

Fitted = Callable[[DenseOutput], Tensor]
"""What statistics make: a frozen dataclass of tensors and numbers, called as any score's function is."""


class Statistics(Protocol):
    """Sums over the pixels of known data; those of several processes add up to those of the whole."""

    def update(self, out: DenseOutput, labels: Tensor | None = None) -> None:
        """Add what a network says about N pictures.

        Args:
            out: its output.
            labels: integers [N, H, W] at picture size, train ids, 255 ignored; None: the network's own
                classes, nothing ignored.
        """

    def merge(self, other: Any) -> None:
        """Add what another process has added up with the same network and parameters."""

    def fit(self) -> Fitted:
        """What is learnt from the pixels so far.

        Raises:
            OddscapeError: no pixel was added, or too few.
        """


@dataclass(frozen=True)
class FittedMethod:
    """One way to learn a score from known data.

    Args:
        name: its name in ``FITTED``.
        function: makes empty :class:`Statistics` for networks whose output is like the one given; further
            arguments are the method's parameters.
        fitted: the class of what they make, for reading it from a file.
        formula: the formula, for people; f are the logits of the K known classes, x features.
        paper: where it comes from.
        works: when it works, a sentence.
        fails: when it fails, a sentence.
        needs: names of the native maps that it reads beside the logits.
        per_pixel: as for :class:`~oddscape.scores.Score`.
        reads_evidence: likewise.
        parameters: numbers that change it, keywords of ``function``.
    """

    name: str
    function: Callable[..., Statistics]
    fitted: Callable[..., Fitted]
    formula: str
    paper: str
    works: str
    fails: str
    needs: tuple[str, ...] = ()
    per_pixel: bool = False
    reads_evidence: bool = False
    parameters: tuple[Parameter, ...] = ()

    def score(self, fitted: Fitted | None = None) -> Score:
        """The score that computes what was learnt; None: its description alone, which raises when called."""
        return Score(
            self.name,
            _not_fitted if fitted is None else fitted,
            self.formula,
            self.paper,
            needs=self.needs,
            per_pixel=self.per_pixel,
            reads_evidence=self.reads_evidence,
            kind="learns from known data",
            works=self.works,
            fails=self.fails,
        )


def _not_fitted(_: DenseOutput) -> Tensor:
    raise OddscapeError("this score learns from known data and is not fitted: odd.fit_scores, oddscape fit")


def expect_pixels(count: float) -> None:
    """Raise an ``OddscapeError`` where statistics hold no pixel."""
    if not count:
        raise OddscapeError("nothing to fit a score to: no picture was given, or every pixel is ignored")


def expect_network(out: DenseOutput, num_classes: int, channels: int | None = None) -> None:
    """Raise an ``OddscapeError`` where an output is not of the kind of network that a score is fitted to."""
    given, wanted = _described(out.num_classes, None), _described(num_classes, None)
    if channels is not None and out.native.features is not None:
        given = _described(out.num_classes, out.native.features.shape[1])
        wanted = _described(num_classes, channels)
    if given != wanted:
        raise OddscapeError(f"this score is fitted to a network with {wanted}; this network has {given}")


def _described(num_classes: int, channels: int | None) -> str:
    return f"{num_classes} classes" + (f" and features of {channels} channels" if channels else "")

"""A score: how anomalous each pixel is, from what a network says about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from oddscape.errors import OddscapeError
from oddscape.outputs import DenseOutput


@dataclass(frozen=True)
class Score:
    """A callable ``DenseOutput → float32 [N, H, W]``; higher = more anomalous.

    Args:
        name: its name in ``odd.SCORES``.
        function: the computation.
        formula: the formula, for people.
        paper: where it comes from.
        needs: names of the maps of :class:`~oddscape.outputs.NativeMaps` that it reads beside the logits.
        saw_outliers: whether the network that it reads was trained with outlier data.
        per_pixel: whether a pixel's score follows from the full-size maps at that pixel alone, so that it
            may be computed band by band.
    """

    name: str
    function: Callable[[DenseOutput], Tensor]
    formula: str
    paper: str
    needs: tuple[str, ...] = ()
    saw_outliers: bool = False
    per_pixel: bool = True

    def missing(self, fields: frozenset[str]) -> tuple[str, ...]:
        """Which of the maps that this score needs are not among ``fields``."""
        return tuple(name for name in self.needs if name not in fields)

    def __call__(self, out: DenseOutput) -> Tensor:
        """Score every pixel of N pictures, float32 [N, H, W].

        Raises:
            OddscapeError: the network gives no map that this score needs.
        """
        if missing := self.missing(out.fields):
            raise OddscapeError(
                f"score {self.name!r} needs {', '.join(missing)}, which this network does not give; "
                f"it gives {', '.join(sorted(out.fields))}"
            )
        return self.function(out)

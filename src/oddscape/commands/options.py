"""What several commands take: sizes, networks with their weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from cyclopts import Parameter, Token

from oddscape.errors import OddscapeError
from oddscape.sizes import Size, parse_size

if TYPE_CHECKING:
    from torch import nn


def _size(_hint: Any, tokens: Sequence[Token]) -> Size:
    return parse_size(tokens[0].value)


SizeOption: TypeAlias = Annotated[Size | None, Parameter(converter=_size, n_tokens=1)]
"""A size on the command line: width x height, as in 1024x512."""


@Parameter(name="*")
@dataclass(frozen=True)
class NetworkOptions:
    """Which network, with which weights.

    Parameters
    ----------
    model
        The network's name (see ``oddscape models``); not needed with weights that Oddscape trained.
    num_classes
        Number of known classes; not needed with weights that Oddscape trained.
    void
        The network has one more, trailing output for void.
    weights
        File of weights: .safetensors, or a released .pth.
    threads
        Threads that a CPU computes with; by default torch's own choice.
    """

    model: str | None = None
    num_classes: int | None = None
    void: bool = False
    weights: Path | None = None
    threads: int | None = None

    def load(self) -> tuple[nn.Module, str]:
        """Make the network, load its weights, and return it with its name."""
        import torch

        from oddscape.models import checkpoint_metadata, create_model, load_checkpoint

        if self.threads:
            torch.set_num_threads(self.threads)
        if self.weights is None:
            raise OddscapeError("--weights FILE is needed: a network without trained weights says nothing")
        known = checkpoint_metadata(self.weights)
        name = self.model or known.get("model")
        classes = self.num_classes or int(known.get("num_classes", 0))
        if not name or not classes:
            raise OddscapeError(
                f"{self.weights} does not say which network it is: give --model and --num-classes"
            )
        net = create_model(name, classes, **({"void": True} if self.void else {}))
        load_checkpoint(net, self.weights)
        return net, name

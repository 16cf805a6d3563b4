"""What several commands take: sizes, networks with their weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from cyclopts import Parameter, Token

from oddscape.errors import OddscapeError
from oddscape.sizes import Size, parse_size, size_text

if TYPE_CHECKING:
    import torch
    from torch import nn


def _size(_hint: Any, tokens: Sequence[Token]) -> Size:
    return parse_size(tokens[0].value)


def _shown(size: Size | None) -> str:
    return size_text(size) if size else "none"


SizeOption: TypeAlias = Annotated[
    Size | None, Parameter(converter=_size, n_tokens=1, metavar="WxH", show_default=_shown)
]
"""A size on the command line: width x height, as in 1024x512."""


def reader_option(text: str) -> tuple[str, str]:
    """Take NAME=VALUE, an option of a data set's reader, apart."""
    name, equals, value = text.partition("=")
    if not equals:
        raise OddscapeError(f"--reader {text}: expected NAME=VALUE, as in split=test")
    return name, value


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
    device
        Where the network runs, as in ``cpu`` or ``cuda:1``; by default a GPU where there is one.
    """

    model: str | None = None
    num_classes: int | None = None
    void: bool = False
    weights: Path | None = None
    threads: int | None = None
    device: str | None = None

    def load(self) -> tuple[nn.Module, str]:
        """Make the network, load its weights, and return it with its name."""
        from oddscape.models import checkpoint_metadata, create_model, load_checkpoint

        self.limit_threads()
        if self.weights is None:
            raise OddscapeError("--weights FILE is needed: a network without trained weights says nothing")
        known = checkpoint_metadata(self.weights)
        name = self.model or known.get("model")
        classes = self.num_classes or int(known.get("num_classes", 0))
        if not name or not classes:
            raise OddscapeError(
                f"{self.weights} does not say which network it is: give --model and --num-classes"
            )
        options = json.loads(known.get("model_options", "{}")) if name == known.get("model") else {}
        net = create_model(name, classes, **options | ({"void": True} if self.void else {}))
        load_checkpoint(net, self.weights)
        return net.to(self._device()), name

    def limit_threads(self) -> None:
        """Let a CPU compute with as many threads as asked for, if asked."""
        import torch

        if self.threads:
            torch.set_num_threads(self.threads)

    def _device(self) -> torch.device:
        import torch

        try:
            device = torch.device(self.device or ("cuda" if torch.cuda.is_available() else "cpu"))
            torch.empty(1, device=device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise OddscapeError(f"--device {self.device}: cannot be used here ({reason})") from None
        return device

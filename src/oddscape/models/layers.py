"""Layers of a network by name, and what they give while it runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from difflib import get_close_matches
from typing import Any

from torch import Tensor, nn

from oddscape.errors import OddscapeError

_SHOWN = 5


def layer_named(net: nn.Module, name: str) -> nn.Module:
    """Find a layer by its dotted name, as ``net.named_modules()`` has it.

    Raises:
        OddscapeError: no such layer; the error lists names that end with it or are near it, or else the
            outermost ones.
    """
    # A layer in two places has two names.
    modules: Iterator[tuple[str, nn.Module]] = net.named_modules(remove_duplicate=False)
    layers = {known: layer for known, layer in modules if known}
    if name not in layers:
        near = [known for known in layers if known.endswith(f".{name}")] or get_close_matches(
            name, layers, n=5, cutoff=0.5
        )
        raise OddscapeError(
            f"{type(net).__name__} has no layer {name!r}; it has, among others: "
            f"{', '.join(near[:_SHOWN] or outermost(layers))}"
        )
    return layers[name]


def outermost(layers: Collection[str]) -> list[str]:
    """The outermost layers; where that is one alone, as a wrapped network is, also those in it."""
    names = [name for name in layers if "." not in name]
    inner = [name for name in layers if name.count(".") == 1]
    return names + inner[:_SHOWN] if len(names) == 1 else names


class LayerRecorder:
    """Keeps what one layer gives while its network runs in :meth:`run`, and nothing at other times.

    It is hooked to the layer once, and not anew for each run: compilers trace a hook, but no hooking. A copy
    of a network and its recorder, made together, stands alone.

    Args:
        net: the network.
        name: dotted name of the layer.

    Raises:
        OddscapeError: no such layer.
    """

    def __init__(self, net: nn.Module, name: str) -> None:
        self.name, self.network = name, type(net).__name__
        self.recording = False
        self.given: Any = None
        self.handle = layer_named(net, name).register_forward_hook(self)

    def __call__(self, _layer: nn.Module, _inputs: Any, output: Any) -> None:
        """Take what the layer gives, as its hook."""
        if self.recording:
            self.given = output

    def run(self, net: Callable[..., Any], *inputs: Any) -> tuple[Any, Tensor]:
        """Run the network; what it returns, and the maps [N, C, h, w] that the layer gave last.

        Raises:
            OddscapeError: the layer did not run, or gave something else.
        """
        self.recording = True
        try:
            returned, given = net(*inputs), self.given
        finally:
            self.recording, self.given = False, None
        return returned, self._maps(given)

    def remove(self) -> None:
        """Unhook it from the layer."""
        self.handle.remove()

    def _maps(self, given: Any) -> Tensor:
        layer = f"layer {self.name!r} of {self.network}"
        if given is None:
            raise OddscapeError(f"{layer} does not run when the network does")
        if not isinstance(given, Tensor) or given.ndim != 4:
            what = f"shape {list(given.shape)}" if isinstance(given, Tensor) else type(given).__name__
            raise OddscapeError(f"{layer} gives {what}; expected maps [N, C, h, w]")
        return given

"""Layers of a network by name, and what they give while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

from torch import Tensor, nn

from oddscape.errors import OddscapeError


def layer_named(net: nn.Module, name: str) -> nn.Module:
    """Find a layer by its dotted name, as ``net.named_modules()`` has it.

    Raises:
        OddscapeError: no such layer; the error lists names near it, or else the outermost ones.
    """
    # A layer in two places has two names.
    modules: Iterator[tuple[str, nn.Module]] = net.named_modules(remove_duplicate=False)
    layers = {known: layer for known, layer in modules if known}
    if name not in layers:
        near = get_close_matches(name, layers, n=5, cutoff=0.5) or [
            known for known in layers if "." not in known
        ]
        raise OddscapeError(
            f"{type(net).__name__} has no layer {name!r}; it has, among others: {', '.join(near)}"
        )
    return layers[name]


@contextmanager
def recorded(net: nn.Module, name: str) -> Iterator[list[Any]]:
    """Record what a layer gives, each time that it runs inside the ``with``.

    The layer is hooked for that long alone: a network used elsewhere, too, keeps nothing alive there.
    """
    given: list[Any] = []
    hook = layer_named(net, name).register_forward_hook(lambda _layer, _inputs, output: given.append(output))
    try:
        yield given
    finally:
        hook.remove()


def recorded_maps(given: list[Any], net: nn.Module, name: str) -> Tensor:
    """The maps [N, C, h, w] that a recorded layer gave last.

    Raises:
        OddscapeError: the layer did not run, or gave something else.
    """
    if not given:
        raise OddscapeError(f"layer {name!r} of {type(net).__name__} does not run when the network does")
    maps = given[-1]
    if not isinstance(maps, Tensor) or maps.ndim != 4:
        what = f"shape {list(maps.shape)}" if isinstance(maps, Tensor) else type(maps).__name__
        raise OddscapeError(
            f"layer {name!r} of {type(net).__name__} gives {what}; expected maps [N, C, h, w]"
        )
    return maps

"""ReAct (Sun, Guo, Li, NeurIPS 2021): activations clipped from above before the classifier reads them."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from oddscape.data import resize_image
from oddscape.data.tensors import to_tensor
from oddscape.errors import OddscapeError
from oddscape.models.layers import layer_named
from oddscape.models.probing import probe
from oddscape.outputs import DenseOutput
from oddscape.sizes import InferenceSize, seen_size
from oddscape.wrappers.activation_histogram import activation_histogram, no_activations, percentile_of

Side = Literal["input", "output"]
"""Which activations of a layer: those that it reads, or those that it gives."""


class ReAct(nn.Module):
    """A network some of whose activations are clipped from above; made by :func:`react`.

    Its weights are those of the network, beginning with ``net.``.

    Args:
        net: maps pictures [N, 3, H, W] in [0, 1] to a ``DenseOutput``.
        on: dotted name of the layer.
        at: the largest activation that is left.
        side: which of its activations.
    """

    def __init__(self, net: nn.Module, on: str, at: float, side: Side) -> None:
        super().__init__()
        if not math.isfinite(at):
            raise OddscapeError(f"ReAct clips activations at {at}; expected a finite number (odd.fit_react)")
        self.num_classes = probe(net).num_classes
        self.net, self.on, self.at, self.side = net, on, at, side
        self.training = net.training
        self.tap = _Tap(on, side, partial(torch.clamp, max=at))
        # It stays on the layer, idle, as long as this module lives: compilers trace a hook, but no hooking.
        weakref.finalize(self, self.tap.attach(net).remove)

    @property
    def in_words(self) -> str:
        """What is done, for the record of a run."""
        return f"ReAct, {self.side} of {self.on} clipped at {self.at:g}"

    def forward(self, image: Tensor) -> DenseOutput:
        """Segment pictures float [N, 3, H, W] in [0, 1]."""
        out: DenseOutput = self.tap.run(self.net, image)
        return out


def react(net: nn.Module, on: str, at: float, *, side: Side = "input") -> ReAct:
    """Clip what a layer of a network reads from above, h ← min(h, c); by name, the classifier as published.

    Any score then works on the output, ``energy`` as published. Anomalies often excite a few units far more
    than known content does; without their share, their scores come apart from those of known pixels. It
    works where that is so, and hardly changes a score where activations are bounded anyway.

    The clipping is at work only while the wrapped network runs: the network, which is shared, not copied,
    says by itself what it said before. Compile or export the wrapped network, not the one inside.

    Sun, Guo, Li: ReAct: Out-of-distribution Detection With Rectified Activations, NeurIPS 2021.

    Args:
        net: maps pictures [N, 3, H, W] in [0, 1] to a ``DenseOutput``.
        on: dotted name of the layer, as ``net.named_modules()`` has it.
        at: the threshold c, as from :func:`fit_react`.
        side: ``"input"`` clips the first thing that the layer reads, ``"output"`` what it gives; either must
            be one tensor.

    Raises:
        OddscapeError: no such layer or side, a threshold that is not finite, or no ``DenseOutput``; when it
            runs, a layer that does not run or has no such tensor.
    """
    return ReAct(net, on, at, side)


def fit_react(
    net: nn.Module,
    pictures: Iterable[NDArray[np.uint8]],
    on: str,
    *,
    percentile: float = 90.0,
    side: Side = "input",
    size: InferenceSize | None = None,
) -> float:
    """The threshold for :func:`react`: a percentile of a layer's activations on known data.

    Args:
        net: the network to be wrapped; it is put into evaluation mode.
        pictures: uint8 [H, W, 3] each, of known content; taken one after the other.
        on: dotted name of the layer.
        percentile: above 0, up to 100; 90 as published. Every value counts, whatever its channel and place.
        side: whether the layer's input or output is clipped.
        size: (H, W) at which the network sees the pictures, or the shorter side of each; None: their own.

    Returns:
        The threshold c, off by at most 1/2048 of it.

    Raises:
        OddscapeError: no picture, a percentile out of range, or a layer as in :func:`react`.
    """
    if not 0 < percentile <= 100:
        raise OddscapeError(f"percentile {percentile:g} of the activations: expected above 0, up to 100")
    histogram = count_activations(net, pictures, on, side=side, size=size)
    if not histogram.any():
        raise OddscapeError("no picture to fit ReAct's threshold on: expected one or more")
    return percentile_of(histogram, percentile)


@torch.inference_mode()
def count_activations(
    net: nn.Module,
    pictures: Iterable[NDArray[np.uint8]],
    on: str,
    *,
    side: Side = "input",
    size: InferenceSize | None = None,
) -> Tensor:
    """Count a layer's activations on pictures, as :func:`fit_react` does, in 4 MB however many there are.

    Histograms of parts of the data, from one process or many, are summed; then
    :func:`~oddscape.wrappers.activation_histogram.percentile_of` gives the threshold.

    Args:
        net: the network to be wrapped; it is put into evaluation mode.
        pictures: uint8 [H, W, 3] each, of known content; taken one after the other.
        on: dotted name of the layer.
        side: whether the layer's input or output is counted.
        size: (H, W) at which the network sees the pictures, or the shorter side of each; None: their own.

    Returns:
        int64 [524,288].

    Raises:
        OddscapeError: a layer as in :func:`react`.
    """
    device = next(net.eval().parameters()).device
    histogram = no_activations(device)

    def count(activations: Tensor) -> Tensor:
        histogram.add_(activation_histogram(activations))
        return activations

    tap = _Tap(on, side, count)
    handle = tap.attach(net)
    try:
        for picture in pictures:
            seen = resize_image(picture, seen_size((picture.shape[0], picture.shape[1]), size))
            tap.run(net, to_tensor(seen).to(device))
    finally:
        handle.remove()
    return histogram


class _Tap:
    """A hook that puts what a layer reads or gives through a function, only while it runs the network."""

    def __init__(self, on: str, side: Side, function: Callable[[Tensor], Tensor]) -> None:
        if side not in get_args(Side):
            raise OddscapeError(f"unknown side {side!r} of a layer; known: {', '.join(get_args(Side))}")
        self.on, self.side, self.function = on, side, function
        self.is_open = self.was_used = False

    def attach(self, net: nn.Module) -> RemovableHandle:
        layer = layer_named(net, self.on)
        if self.side == "input":
            return layer.register_forward_pre_hook(self._on_input)
        return layer.register_forward_hook(self._on_output)

    def run(self, net: nn.Module, image: Tensor) -> Any:
        self.is_open, self.was_used = True, False
        try:
            returned = net(image)
        finally:
            self.is_open = False
        if not self.was_used:
            raise OddscapeError(
                f"layer {self.on!r} of {type(net).__name__} does not run when the network does "
                f"(a network compiled before is not seen into: wrap first, then compile)"
            )
        return returned

    def _on_input(self, _layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if not self.is_open:
            return None
        return (self._applied(inputs[0] if inputs else None), *inputs[1:])

    def _on_output(self, _layer: nn.Module, _inputs: Any, output: Any) -> Tensor | None:
        return self._applied(output) if self.is_open else None

    def _applied(self, activations: Any) -> Tensor:
        if not isinstance(activations, Tensor):
            raise OddscapeError(
                f"the {self.side} of layer {self.on!r} is {type(activations).__name__}; expected a tensor"
            )
        self.was_used = True
        return self.function(activations)

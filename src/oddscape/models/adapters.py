"""Networks of any origin as networks of this library: whatever they return becomes a ``DenseOutput``."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from oddscape.errors import OddscapeError
from oddscape.models.layers import LayerRecorder
from oddscape.models.padding import cut_padding, pad_to_multiple
from oddscape.outputs import DenseOutput, NativeMaps

LogitsIn = str | int | Callable[[Any], Tensor]
"""Where logits are in what a network returns: a key or attribute, a position, or a function of it."""

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of each colour channel of ImageNet, by which most networks normalise."""

_USUAL_KEYS = ("logits", "out")  # transformers, torchvision


class WrappedNetwork(nn.Module):
    """A network of any origin whose output is a ``DenseOutput``; made by :func:`wrap`.

    Its weights are those of the network, beginning with ``net.``.

    Args:
        net: the network.
        logits: where logits are in what it returns.
        features: name of the layer whose maps are the output's features.
        normalise: mean and standard deviation of each colour channel.
        known: the outputs that are the known classes, in order; None: all but ``void``.
        void: the output that stands for "none of these".
        align_corners: how its maps are upsampled bilinearly.
        multiple: what both sides of its pictures must be multiples of.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        net: nn.Module,
        *,
        logits: LogitsIn | None,
        features: str | None,
        normalise: tuple[Sequence[float], Sequence[float]] | None,
        known: Sequence[int] | None,
        void: int | None,
        align_corners: bool,
        multiple: int,
    ) -> None:
        super().__init__()
        self.net, self.where, self.multiple = net, logits, multiple
        self.known, self.void, self.align_corners = known, void, align_corners
        self.recorder = None if features is None else LayerRecorder(net, features)
        if self.recorder is not None:
            weakref.finalize(self, self.recorder.remove)
        mean, std = channel_statistics(*(normalise or ((0.0,) * 3, (1.0,) * 3)))
        like = next(net.parameters(), mean)  # the network may be on a GPU, or in half precision, already
        self.register_buffer("mean", mean.to(like), persistent=False)
        self.register_buffer("std", std.to(like), persistent=False)

    @property
    def num_classes(self) -> int | None:
        """Number of known classes, K; None where :func:`wrap` was told neither it nor what to keep."""
        return None if self.known is None else len(self.known)

    def forward(self, image: Tensor) -> DenseOutput:
        """Segment pictures float [N, 3, H, W] in [0, 1]."""
        size = (image.shape[-2], image.shape[-1])
        seen = (image - self.mean) / self.std
        if self.multiple > 1:
            seen = pad_to_multiple(seen, self.multiple)
        returned, features = self._run(seen)
        logits = self._logits_in(returned)
        if self.multiple > 1:
            logits = cut_padding(logits, size, seen)
            features = None if features is None else cut_padding(features, size, seen)
        known, void = self._split(logits)
        return DenseOutput(NativeMaps(known, void_logits=void, features=features), size, self.align_corners)

    def _run(self, image: Tensor) -> tuple[Any, Tensor | None]:
        return (self.net(image), None) if self.recorder is None else self.recorder.run(self.net, image)

    def _logits_in(self, returned: Any) -> Tensor:
        logits = _pick(returned, self.where)
        if not isinstance(logits, Tensor) or logits.ndim != 4:
            raise OddscapeError(
                f"{_name(self.net)} gives {_described(returned)}, in which no logits [N, K, h, w] are found; "
                f"say where: wrap(…, logits=key, position or function)"
            )
        return logits

    def _split(self, logits: Tensor) -> tuple[Tensor, Tensor | None]:
        outputs = logits.shape[1]
        known = [i for i in range(outputs) if i != self.void] if self.known is None else list(self.known)
        void = [] if self.void is None else [self.void]
        if not known or max(known + void) >= outputs:
            raise OddscapeError(
                f"{_name(self.net)} has {outputs} outputs, 0 … {outputs - 1}; known classes are to be "
                f"{known}, void {self.void}"
            )
        chosen = logits if known == list(range(outputs)) else logits[:, known]
        return chosen, logits[:, void] if void else None


def wrap(
    net: nn.Module | Callable[[Tensor], Any],
    *,
    logits: LogitsIn | None = None,
    features: str | None = None,
    normalise: tuple[Sequence[float], Sequence[float]] | None = None,
    num_classes: int | None = None,
    keep: Sequence[int] | None = None,
    void: int | None = None,
    align_corners: bool = False,
    multiple: int = 1,
) -> WrappedNetwork:
    """Make any network that maps pictures to logits one that every score, metric and command works on.

    Args:
        net: a module or function from pictures [N, 3, H, W] to logits [N, K, h, w] at any resolution; or to a
            mapping, sequence or object that holds them.
        logits: where they are: a key or attribute, a position, or a function of what the network returns.
            None: the tensor itself, the entry ``"logits"`` or ``"out"``, or the first of a sequence. Of a
            network that returns probabilities, ``torch.log`` makes logits.
        features: dotted name of the layer whose maps [N, C, h, w] are the output's ``features``, such as the
            one that the classifier reads; what a following layer does to them in place is done before.
        normalise: mean and standard deviation of each colour channel, R, G, B in [0, 1], that the network
            wants subtracted and divided by. None: it takes pictures in [0, 1]. One that takes 0 … 255 wants
            both divided by 255.
        num_classes: the first so many outputs beside ``void`` are the known classes. None: all of them.
        keep: which outputs are the known classes, in order, where they are not the first ones.
        void: the output that stands for "none of these".
        align_corners: how the network's maps are upsampled bilinearly.
        multiple: both sides of the network's pictures must be multiples of this: others are padded on the
            right and at the bottom with the colour of their border, and what the maps say there is cut off.

    Raises:
        OddscapeError: neither a module nor a function; both ``num_classes`` and ``keep``, no class at all, an
            output that is named twice, no layer of the features' name, or no mean and deviation of three
            channels in [0, 1]. When the network runs: no logits where they are looked for,
            outputs that are not there, or a layer that gives no maps.
    """
    if not callable(net):
        raise OddscapeError(
            f"wrap was given {type(net).__name__}; expected a network: a module, or a function of pictures"
        )
    return WrappedNetwork(
        net if isinstance(net, nn.Module) else _Function(net),
        logits=logits,
        features=features,
        normalise=normalise,
        known=_known(num_classes, keep, void),
        void=void,
        align_corners=align_corners,
        multiple=multiple,
    )


def channel_statistics(mean: Sequence[float], std: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each colour channel as float32 [3, 1, 1].

    Raises:
        OddscapeError: other than three numbers each, a mean outside [0, 1], or a deviation that is not above
            0.
    """
    if not (len(mean) == len(std) == 3 and all(0 <= m <= 1 for m in mean) and all(s > 0 for s in std)):
        raise OddscapeError(
            f"normalise by mean {mean} and deviation {std}: expected three numbers each, R, G, B of pictures "
            f"in [0, 1], deviations above 0; divide those for 0 … 255 by 255"
        )
    return _per_channel(mean), _per_channel(std)


def _per_channel(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).view(3, 1, 1)


def _known(num_classes: int | None, keep: Sequence[int] | None, void: int | None) -> tuple[int, ...] | None:
    """The outputs that are known classes, None for all but void."""
    if num_classes is not None and keep is not None:
        raise OddscapeError("wrap takes num_classes or keep, not both")
    if num_classes is not None:
        keep = [index for index in range(num_classes + 1) if index != void][: max(num_classes, 0)]
    outputs = [*(keep or ()), *([] if void is None else [void])]
    if (keep is not None and not keep) or len(set(outputs)) < len(outputs) or min(outputs, default=0) < 0:
        given = f"num_classes {num_classes}" if num_classes is not None else f"keep {keep}"
        raise OddscapeError(
            f"wrap was given {given} and void {void}; expected one known class or more, and each output "
            f"once, by its number from 0 on"
        )
    return None if keep is None else tuple(keep)


class _Function(nn.Module):
    """A function as a module, with an empty parameter that says on which device."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function
        self.place = nn.Parameter(torch.empty(0), requires_grad=False)

    def forward(self, image: Tensor) -> Any:
        return self.function(image)


def _pick(returned: Any, where: LogitsIn | None) -> Any:
    if where is None:
        return _usual(returned)
    if callable(where):
        return where(returned)
    if isinstance(where, str) and not isinstance(returned, Mapping):
        return getattr(returned, where, None)
    try:
        return returned[where]
    except (LookupError, TypeError):
        return None


def _usual(returned: Any) -> Any:
    if isinstance(returned, Mapping):
        return next((returned[key] for key in _USUAL_KEYS if key in returned), None)
    if isinstance(returned, Sequence):
        return returned[0] if returned else None
    return returned if isinstance(returned, Tensor) else getattr(returned, "logits", None)


def _described(returned: Any) -> str:
    kind = type(returned).__name__
    if isinstance(returned, Tensor):
        return f"{kind} {list(returned.shape)}"
    if isinstance(returned, Mapping):
        return f"{kind} of {', '.join(map(str, returned))}"
    return f"{kind} of {len(returned)}" if isinstance(returned, Sequence) else kind


def _name(net: nn.Module) -> str:
    return getattr(net.function, "__name__", "function") if isinstance(net, _Function) else type(net).__name__

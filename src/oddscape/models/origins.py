"""Networks of other libraries, and of the user's own files, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

from torch import nn

from oddscape.errors import OddscapeError
from oddscape.models.outlier_head import with_outlier_head
from oddscape.models.own_file import is_own_file, own_network
from oddscape.models.smp_networks import smp_network
from oddscape.models.timm_ladder import TimmLadder
from oddscape.models.torchvision_networks import torchvision_network
from oddscape.models.transformers_networks import transformers_network

ORIGINS: dict[str, Callable[..., nn.Module]] = {
    "timm": TimmLadder,
    "torchvision": torchvision_network,
    "smp": smp_network,
    "transformers": transformers_network,
}
"""What makes a network of another library from its name there and the number of known classes, by origin."""

_KNOW_THEIR_CLASSES = frozenset({"transformers"})


def network_of(name: str, num_classes: int | None, **options: Any) -> nn.Module:
    """Make a network of another library, or of the user's own file.

    Args:
        name: ``"ORIGIN:NAME"`` with an origin in ``ORIGINS``, or ``"FILE.py:FUNCTION"``.
        num_classes: number of known classes, K; not needed where the origin or the file knows it.
        **options: what the network's origin takes beside; and ``outlier_head=True``, which attaches
            DenseHybrid's outlier head to the network's features.

    Raises:
        OddscapeError: an unknown origin, name or option, a package that is missing or does not load, a
            missing number of classes, or an outlier head for a network that gives no features.
    """
    make = _maker(name, num_classes)
    has_own_head = "outlier_head" in signature(make).parameters
    attach_head = not has_own_head and options.pop("outlier_head", False)
    try:
        signature(make).bind(num_classes, **options)
    except TypeError as error:
        raise OddscapeError(f"model {name!r} does not take these options: {error}") from None
    net = make(num_classes, **options)
    return with_outlier_head(net) if attach_head else net


def _maker(name: str, num_classes: int | None) -> Callable[..., nn.Module]:
    """What makes the network from the number of its classes and options."""
    origin, _, rest = name.partition(":")
    if origin not in ORIGINS and is_own_file(name):
        return partial(own_network, name)
    if origin not in ORIGINS:
        known = ", ".join(ORIGINS)
        raise OddscapeError(
            f"unknown origin {origin!r} of model {name!r}; known: {known}, and FILE.py:FUNCTION"
        )
    if num_classes is None and origin not in _KNOW_THEIR_CLASSES:
        raise OddscapeError(f"model {name!r} needs num_classes, the number of known classes")
    return partial(ORIGINS[origin], rest)

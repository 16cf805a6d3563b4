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
from oddscape.models.probing import probe
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
        **options: what the network's origin and :func:`made_with_head` take beside.

    Raises:
        OddscapeError: an unknown origin, name or option, a package that is missing or does not load, a
            missing number of classes, or an outlier head for a network that gives no features.
    """
    return made_with_head(name, _maker(name, num_classes), num_classes, **options)


def made_with_head(
    name: str, make: Callable[..., nn.Module], num_classes: int | None, **options: Any
) -> nn.Module:
    """Make a network, with DenseHybrid's outlier head where that is asked for.

    Args:
        name: what errors call the network.
        make: makes it from the number of known classes and options.
        num_classes: number of known classes, K.
        **options: what ``make`` takes. Where ``outlier_head`` is not among that, ``outlier_head=True``
            attaches a head to a network that gives no ``outlier_logits`` itself; to its features, or to the
            layer ``outlier_head_on``.

    Raises:
        OddscapeError: an option that ``make`` does not take, or no features and no layer of that name.
    """
    has_own_head = "outlier_head" in signature(make).parameters
    layer = None if has_own_head else options.pop("outlier_head_on", None)
    attach_head = not has_own_head and options.pop("outlier_head", layer is not None)
    try:
        signature(make).bind(num_classes, **options)
    except TypeError as error:
        raise OddscapeError(f"model {name!r} does not take these options: {error}") from None
    net = make(num_classes, **options)
    if not attach_head or (layer is None and "outlier_logits" in probe(net).fields):
        return net
    return with_outlier_head(net) if layer is None else with_outlier_head(net, layer)


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

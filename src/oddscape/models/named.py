"""The name and options that a network was made by, kept with it, so that it can be made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import nn

from oddscape.models.layouts import shapes_of

Network = TypeVar("Network", bound=nn.Module)

_KEPT_AS = "made_by_name"


@dataclass(frozen=True)
class MadeByName:
    """What ``create_model`` was told.

    Args:
        model: the network's name.
        num_classes: number of known classes, K; None where the network brought its own.
        options: of the network.
        shapes: of its weights, by name, as they were then.
    """

    model: str
    num_classes: int | None
    options: Mapping[str, Any]
    shapes: Mapping[str, tuple[int, ...]]


def named(net: Network, model: str, num_classes: int | None, options: Mapping[str, Any]) -> Network:
    """Keep with a network what it was made by; its weights know nothing of it."""
    vars(net)[_KEPT_AS] = MadeByName(model, num_classes, dict(options), shapes_of(net.state_dict()))
    return net


def made_by_name(net: nn.Module) -> MadeByName | None:
    """What a network was made by.

    None of one that ``create_model`` did not make, or some weight of which has had another name or shape
    since, as after its classifier was replaced or its batch norms were folded.
    """
    made = vars(net).get(_KEPT_AS)
    return made if made is not None and made.shapes == shapes_of(net.state_dict()) else None

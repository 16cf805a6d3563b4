"""How a network was made, as JSON has it: by which name, and what is around it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from torch import nn

from oddscape.errors import OddscapeError
from oddscape.models import create_model
from oddscape.models.named import made_by_name
from oddscape.models.own_file import is_own_file
from oddscape.wrappers.ensemble import Ensemble
from oddscape.wrappers.mc_dropout import MCDropout
from oddscape.wrappers.multi_scale import MultiScaleFlip
from oddscape.wrappers.odin import ODIN
from oddscape.wrappers.react import ReAct
from oddscape.wrappers.windows import SlidingWindows

Description = Mapping[str, Any]
"""``{"model": …, "num_classes": …, "model_options": …}``, ``{}`` of a network of the user's own, or
``{"wrapper": …, "options": …, "nets": [Description, …]}``."""

_BY_NAME = ("model", "num_classes", "model_options")
_ENSEMBLE = "ensemble"
# Each keeps what it was made with under the argument's name.
_AROUND_ONE: dict[str, tuple[type[nn.Module], tuple[str, ...]]] = {
    "windows": (SlidingWindows, ("window", "overlap", "stride", "batch_size")),
    "scales": (MultiScaleFlip, ("scales", "flip")),
    "mc_dropout": (MCDropout, ("passes", "seed")),
    "odin": (ODIN, ("epsilon", "temperature")),
    "react": (ReAct, ("on", "at", "side")),
}


def described(net: nn.Module) -> dict[str, Any]:
    """Describe a network and the wrappers of this library around it.

    Raises:
        OddscapeError: an ensemble with a network that ``create_model`` did not make: of those, no more than
            one could be given again.
    """
    if type(net) is Ensemble:
        members = [described(member) for member in net.nets]
        if any(map(needs_own_network, members)):
            raise OddscapeError(
                "an ensemble cannot be described with networks that odd.create_model did not make by name"
            )
        return {"wrapper": _ENSEMBLE, "options": {}, "nets": members}
    for wrapper, (kind, arguments) in _AROUND_ONE.items():
        if type(net) is kind:
            options = {name: getattr(net, name) for name in arguments}
            return {"wrapper": wrapper, "options": options, "nets": [described(net.get_submodule("net"))]}
    return _described_by_name(net)


def made_again(description: Description, own: nn.Module | None = None) -> nn.Module:
    """Make a network as one was made that is described, with random weights.

    Args:
        description: of :func:`described`.
        own: the user's own network, which takes the place of the one below all wrappers.

    Raises:
        OddscapeError: an unknown wrapper, or what ``create_model`` raises.
    """
    if "wrapper" not in description:
        if own is not None:
            return own
        model, num_classes, options = (description[key] for key in _BY_NAME)
        return create_model(model, num_classes, **options)
    wrapper = description["wrapper"]
    if wrapper == _ENSEMBLE and own is not None:
        raise OddscapeError("an ensemble's networks are made by name: no network can take their place")
    nets = [made_again(inner, own) for inner in description["nets"]]
    if wrapper == _ENSEMBLE:
        return Ensemble(nets)
    if wrapper not in _AROUND_ONE:
        raise OddscapeError(f"unknown wrapper {wrapper!r}; known: {', '.join((*_AROUND_ONE, _ENSEMBLE))}")
    kind, _ = _AROUND_ONE[wrapper]
    options = {name: tuple(x) if isinstance(x, list) else x for name, x in description["options"].items()}
    return kind(nets[0], **options)


def needs_own_network(description: Description) -> bool:
    """Whether a network can only be made again from one of the user's own.

    So it is where it had no name, and where its name is that of a file, whose code nobody asked for.
    """
    if "wrapper" in description:
        return any(map(needs_own_network, description["nets"]))
    return not description or is_own_file(description["model"])


def _described_by_name(net: nn.Module) -> dict[str, Any]:
    made = made_by_name(net)
    if made is None:
        return {}
    try:
        options = json.loads(json.dumps(made.options))
    except TypeError:  # an option that is no number or text, as only a program gives it
        return {}
    return dict(zip(_BY_NAME, (made.model, made.num_classes, options), strict=True))

"""Networks that a function in the user's own file makes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from inspect import Parameter, isfunction, signature
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from oddscape.errors import OddscapeError
from oddscape.models.adapters import wrap
from oddscape.models.probing import answer_to_grey
from oddscape.outputs import DenseOutput


def is_own_file(name: str) -> bool:
    """Whether a network's name is ``"FILE.py:FUNCTION"``, so that making it runs what the file says."""
    return name.rpartition(":")[0].endswith(".py")


def own_network(name: str, num_classes: int | None = None, **options: Any) -> nn.Module:
    """Make the network that a function in a file makes, wrapped unless it gives a ``DenseOutput``.

    The file is run as any Python program is; what it raises is not caught.

    Args:
        name: ``"FILE.py:FUNCTION"``. The function returns a module, or a function, from pictures
            [N, 3, H, W] in [0, 1] to logits, or to what :func:`~oddscape.models.adapters.wrap` finds them in.
        num_classes: number of known classes, K, given to the function if it has such an argument.
        **options: further arguments of the function.

    Raises:
        OddscapeError: no such file or function; arguments that it does not take or that are missing; a
            function that returns neither a module nor a function.
    """
    file, _, function = name.rpartition(":")
    make = _function(_run(Path(file)), function, file)
    accepted = signature(make).parameters
    open_ended = any(parameter.kind is Parameter.VAR_KEYWORD for parameter in accepted.values())
    if num_classes is not None and ("num_classes" in accepted or open_ended):
        options["num_classes"] = num_classes
    try:
        signature(make).bind(**options)
    except TypeError as error:
        raise OddscapeError(f"{name}: {error}; given: {', '.join(options) or 'nothing'}") from None
    return _speaking_ours(make(**options), num_classes, name)


def _run(file: Path) -> ModuleType:
    """Run a file as a module; what lies beside it can be imported from it, as from a program."""
    if not file.is_file():
        raise OddscapeError(f"no file {file}")
    folder = str(file.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = spec_from_file_location(f"{file.stem} of {folder}", file)
    assert spec is not None
    assert spec.loader is not None
    # Dataclasses and pickles look for their module there.
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _function(module: ModuleType, name: str, file: str) -> Callable[..., Any]:
    made = getattr(module, name, None)
    if not callable(made):
        own = [key for key, it in vars(module).items() if isfunction(it) and it.__module__ == module.__name__]
        raise OddscapeError(f"{file} has no function {name!r}; it has: {', '.join(own) or 'none'}")
    found: Callable[..., Any] = made
    return found


def _speaking_ours(net: Any, num_classes: int | None, name: str) -> nn.Module:
    if not callable(net):
        raise OddscapeError(
            f"{name} returns {type(net).__name__}; expected a network: a module or a function"
        )
    if not isinstance(net, nn.Module):
        return wrap(net, num_classes=num_classes)
    ours = isinstance(answer_to_grey(net), DenseOutput)
    return net if ours else wrap(net, num_classes=num_classes)

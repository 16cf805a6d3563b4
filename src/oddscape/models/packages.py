"""Packages that Oddscape works without, imported where they are asked for."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from oddscape.errors import OddscapeError
from oddscape.installation import torchvision_misfit, torchvision_remedy


def load_package(name: str, extra: str) -> ModuleType:
    """Import a package that one of Oddscape's extras installs.

    Args:
        name: the package or a module of it, as in ``"torchvision.models"``.
        extra: the extra of Oddscape that installs it.

    Raises:
        OddscapeError: it is not installed, or does not load, such as a torchvision built for another torch.
    """
    package = name.partition(".")[0]
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise OddscapeError(
            f"{package} needs {error.name}, which is not installed: pip install 'oddscape[{extra}]'"
            if error.name != package
            else f"{package} is not installed: pip install 'oddscape[{extra}]'"
        ) from None
    except (ImportError, RuntimeError, OSError) as error:
        raise OddscapeError(does_not_load(package, error)) from None


def does_not_load(package: str, error: Exception | str) -> str:
    """Say in a line why an installed package does not load, and what helps where that is known."""
    reason = str(error).partition("\n")[0]
    if "torchvision" not in f"{package} {reason}":
        return f"{package} does not load: {reason}"
    needed = "" if package == "torchvision" else f"{package} needs torchvision, and "
    return f"{needed}{torchvision_misfit(reason)}: {torchvision_remedy()}"

"""The packages installed here, and pip's commands that put them right and leave torch's build as it is."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from packaging.requirements import Requirement

_INDEX = "https://download.pytorch.org/whl"


def installed_version(package: str) -> str | None:
    """The version of an installed package; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def pip_command(*arguments: str) -> str:
    """A command of this Python's own pip, as it is typed into a shell."""
    return shlex.join([sys.executable, "-m", "pip", *arguments])


def install_command(packages: Sequence[str]) -> str:
    """The command that installs packages and leaves this build of torch as it is."""
    torch = None if "torch" in {Requirement(package).name for package in packages} else _torch()
    build = torch.partition("+")[2] if torch else ""
    kept = [f"torch=={torch}"] if torch else []
    index = ["--extra-index-url", f"{_INDEX}/{build}"] if build else []
    return pip_command("install", *packages, *kept, *index)


def torchvision_misfit(reason: str) -> str:
    """What is wrong with a torchvision that is installed and fails to load for this reason."""
    return (
        f"torchvision {installed_version('torchvision')} does not load beside torch {_torch()}, "
        f"so it is built for another ({reason})"
    )


def torchvision_remedy() -> str:
    """The command that puts a torchvision for this torch in the place of one that was built for another."""
    # Taken away first: pip leaves alone what is installed, and forced, it would fetch torch again, too.
    return f"{pip_command('uninstall', '-y', 'torchvision')} && {install_command(['torchvision'])}"


def _torch() -> str | None:
    return installed_version("torch")

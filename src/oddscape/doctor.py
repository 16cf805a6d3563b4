"""Looking at an installation: what is here, what is missing, and the command that puts it right."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import requires

from packaging.requirements import Requirement

from oddscape.installation import (
    install_command,
    installed_version,
    pip_command,
    torchvision_misfit,
    torchvision_remedy,
)
from oddscape.version import __version__
from oddscape.weights import shipped


@dataclass(frozen=True)
class Fact:
    """One thing found.

    Args:
        what: what was looked at.
        found: what was found, in a line.
        remedy: the command that puts it right; empty where nothing is wrong or missing.
        needed: whether Oddscape does not work without the remedy.
    """

    what: str
    found: str
    remedy: str = ""
    needed: bool = False


def examine() -> list[Fact]:
    """Look at this installation: Oddscape and its weights, Python, torch, torchvision, packages, extras."""
    return [
        Fact("oddscape", __version__),
        _shipped(),
        Fact("python", f"{platform.python_version()} ({sys.executable})"),
        Fact("machine", f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"),
        *_torch(),
        *_torchvision(),
        *_packages(),
    ]


def _shipped() -> Fact:
    """Whether predict has a detector without being given one."""
    if not shipped.is_there():
        return Fact("shipped weights", f"{shipped.SHIPPED} is missing: predict needs --weights or --detector")
    megabytes = shipped.shipped_file().stat().st_size / 1e6
    return Fact("shipped weights", f"{shipped.SHIPPED}, {megabytes:.1f} MB")


def _torch() -> list[Fact]:
    """Which build of torch this is, and what it can compute on."""
    try:
        import torch
    except (ImportError, OSError) as error:
        reason = str(error).splitlines()[0]
        return [Fact("torch", f"does not load: {reason}", install_command(["torch"]), needed=True)]
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "ROCm" if torch.version.hip else "CPU"
    facts = [Fact("torch", f"{torch.__version__}, built for {build}")]
    if torch.cuda.is_available():
        cards = (torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count()))
        facts += [
            Fact(f"cuda:{index}", f"{card.name}, {card.total_memory / 2**30:.1f} GiB")
            for index, card in enumerate(cards)
        ]
    elif shutil.which("nvidia-smi"):
        # The registry's own build for Linux is for CUDA.
        public = torch.__version__.partition("+")[0]
        remedy = "" if torch.version.cuda else pip_command("install", "--force-reinstall", f"torch=={public}")
        facts.append(Fact("cuda", "a driver is here, but torch cannot use it", remedy))
    if torch.backends.mps.is_available():
        facts.append(Fact("mps", "Apple's GPU"))
    return [*facts, Fact("cpu", f"{torch.get_num_threads()} threads")]


def _torchvision() -> list[Fact]:
    """Whether torchvision, which timm builds on, fits this torch: a build for another one does not load."""
    have = installed_version("torchvision")
    if have is None:
        return []
    try:
        import torchvision  # noqa: F401
    except (ImportError, OSError, RuntimeError) as error:
        misfit = torchvision_misfit(str(error).splitlines()[0])
        return [Fact("torchvision", misfit, torchvision_remedy())]
    return [Fact("torchvision", have)]


def _packages() -> list[Fact]:
    """Dependencies, then extras, each with what is missing of it."""
    asked = [Requirement(line) for line in requires("oddscape") or ()]
    own = [need for need in asked if need.marker is None or need.marker.evaluate({"extra": ""})]
    facts = [_group("dependencies", own, needed=True)]
    for extra in sorted({_extra(need) for need in asked} - {""}):
        members = [need for need in asked if _extra(need) == extra and need.name != "oddscape"]
        if members:
            facts.append(_group(f"extra {extra}", members))
    return facts


def _extra(need: Requirement) -> str:
    """The extra that a requirement belongs to, empty for none."""
    _, is_extra, name = str(need.marker or "").partition('extra == "')
    return name.partition('"')[0] if is_extra else ""


def _group(what: str, needs: Iterable[Requirement], *, needed: bool = False) -> Fact:
    there, lacking = [], []
    for need in needs:
        have = installed_version(need.name)
        if have is None or not need.specifier.contains(have, prereleases=True):
            lacking.append(f"{need.name}{need.specifier}")
            there.append(f"{need.name} {have or 'missing'}, needs {need.specifier}")
        else:
            there.append(f"{need.name} {have}")
    return Fact(what, "; ".join(there), install_command(lacking) if lacking else "", needed and bool(lacking))

"""What a figure was computed with: versions and machine, kept beside every result."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import version

from oddscape.version import __version__


def environment() -> dict[str, str]:
    """Versions of what changes figures, the kind of machine, and the time (UTC, ISO 8601)."""
    packages = {name: version(name) for name in ("torch", "numpy", "pillow")}
    return {
        "oddscape": __version__,
        **packages,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }

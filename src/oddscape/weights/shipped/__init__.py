"""The detector that comes with Oddscape: a file as ``odd.Detector.save`` writes it, and its model card."""

from __future__ import annotations

from pathlib import Path

from oddscape.errors import OddscapeError

SHIPPED = "street-lite"
"""Its name, by which ``--detector`` takes it, too."""

FOLDER = Path(__file__).parent
"""Where ``street-lite.safetensors`` and ``street-lite.md`` lie."""


def is_there() -> bool:
    """Whether this installation has the file of the detector."""
    return _file().is_file()


def shipped_file() -> Path:
    """The file of the detector.

    Raises:
        OddscapeError: this installation lacks it.
    """
    if not is_there():
        raise OddscapeError(
            f"{SHIPPED}, which comes with Oddscape, is missing: no {_file()}; "
            "give --weights FILE or --detector FILE"
        )
    return _file()


def _file() -> Path:
    return FOLDER / f"{SHIPPED}.safetensors"

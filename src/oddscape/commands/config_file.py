"""Options from a TOML file, behind what the command line says."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App, ArgumentCollection
from cyclopts.config import Toml

from oddscape.errors import OddscapeError


def from_file(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Fill in from the TOML file that ``--config`` names what the command line leaves open."""
    for argument in arguments:
        if argument.name == "--config" and argument.tokens:
            path = argument.tokens[0].value
            if not Path(path).is_file():
                raise OddscapeError(f"no configuration file at {path}")
            Toml(path, use_commands_as_keys=False)(app, commands, arguments)

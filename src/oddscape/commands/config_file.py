"""Options from a TOML file, behind what the command line says."""

from __future__ import annotations

from cyclopts import App, ArgumentCollection, Token

from oddscape.errors import OddscapeError
from oddscape.training.config import read_toml


def from_file(_app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Fill in from the TOML file that ``--config`` names what the command line leaves open."""
    for argument in arguments:
        if argument.name == "--config" and argument.tokens:
            _fill(arguments, argument.tokens[0].value, method=commands[-1])


def _fill(arguments: ArgumentCollection, path: str, method: str) -> None:
    values = read_toml(path)
    if values.get("method", method) != method:
        raise OddscapeError(f"{path} is for {values['method']}, not for {method}")
    for argument in arguments:
        name = argument.field_info.name
        if name in values and not argument.has_tokens:
            argument.append(Token(keyword=name, source=path, implicit_value=values[name]))

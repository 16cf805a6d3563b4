"""Protocols of one's own: a TOML file of about ten lines that says where pictures and masks lie.

With every key there is; each may be left out::

title = "Our car park"
images = "pictures/*.jpg"       # below the folder given as --data
masks = "masks/{}.png"          # {}: the picture's name without its ending
known = [0]
anomaly = [1]
ignored = [255]
recording = "^([a-z]+)_"        # pictures of one recording are drawn together
aggregation = "pooled"          # or "per picture"
fpr_rule = "first_at_least"
evaluation_size = "1024x512"    # by default the masks' own size
components = [500, 100]         # SegmentMeIfYouCan's figures with these sizes
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, get_args

from oddscape.component_sizes import ComponentSizes
from oddscape.errors import OddscapeError
from oddscape.protocols import PROTOCOLS, Aggregation, FprRule, Protocol
from oddscape.sizes import parse_size

_READER = ("images", "masks", "known", "anomaly", "ignored", "recording")
_RULES = ("title", "aggregation", "fpr_rule", "evaluation_size", "components")


def find_protocol(name: str) -> Protocol:
    """A named protocol, or one of one's own from a file that ends in ``.toml``.

    Raises:
        OddscapeError: no protocol has this name, or the file does not describe one.
    """
    if name.endswith(".toml"):
        return read_protocol(Path(name))
    if name not in PROTOCOLS:
        raise OddscapeError(
            f"unknown protocol {name!r}; known: {', '.join(PROTOCOLS)}, or a file that ends in .toml"
        )
    return PROTOCOLS[name]


def read_protocol(path: Path) -> Protocol:
    """Read a protocol of one's own.

    Raises:
        OddscapeError: no such file, no TOML, an unknown key, or a value of the wrong kind.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise OddscapeError(f"cannot read a protocol from {path}: {said}") from None
    if unknown := sorted(content.keys() - {*_READER, *_RULES}):
        raise OddscapeError(f"{path}: unknown key {', '.join(unknown)}; known: {', '.join(_RULES + _READER)}")
    try:
        return _protocol(path, content)
    except OddscapeError as error:
        raise OddscapeError(f"{path}: {error}") from None


def _protocol(path: Path, content: dict[str, Any]) -> Protocol:
    reader = {key: _reader_option(key, content[key]) for key in _READER if key in content}
    values = {"known": "0", "anomaly": "1", "ignored": "255"} | reader
    size = content.get("evaluation_size")
    return Protocol(
        path.name,
        _text(content, "title", path.stem),
        data="folder",
        labels=f"{values['anomaly']} anomaly, {values['known']} known, {values['ignored']} ignored",
        reader=reader,
        aggregation=_one_of(content, "aggregation", get_args(Aggregation), "pooled"),
        fpr_rule=_one_of(content, "fpr_rule", get_args(FprRule), "first_above"),
        evaluation_size=None if size is None else parse_size(str(size)),
        components=_components(content.get("components")),
    )


def _reader_option(key: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(type(item) is int for item in value):
        return ",".join(map(str, value))
    raise OddscapeError(f"{key} = {value!r}: expected a text or a list of whole numbers")


def _text(content: dict[str, Any], key: str, otherwise: str) -> str:
    value = content.get(key, otherwise)
    if not isinstance(value, str):
        raise OddscapeError(f"{key} = {value!r}: expected a text")
    return value


def _one_of(content: dict[str, Any], key: str, allowed: tuple[str, ...], otherwise: str) -> Any:
    value = content.get(key, otherwise)
    if value not in allowed:
        raise OddscapeError(f"{key} = {value!r}: expected one of {', '.join(allowed)}")
    return value


def _components(value: Any) -> ComponentSizes | None:
    if value is None:
        return None
    if not (
        isinstance(value, list) and len(value) == 2 and all(type(item) is int and item >= 0 for item in value)
    ):
        raise OddscapeError(f"components = {value!r}: expected two sizes in pixels, as in [500, 100]")
    return ComponentSizes(*value)

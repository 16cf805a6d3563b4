"""Nested training state in a safetensors file: the tensors by their path, the rest as JSON in its header."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor


def to_bytes(state: Mapping[str, Any]) -> bytes:
    """Encode nested mappings and lists of tensors, numbers and text; tuples come back as lists."""
    tensors: dict[str, Tensor] = {}
    outline = _outline(state, "", tensors)
    return save(tensors, metadata={"outline": json.dumps(outline)})


def from_file(path: Path) -> dict[str, Any]:
    """Read what ``to_bytes`` encoded.

    Raises:
        SafetensorError, KeyError, ValueError, OSError: the file is broken or holds something else; a single
            wrong bit of a tensor is noticed.
    """
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
        outline = json.loads((file.metadata() or {})["outline"])
    state: dict[str, Any] = _filled(outline, tensors)
    return state


def _outline(value: Any, path: str, tensors: dict[str, Tensor]) -> dict[str, Any]:
    if isinstance(value, Tensor):
        tensors[path] = value.detach().contiguous().cpu()
        return {"tensor": path, "crc32": _checksum(tensors[path])}
    if isinstance(value, Mapping):  # as pairs, for keys may be numbers
        return {"items": [[key, _outline(item, f"{path}/{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {"list": [_outline(item, f"{path}/{number}", tensors) for number, item in enumerate(value)]}
    return {"value": value}


def _filled(outline: dict[str, Any], tensors: Mapping[str, Tensor]) -> Any:
    if "tensor" in outline:
        tensor = tensors[outline["tensor"]]
        if _checksum(tensor) != outline["crc32"]:
            raise ValueError(f"{outline['tensor']} is not what was written")
        return tensor
    if "items" in outline:
        return {key: _filled(item, tensors) for key, item in outline["items"]}
    if "list" in outline:
        return [_filled(item, tensors) for item in outline["list"]]
    return outline["value"]


def _checksum(tensor: Tensor) -> int:
    return zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data)

"""Weights from and to files; a file never runs code, and what does not fit is named."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from oddscape.errors import OddscapeError
from oddscape.files import written_atomically

_WRAPPERS = ("state_dict", "model")
_SHOWN = 4


def load_checkpoint(net: nn.Module, path: str | Path, may_miss: tuple[str, ...] = ()) -> None:
    """Load weights into a network, strictly.

    Reads ``.safetensors`` and PyTorch files (``.pth``, ``.pt``: plain, or wrapped as ``state_dict`` or
    ``model``, with or without ``module.`` before each name), the latter without running code from them.

    Args:
        net: the network.
        path: the file.
        may_miss: beginnings of names that the file need not hold, such as ``("outlier_head.",)``; those
            weights stay as they are.

    Raises:
        OddscapeError: no such file, not a checkpoint, or names and shapes that do not fit the network.
    """
    path = Path(path)
    if not path.is_file():
        raise OddscapeError(f"no checkpoint at {path}")
    state = _unwrap(_read(path), path)
    _check_fit(net, state, path, may_miss)
    net.load_state_dict(state, strict=not may_miss)


def save_checkpoint(net: nn.Module, path: str | Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write a network's weights as safetensors, whole or not at all."""
    state = {name: tensor.detach().contiguous().cpu() for name, tensor in net.state_dict().items()}
    with written_atomically(Path(path)) as partial:
        partial.write_bytes(save(state, metadata=dict(metadata or {})))


def checkpoint_metadata(path: str | Path) -> dict[str, str]:
    """What a safetensors file says about itself: Oddscape writes ``model`` and ``num_classes``."""
    path = Path(path)
    if path.suffix != ".safetensors" or not path.is_file():
        return {}
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except SafetensorError as error:
        raise OddscapeError(f"{path} is not a readable safetensors file: {error}") from None


def _read(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings(action="ignore"):  # the error below says it all
            return torch.load(path, map_location="cpu", weights_only=True)
    except (
        SafetensorError,
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        OSError,
        LookupError,
        ValueError,
    ) as error:
        reason = str(error).strip().splitlines()[0]
        raise OddscapeError(f"{path} is not a readable checkpoint of tensors alone: {reason}") from None


def _unwrap(loaded: Any, path: Path) -> dict[str, Tensor]:
    for wrapper in _WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
    if not isinstance(loaded, Mapping) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise OddscapeError(f"{path} holds no mapping from names to tensors")
    return {name.removeprefix("module."): tensor for name, tensor in loaded.items()}


def _check_fit(net: nn.Module, state: Mapping[str, Tensor], path: Path, may_miss: tuple[str, ...]) -> None:
    wanted = net.state_dict()
    missing = [name for name in wanted if name not in state and not name.startswith(may_miss)]
    unexpected = [name for name in state if name not in wanted]
    shapes = [
        f"{name}: the file has {list(state[name].shape)}, the network {list(wanted[name].shape)}"
        for name in wanted
        if name in state and wanted[name].shape != state[name].shape
    ]
    problems = [
        f"{len(names)} {kind} ({_some(names)})"
        for kind, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
        if names
    ]
    if problems:
        raise OddscapeError(f"{path} does not fit {type(net).__name__}: weights {'; '.join(problems)}")


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")

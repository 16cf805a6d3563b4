"""Weights from and to files; a file never runs code, and what does not fit is named."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.serialization import safe_globals

from oddscape.errors import OddscapeError
from oddscape.fetch import is_web_page
from oddscape.files import written_atomically
from oddscape.models.layouts import parts_of, recognise, shapes_of

_WRAPPERS = ("state_dict", "model")
_OF_WRAPPED = ("", "net.", "net.net.")
_SHOWN = 4
_ZIP, _PICKLE = b"PK", b"\x80"


def load_checkpoint(
    net: nn.Module,
    path: str | Path | None = None,
    may_miss: tuple[str, ...] = (),
    *,
    teacher_encoder: str | Path | None = None,
    teacher_decoder: str | Path | None = None,
    student: str | Path | None = None,
) -> None:
    """Load weights into a network, strictly: from one file, or from the several it is released in.

    Reads what :func:`read_weights` reads. Nothing is loaded unless all of it fits. Into a network that is
    wrapped (``odd.wrap``, ``odd.with_outlier_head``), whose names begin with ``net.``, also files load that
    were written before it was. What else stands before every name of a file, such as the ``model.`` of
    PyTorch Lightning, is left out where all names are then the network's.

    Args:
        net: the network.
        path: the file; None with ``dicnet`` or ``pspnet`` from the files below.
        may_miss: beginnings of names that the file need not hold, such as ``("outlier_head.",)``; those
            weights stay as they are. Counters of batch norms, which old files lack, are never missed.
        teacher_encoder: file of the encoder of DiCNet's teacher, or of a PSPNet.
        teacher_decoder: file of its decoder.
        student: file of DiCNet's student.

    Raises:
        OddscapeError: no such file, not a checkpoint, or names and shapes that do not fit the network: which
            they are, and which known network the file looks like.
    """
    files = {"teacher_encoder": teacher_encoder, "teacher_decoder": teacher_decoder, "student": student}
    given = {role: Path(file) for role, file in files.items() if file is not None}
    pairs = [(net, Path(path))] if path is not None and not given else _by_part(net, path, given)
    states = [(module, fitting_weights(module, read_weights(file), file, may_miss)) for module, file in pairs]
    for module, state in states:
        module.load_state_dict(state, strict=not may_miss)


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read a file of weights without running code from it.

    Reads ``.safetensors`` and PyTorch files (``.pth``, ``.pt``): plain, or wrapped as ``state_dict`` or
    ``model``, with or without ``module.`` before each name.

    Returns:
        The weights by name, on the CPU.

    Raises:
        OddscapeError: no such file, or a file that is cut off, holds objects beside tensors, or is no
            checkpoint.
    """
    path = Path(path)
    if not path.is_file():
        raise OddscapeError(f"no checkpoint at {path}")
    return _unwrap(_read(path), path)


def save_checkpoint(net: nn.Module, path: str | Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write a network's weights as safetensors, whole or not at all.

    Raises:
        OddscapeError: a file of another ending.
    """
    require_ending(path)
    save_weights(net.state_dict(), path, metadata)


def require_ending(path: str | Path) -> None:
    """Make sure that weights are written where they will be read as what they are.

    Raises:
        OddscapeError: a file that does not end in ``.safetensors``.
    """
    if Path(path).suffix != ".safetensors":
        raise OddscapeError(f"cannot write weights to {path}: expected a file that ends in .safetensors")


def save_weights(
    weights: Mapping[str, Tensor], path: str | Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Write named weights as safetensors, whole or not at all."""
    state = {name: tensor.detach().contiguous().cpu() for name, tensor in weights.items()}
    with written_atomically(Path(path)) as partial:
        _write(state, partial, dict(metadata or {}))


def _write(state: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    path.touch()
    usual_mode = path.stat().st_mode
    try:
        save_file(state, path, metadata)
    except SafetensorError as error:  # in which a full disk is words alone
        reason = re.search(r"I/O error: (.*) \(os error", str(error))
        raise OSError(reason[1] if reason else str(error)) from None
    path.chmod(usual_mode)  # safetensors lets the owner alone read its files


def checkpoint_metadata(path: str | Path) -> dict[str, str]:
    """What a safetensors file says about itself: Oddscape writes ``model`` and ``num_classes``."""
    path = Path(path)
    if path.suffix != ".safetensors" or not path.is_file():
        return {}
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except SafetensorError as error:
        raise _unreadable(path, error) from None


class _Nothing:
    """What a NumPy figure beside the weights, such as the best mIoU, is read as."""

    def __init__(self, *_: object) -> None: ...

    def __setstate__(self, _: object) -> None: ...


# Released files hold such figures. NumPy's own functions would read them, and trust what they are told.
_NUMPY: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    (_Nothing, f"numpy.{name}")
    for name in (
        "dtype",
        "ndarray",
        *(f"{core}.multiarray.{made}" for core in ("core", "_core") for made in ("scalar", "_reconstruct")),
    )
]


def _read(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # Its warnings say what the error below says.
        with warnings.catch_warnings(action="ignore"), safe_globals(_NUMPY):
            return torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError as error:
        raise OddscapeError(f"cannot read {path}: {error.strerror}") from None
    except Exception as error:  # a damaged file makes readers fail in any way
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> OddscapeError:
    """Say in a line what is wrong with a file that does not read."""
    with path.open("rb") as file:
        head = file.read(512).lstrip()
    held = re.search(r"GLOBAL (\S+)", str(error))
    if not head:
        fault = "is empty"
    elif is_web_page(path):
        fault = "is a web page and no checkpoint: its address wants a click in a browser"
    elif held or "TorchScript" in str(error):
        what = held[1] if held else "a TorchScript program"
        fault = (
            f"holds {what} beside tensors, and is not read: it could run code; save its state_dict() alone"
        )
    elif head.startswith((_ZIP, _PICKLE)) or path.suffix == ".safetensors":
        fault = "is not a readable checkpoint: cut off, damaged or of another kind"
    else:
        fault = "is not a checkpoint: neither safetensors nor written by torch.save"
    return OddscapeError(f"{path} {fault}")


def _unwrap(loaded: Any, path: Path) -> dict[str, Tensor]:
    for wrapper in _WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
    if not isinstance(loaded, Mapping) or not loaded:
        raise OddscapeError(f"{path} holds no mapping from names to tensors")
    if others := [str(name) for name, value in loaded.items() if not isinstance(value, Tensor)]:
        wanted = f"tensors by name, plain or under {' or '.join(_WRAPPERS)}"
        raise OddscapeError(f"{path} holds what is no tensor ({_some(others)}), expected {wanted}")
    return {str(name).removeprefix("module."): tensor for name, tensor in loaded.items()}


def _by_part(
    net: nn.Module, path: str | Path | None, given: Mapping[str, Path]
) -> list[tuple[nn.Module, Path]]:
    """Each part of a network with its file."""
    parts = parts_of(net)
    if path is not None or not parts or given.keys() != parts.keys():
        files = f"one file, or {', '.join(parts)}" if parts else "one file"
        got = ", ".join([*(["one file"] if path is not None else []), *given]) or "none"
        raise OddscapeError(f"{type(net).__name__} takes its weights from {files}; given: {got}")
    return [(parts[role], file) for role, file in given.items()]


def fitting_weights(
    module: nn.Module, given: Mapping[str, Tensor], path: Path, may_miss: tuple[str, ...] = ()
) -> dict[str, Tensor]:
    """Make sure that weights fit a network, and give them the names that they have in it.

    Args:
        module: the network.
        given: the weights by name.
        path: the file that they are from, for errors.
        may_miss: as for :func:`load_checkpoint`.

    Raises:
        OddscapeError: as :func:`load_checkpoint` does of names and shapes.
    """
    own = module.state_dict()
    given = _without_prefix(given, own)
    state = _as_wrapped(given, own)
    found, wanted = shapes_of(state), shapes_of(own)
    missing = [name for name in wanted if name not in found and not name.startswith(may_miss)]
    unexpected = [name for name in found if name not in wanted]
    unlike = [name for name in wanted if name in found and found[name] != wanted[name]]
    if not (missing or unexpected or unlike):
        return {name: weight for name, weight in state.items() if name in own}
    shapes = [
        f"{name}: the file has {list(found[name])}, the network {list(wanted[name])}" for name in unlike
    ]
    kinds = (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
    problems = "; ".join(f"{len(names)} {kind} ({_some(names)})" for kind, names in kinds if names)
    file, network = recognise(shapes_of(given)), recognise(wanted)
    looks = f"the file looks like {file or 'no known network'}"
    if not (missing or unexpected) and file and network and file.num_classes != network.num_classes:
        looks = f"it is for {file.num_classes} classes, the network for {network.num_classes} (void counted)"
    raise OddscapeError(f"{path} does not fit {type(module).__name__}: {looks}; weights {problems}")


def _without_prefix(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Weights without what other software puts before every name, if all are then the network's."""
    parts = next(iter(given), "").split(".")[:-1]
    for prefix in accumulate((f"{part}." for part in parts), initial=""):
        plain = {name.removeprefix(prefix): weight for name, weight in given.items()}
        of_all = all(name.startswith(prefix) for name in given)
        if of_all and shapes_of(_as_wrapped(plain, own)).keys() <= own.keys():
            return plain
    return given


def _as_wrapped(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a network under the names that most of them have in it once it is wrapped, if it is."""
    prefix = max(_OF_WRAPPED, key=lambda prefix: sum(prefix + name in own for name in given))
    return {prefix + name: weight for name, weight in given.items()}


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")

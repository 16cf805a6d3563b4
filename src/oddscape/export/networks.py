"""Networks as programs for pictures of any size that run without their Python code: torch.export and ONNX."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from oddscape.errors import OddscapeError
from oddscape.export.conversion import one_line, onnxruntime, require_packages, to_onnx, traced
from oddscape.export.parity import SIZES, compare_maps
from oddscape.files import written_atomically
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.sizes import Size, format_size

_Maps = dict[str, Tensor]


@torch.no_grad()
def export_program(net: nn.Module, *, sizes: Sequence[Size] = SIZES) -> ExportedProgram:
    """Export a network by ``torch.export`` for any number of pictures of any size.

    ``program.module()`` maps pictures float [N, 3, H, W] in [0, 1] to a ``DenseOutput``, as the network does;
    import ``oddscape.outputs`` before ``torch.export.load``. It refuses pictures so small that a map of the
    network is a single place high or wide, such as sides below 35 at ``"ldn121"``.

    Args:
        net: a network in evaluation mode.
        sizes: (H, W) of the pictures at which program and network are compared; the first one is traced.

    Raises:
        OddscapeError: a network in training mode, or one that ``torch.export`` does not take or that comes
            out wrong at another size than the one traced.
    """
    if net.training:
        raise OddscapeError(f"{type(net).__name__} is in training mode; export net.eval()")
    program = traced(net, (next(_pictures(net, sizes)),), [(0, 2, 3)], type(net).__name__)
    module = program.module()
    _compare(net, lambda image: _maps(module(image)), sizes)
    return program


def export_onnx(net: nn.Module, path: Path, *, sizes: Sequence[Size] = SIZES) -> None:
    """Write a network as an ONNX file for any number of pictures of any size.

    Its input is ``image``, float32 [N, 3, H, W] in [0, 1]; its outputs are the network's native maps under
    their names in ``NativeMaps``, each at its own resolution. A network of many layers takes a minute.

    Args:
        net: a network in evaluation mode, on the CPU, in float32.
        path: the file, usually ``*.onnx``. It is written once it agrees with the network.
        sizes: (H, W) of the pictures at which file and network are compared; the first one is traced.

    Raises:
        OddscapeError: as :func:`export_program`; a network elsewhere than on the CPU, one that has no ONNX
            form, or packages that are missing.
    """
    require_packages()
    device = next(net.parameters()).device
    if device.type != "cpu":
        raise OddscapeError(
            f"{type(net).__name__} is on {device}; its ONNX file is made on the CPU: net.cpu()"
        )
    # The picture's size is its caller's to know.
    program = export_program(net, sizes=sizes)
    onnx = to_onnx(program, ["image"], _map_names(net, sizes), dropped=("height", "width"))
    with written_atomically(path) as partial:
        onnx.save(partial)
        _compare(net, _onnx_network(partial), sizes)


def _onnx_network(path: Path) -> Callable[[Tensor], _Maps]:
    """An ONNX file as a function from pictures to native maps."""
    session = onnxruntime().InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(image: Tensor) -> _Maps:
        arrays: list[np.ndarray] = session.run(names, {"image": image.numpy()})
        return {name: torch.from_numpy(array) for name, array in zip(names, arrays, strict=True)}

    return run


def _pictures(net: nn.Module, sizes: Sequence[Size]) -> Iterator[Tensor]:
    """Noise of each size, by turns two pictures and one."""
    like, chance = next(net.parameters()), torch.Generator().manual_seed(0)
    for number, size in enumerate(sizes):
        yield torch.rand(2 - number % 2, 3, *size, generator=chance).to(like)


def _maps(out: DenseOutput) -> _Maps:
    """An output's native maps by name, in the order of ``NativeMaps``."""
    return {f.name: getattr(out.native, f.name) for f in fields(NativeMaps) if f.name in out.fields}


def _map_names(net: nn.Module, sizes: Sequence[Size]) -> list[str]:
    return list(_maps(net(next(_pictures(net, sizes)))))


def _compare(net: nn.Module, exported: Callable[[Tensor], _Maps], sizes: Sequence[Size]) -> None:
    """Raise an error where what was exported says something else than its network."""
    for image, size in zip(_pictures(net, sizes), sizes, strict=True):
        where = f"what was exported of {type(net).__name__}, at {format_size(size)}"
        wanted = _maps(net(image))
        with one_line(f"{where}, does not run"):
            given = exported(image)
        for name, maps in wanted.items():
            compare_maps(given[name], maps, f"{where}, gives {name}")

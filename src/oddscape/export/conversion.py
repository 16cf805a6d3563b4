"""From a network in Python to torch.export, and from there to ONNX."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from oddscape.errors import OddscapeError
from oddscape.models.packages import load_package

AXES = ("batch", "height", "width")
"""What the dimensions of a picture are called that are free."""

_LARGE = 2**15  # no picture has longer sides


def traced(
    net: nn.Module, arguments: tuple[Tensor, ...], free: Sequence[Sequence[int]], name: str
) -> ExportedProgram:
    """Export a network by ``torch.export``.

    Args:
        net: the network, in evaluation mode.
        arguments: what it is traced with.
        free: of each argument, the dimensions that may have any length.
        name: what it is called where it does not export.

    Raises:
        OddscapeError: it does not export, or not for every length of these dimensions.
    """
    shapes = tuple(dict.fromkeys(dims, Dim.DYNAMIC) for dims in free)
    refusal = f"{name} does not export for pictures of any size"
    with one_line(refusal):
        program = torch.export.export(net, arguments, dynamic_shapes=shapes)
    # Where the network branches, its other way is lost, and an ONNX file would not even say so.
    longest = min((bounds.upper for bounds in program.range_constraints.values()), default=_LARGE)
    if longest < _LARGE:
        raise OddscapeError(f"{refusal}: it does something else where a side is above {longest}")
    return program


def to_onnx(
    program: ExportedProgram, inputs: Sequence[str], outputs: Sequence[str], dropped: Sequence[str] = ()
) -> torch.onnx.ONNXProgram:
    """Convert a program, and name what goes in and comes out.

    Args:
        program: its first input is pictures, whose free dimensions are named ``AXES``.
        inputs: names of its inputs.
        outputs: names of its outputs.
        dropped: names of further outputs that come last and are left out.

    Raises:
        OddscapeError: an operation that has no ONNX form.
    """
    with one_line("the network has no ONNX form"), _quiet():
        onnx = torch.onnx.export(
            program,
            input_names=list(inputs),
            output_names=[*outputs, *dropped],
            optimize=False,
            verbose=False,
        )
        assert onnx is not None, "torch.onnx gives a program where it is given one"
        del onnx.model.graph.outputs[len(outputs) :]
        onnx.optimize()
        free = [side for side in onnx.model.graph.inputs[0].shape or () if not isinstance(side, int)]
        onnx.rename_axes(dict(zip(free, AXES, strict=True)))
    return onnx


def require_packages() -> None:
    """Make sure that the packages of the extra ``export`` are there.

    Raises:
        OddscapeError: one is missing.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        load_package(package, "export")


def onnxruntime() -> ModuleType:
    """The package that runs ONNX files."""
    return load_package("onnxruntime", "export")


@contextmanager
def one_line(what: str) -> Iterator[None]:
    """Turn whatever goes wrong in torch or onnxruntime into an error of one line."""
    try:
        yield
    except OddscapeError:
        raise
    except Exception as error:
        first: BaseException = error
        while first.__cause__ is not None:  # the converter's own words are advice, not what was wrong
            first = first.__cause__
        lines = [line.strip(" -") for line in str(first).splitlines() if line.strip()]
        raise OddscapeError(f"{what}: {lines[0] if lines else type(first).__name__}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what the converter says of torch's own code and of operators that no network here has."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)

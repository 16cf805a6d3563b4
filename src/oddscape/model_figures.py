"""What a network costs and gives: parameters, multiply-adds, maps and, where it runs, time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

import torch
from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from oddscape.errors import OddscapeError
from oddscape.models import MODELS, create_model
from oddscape.outputs import DenseOutput
from oddscape.sizes import Size

_RUNS = 5


@dataclass(frozen=True)
class ModelFigures:
    """Figures of a network for one picture.

    Args:
        parameters: number of parameters.
        weight_bytes: bytes of its state dict in float32, batch statistics included.
        multiply_adds: of convolutions and matrix products; half the floating point operations.
        maps: (channels, height, width) of each native map, by the names of
            :class:`~oddscape.outputs.NativeMaps`.
    """

    parameters: int
    weight_bytes: int
    multiply_adds: int
    maps: Mapping[str, tuple[int, ...]]


@torch.no_grad()
def model_figures(name: str, num_classes: int | None, size: Size) -> ModelFigures:
    """Work a network's figures out from shapes alone, without computing its maps.

    Args:
        name: what ``create_model`` takes; only networks of ``MODELS`` take no memory for their weights.
        num_classes: number of known classes.
        size: (H, W) of the picture.

    Raises:
        OddscapeError: an unknown name, or what else ``create_model`` refuses; a network of one's own that
            gives no ``DenseOutput``, or whose course depends on what the picture shows.
    """
    device = torch.device("meta" if name in MODELS else "cpu")
    with device:
        net = create_model(name, num_classes).eval()
    counter = FlopCounterMode(display=False)
    try:
        # Attention as matrix products, which are counted; on a CPU torch's own kernel for it is not.
        with FakeTensorMode(allow_non_fake_inputs=True), sdpa_kernel(SDPBackend.MATH), counter:
            out: DenseOutput = net(torch.empty(1, 3, *size, device=device))
    except DataDependentOutputException:
        raise OddscapeError(
            f"what {name} computes depends on what the picture shows, so that no figures follow from its size"
        ) from None
    return ModelFigures(
        parameters=sum(parameter.numel() for parameter in net.parameters()),
        weight_bytes=4 * sum(tensor.numel() for tensor in net.state_dict().values()),
        multiply_adds=counter.get_total_flops() // 2,
        maps={field: tuple(getattr(out.native, field).shape[1:]) for field in sorted(out.fields)},
    )


@torch.inference_mode()
def milliseconds(net: nn.Module, size: Size) -> float:
    """Time that a network takes for one picture of (H, W): the median of five passes after a first one."""
    device = next(net.parameters()).device
    image, times = torch.rand(1, 3, *size, device=device), []
    for _ in range(1 + _RUNS):
        _finish(device)
        started = time.perf_counter()
        net(image)
        _finish(device)
        times.append(1e3 * (time.perf_counter() - started))
    return median(times[1:])


def _finish(device: torch.device) -> None:
    """Wait for a GPU, which computes on while Python does."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)

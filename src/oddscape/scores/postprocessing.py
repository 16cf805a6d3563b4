"""What can be done to a finished score map, whatever the score: boundaries suppressed, the map smoothed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from oddscape.errors import OddscapeError
from oddscape.scores.parameters import Parameter

_SML = (
    "Jung, Lee, Gwak, Choi, Choo: Standardized Max Logits: A Simple yet Effective Approach for Identifying "
    "Unexpected Road Obstacles in Urban-Scene Segmentation, ICCV 2021"
)


def smooth(score: Tensor, kernel_size: int = 7, sigma: float = 1.0, dilation: int = 6) -> Tensor:
    """Smooth score maps by a Gaussian whose taps lie some pixels apart.

    Jung et al.: Standardized Max Logits: A Simple yet Effective Approach for Identifying Unexpected Road
    Obstacles in Urban-Scene Segmentation, ICCV 2021. Edges of the map are repeated beyond it.

    Args:
        score: float32 [N, H, W].
        kernel_size: taps down and across, odd.
        sigma: standard deviation of the Gaussian in taps.
        dilation: pixels from tap to tap.

    Returns:
        float32 [N, H, W].

    Raises:
        OddscapeError: an even kernel.
    """
    if kernel_size % 2 == 0:
        raise OddscapeError(f"smoothing: kernel_size {kernel_size} is even; expected an odd number")
    taps = torch.arange(kernel_size, dtype=torch.float64) - kernel_size // 2
    weights = torch.softmax(-taps.square() / (2 * sigma**2), 0)
    return _weighted_sums(score, weights.tolist(), dilation)


def suppress_boundaries(score: Tensor, classes: Tensor, width: int = 8) -> Tensor:
    """Replace scores along the boundaries of predicted classes by those beside them, from outside inwards.

    Where two classes meet, a network is uncertain without anything being anomalous. For widths of ``width``,
    ``width`` − 2, … and 2 pixels, each pixel of a boundary of that width takes the mean of those of its
    3×3 neighbourhood that are outside the boundary, if there are any. Jung et al.: Standardized Max Logits:
    A Simple yet Effective Approach for Identifying Unexpected Road Obstacles in Urban-Scene Segmentation,
    ICCV 2021. Edges of the map are repeated beyond it.

    Args:
        score: float32 [N, H, W].
        classes: the predicted class of each pixel, uint8 [N, H, W].
        width: pixels across the widest boundary, half of them on either side; even.

    Returns:
        float32 [N, H, W].

    Raises:
        OddscapeError: an odd width.
    """
    if width % 2:
        raise OddscapeError(f"boundaries: width {width} is odd; expected an even number")
    boundaries = [_boundary(classes)]
    for _ in range(width // 2 - 1):
        boundaries.append(_widened(boundaries[-1]))
    for boundary in reversed(boundaries):
        score = _filled(score, boundary)
    return score


def _boundary(classes: Tensor) -> Tensor:
    """Pixels one of whose four neighbours has another class, bool [N, H, W]."""
    boundary = torch.zeros_like(classes, dtype=torch.bool)
    for dim in (1, 2):
        meets = classes.diff(dim=dim) != 0
        boundary.narrow(dim, 0, meets.shape[dim]).logical_or_(meets)
        boundary.narrow(dim, 1, meets.shape[dim]).logical_or_(meets)
    return boundary


def _widened(mask: Tensor) -> Tensor:
    """The mask and the four neighbours of its pixels, bool [N, H, W]."""
    wider = mask.clone()
    for dim in (1, 2):
        length = mask.shape[dim] - 1
        wider.narrow(dim, 0, length).logical_or_(mask.narrow(dim, 1, length))
        wider.narrow(dim, 1, length).logical_or_(mask.narrow(dim, 0, length))
    return wider


def _filled(score: Tensor, boundary: Tensor) -> Tensor:
    """Pixels of the boundary take the mean of the 3×3 neighbours outside of it, where there are any."""
    total = _weighted_sums(score.masked_fill(boundary, 0), [1, 1, 1])
    count = _weighted_sums((~boundary).to(score), [1, 1, 1])
    return torch.where(boundary & (count > 0), total / count, score)


def _weighted_sums(maps: Tensor, weights: Sequence[float], dilation: int = 1) -> Tensor:
    """Sum pixels around each one, down and across with the same weights; edges are repeated."""
    # Shifted maps added up: on a CPU a third of a convolution's time.
    reach = len(weights) // 2 * dilation
    padded = F.pad(maps.unsqueeze(1), (reach,) * 4, mode="replicate").squeeze(1)
    for dim in (1, 2):
        length = maps.shape[dim]
        total = padded.narrow(dim, 0, length) * weights[0]
        for number, weight in enumerate(weights[1:], 1):
            total = total.add_(padded.narrow(dim, number * dilation, length), alpha=weight)
        padded = total
    return padded


@dataclass(frozen=True)
class PostProcessing:
    """A step from a finished score map and the class map to another score map.

    Args:
        name: its name in ``POSTPROCESSING``.
        function: score float32 [N, H, W], classes uint8 [N, H, W] → float32 [N, H, W].
        formula: what it does, for people.
        paper: where it comes from.
        parameters: numbers that change it.
    """

    name: str
    function: Callable[..., Tensor]
    formula: str
    paper: str
    parameters: tuple[Parameter, ...] = ()


def _smooth_step(score: Tensor, _classes: Tensor, **parameters: float) -> Tensor:
    return smooth(score, **parameters)  # type: ignore[arg-type]


POSTPROCESSING: dict[str, PostProcessing] = {
    step.name: step
    for step in (
        PostProcessing(
            "boundaries",
            suppress_boundaries,
            "boundaries of predicted classes take the mean beside them",
            _SML,
            (Parameter("width", "pixels across the widest boundary, even; 8 by default", whole=True),),
        ),
        PostProcessing(
            "smoothing",
            _smooth_step,
            "dilated Gaussian smoothing",
            _SML,
            (
                Parameter("kernel_size", "taps down and across, odd; 7 by default", whole=True),
                Parameter("sigma", "standard deviation in taps; 1 by default"),
                Parameter("dilation", "pixels from tap to tap; 6 by default", whole=True),
            ),
        ),
    )
}
"""Every step by name; ``max_logit+boundaries+smoothing`` is the max logit with both, in this order."""

"""Maps at picture size: what the fused step gives."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from oddscape.errors import OddscapeError
from oddscape.labels import IGNORED
from oddscape.outputs import DenseOutput

_SPECK = 2.0**-100  # far below what two different float32 logits can differ by


@dataclass(frozen=True, eq=False)
class Postprocessed:
    """Classes and scores of N pictures at their size.

    Args:
        classes: uint8 [N, H, W], the largest known class.
        scores: by name, float32 [N, H, W], higher = more anomalous.
    """

    classes: Tensor
    scores: dict[str, Tensor]


def require_class_map(num_classes: int) -> None:
    """Make sure that a class map, uint8 with 255 for ignored, can hold so many classes.

    Raises:
        OddscapeError: more than 255.
    """
    if num_classes > IGNORED:
        raise OddscapeError(
            f"the network knows {num_classes} classes; a class map, uint8 with {IGNORED} for ignored, holds "
            f"{IGNORED} at most"
        )


def first_largest(out: DenseOutput) -> Tensor:
    """The first largest class, float32 [N, H, W], in a fifth of argmax's time; spoils the native logits.

    Args:
        out: with logits that are of picture size, and free to be written to.
    """
    logits = out.native.logits
    number = torch.arange(logits.shape[1], dtype=torch.float32, device=logits.device).view(-1, 1, 1)
    # 0 at the maximum, far below elsewhere, less a speck for each class before: the largest tells its number.
    below_peak = logits.sub_(out.max_logit.unsqueeze(1))
    return below_peak.add_(number, alpha=-_SPECK).amax(1).mul_(-1 / _SPECK)

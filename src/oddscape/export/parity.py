"""Whether what was exported says the same as what it was made of."""

from __future__ import annotations

import torch
from torch import Tensor

from oddscape.errors import OddscapeError
from oddscape.sizes import Size

SIZES: tuple[Size, ...] = ((64, 96), (96, 64), (61, 99), (128, 130), (97, 43))
"""(H, W) of the pictures at which an export must agree with its network; the first one is traced."""

# Of a map's standard deviation; and, for maps that are the same all over, of its largest value.
_TOLERANCE, _ROUNDING = 1e-3, 1e-6


def rounding(maps: Tensor) -> float:
    """How far an exported map may be from its network's."""
    maps = maps.detach()
    return float(max(_TOLERANCE * maps.std(), _ROUNDING * maps.abs().max()))


def compare_maps(given: Tensor, wanted: Tensor, what: str) -> None:
    """Raise an error where a map is another than the network's.

    Args:
        given: what was exported.
        wanted: what the network says.
        what: what is compared, as in ``"the file, at 96×64, gives logits"``.

    Raises:
        OddscapeError: another shape, values further apart than rounding explains, or a network's that are not
            finite.
    """
    if given.shape != wanted.shape:
        raise OddscapeError(f"{what} of shape {list(given.shape)}; the network gives {list(wanted.shape)}")
    wanted = wanted.float()
    if not wanted.isfinite().all():
        raise OddscapeError(f"{what} that cannot be compared: the network's own holds NaN or infinity")
    difference, allowed = (given.float() - wanted).abs().max(), rounding(wanted)
    if not difference <= allowed:  # NaN is no agreement
        raise OddscapeError(f"{what} up to {difference:.2g} from the network's; {allowed:.2g} is allowed")


def compare_classes(given: Tensor, logits: Tensor, what: str) -> None:
    """Raise an error where a class is not the largest one, unless two logits are as good as equal.

    Args:
        given: classes [N, H, W].
        logits: the network's, float32 [N, K, H, W].
        what: what is compared.

    Raises:
        OddscapeError: another shape, or classes whose logits are further below the largest than rounding
            explains.
    """
    largest = logits.amax(1)
    if given.shape != largest.shape:
        raise OddscapeError(f"{what} of shape {list(given.shape)}; the network gives {list(largest.shape)}")
    below = largest - logits.gather(1, given.long().unsqueeze(1)).squeeze(1)
    wrong = torch.count_nonzero(~(below <= rounding(logits)))
    if wrong:
        raise OddscapeError(f"{what} that differ from the network's at {wrong} of {given.numel()} pixels")

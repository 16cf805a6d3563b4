"""Multi-scale and flip averaging: a network shown a picture in several sizes and mirrored."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product

import torch.nn.functional as F
from torch import Tensor, nn

from oddscape.errors import OddscapeError
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.sizes import Size
from oddscape.wrappers.windows import maps_of, resized

_FEATURES = frozenset({"features", "student_features"})


class MultiScaleFlip(nn.Module):
    """A network whose maps are averaged over several sizes of the picture and, where asked, its mirror image.

    With one scale, maps keep their resolution. With several, logits are averaged at picture size and features
    at the size that the largest scale gives them. It is the logits that are averaged, before any softmax, in
    float32. Maps of mask classification (``mask_logits``, ``class_logits``) are left out, for the queries of
    two passes do not correspond.

    Around :class:`~oddscape.wrappers.windows.SlidingWindows` every scale is shown in windows.

    Args:
        net: maps pictures [N, 3, H, W] to a ``DenseOutput``.
        scales: factors of the picture's sides, each above 0.
        flip: whether each scale is shown mirrored left to right, too.

    Raises:
        OddscapeError: no scale, or one that is not above 0 or not finite.
    """

    def __init__(self, net: nn.Module, scales: tuple[float, ...] = (1.0,), flip: bool = True) -> None:
        super().__init__()
        if not scales or not all(0 < scale < math.inf for scale in scales):
            raise OddscapeError(f"scales {scales}: expected one or more factors above 0")
        self.net, self.scales, self.flip = net, tuple(sorted(set(scales), reverse=True)), flip

    @property
    def in_words(self) -> str:
        """What is done, for the record of a run."""
        if self.flip and self.scales == (1.0,):
            return "mean over the picture and its mirror image"
        scales = ", ".join(f"{scale:g}" for scale in reversed(self.scales))
        return f"mean over scales {scales}{' and mirror images' if self.flip else ''}"

    def forward(self, image: Tensor) -> DenseOutput:
        """Segment pictures float [N, 3, H, W] in [0, 1]; one pass after the other."""
        size = (image.shape[-2], image.shape[-1])
        sums: dict[str, Tensor] = {}
        for out in self._passes(image):
            for name, maps in maps_of(out).items():
                wanted = sums[name].shape[-2:] if name in sums else self._size(name, maps, size)
                fitted = resized(maps, (wanted[0], wanted[1]), align_corners=out.align_corners)
                sums[name] = sums[name] + fitted if name in sums else fitted
        count = len(self.scales) * (1 + self.flip)
        native = NativeMaps(**{name: maps / count for name, maps in sums.items()})
        return DenseOutput(native, size, out.align_corners)

    def _passes(self, image: Tensor) -> Iterator[DenseOutput]:
        net: Callable[[Tensor], DenseOutput] = self.net
        for scale, mirrored in product(self.scales, (False, True)[: 1 + self.flip]):
            seen = _scaled(image, scale)
            yield _mirror(net(seen.flip(-1))) if mirrored else net(seen)

    def _size(self, name: str, maps: Tensor, size: Size) -> Size:
        several = len(self.scales) > 1 and name not in _FEATURES
        return size if several else (maps.shape[-2], maps.shape[-1])


def _scaled(image: Tensor, scale: float) -> Tensor:
    if scale == 1:
        return image
    size = [max(round(side * scale), 1) for side in image.shape[-2:]]
    return F.interpolate(image, size, mode="bilinear", antialias=True)


def _mirror(out: DenseOutput) -> DenseOutput:
    maps = {name: tensor.flip(-1) for name, tensor in maps_of(out).items()}
    return DenseOutput(NativeMaps(**maps), out.size, out.align_corners)

"""Pictures of any size for a network that reads squares of one size, such as EoMT."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from oddscape.sizes import Size

_NOWHERE = -1e4  # a mask logit whose sigmoid is 0, finite in float16, too
_HARDLY = 10.0  # σ(−10) = 0.00005


@dataclass(frozen=True)
class SquareWindows:
    """How a picture is shown to a network of square pictures, and how its maps become the picture's.

    The picture is resized with its proportions, to a whole number of the maps' cells: either until its
    shorter side fits, and then covered by windows spread evenly along the longer one; or until its longer
    side fits, and then padded with black on the right or at the bottom. These are the two ways of EoMT's
    image processor (Kerssies et al., CVPR 2025), which calls the first ``do_split_image``.

    Args:
        size: (H, W) of the picture.
        side: pixels along a side of the square.
        cells: of the network's maps along a side of the square.
        split: windows along the longer side, or the whole picture padded to one square.
    """

    size: Size
    side: int
    cells: int
    split: bool

    @cached_property
    def extent(self) -> Size:
        """Rows and columns of the picture's maps."""
        scale = self.cells / (min(self.size) if self.split else max(self.size))
        rows, columns = (max(round(side * scale), 1) for side in self.size)
        return rows, columns

    @cached_property
    def starts(self) -> list[int]:
        """The windows' first cells along the longer side."""
        left = max(self.extent) - self.cells
        last = math.ceil(left / self.cells)
        return [round(window * left / last) for window in range(last + 1)] if last else [0]

    def pictures(self, image: Tensor) -> Tensor:
        """Cut pictures [N, 3, H, W] into windows [N · T, 3, side, side], those of a picture in a row."""
        shown = (self._pixels(self.extent[0]), self._pixels(self.extent[1]))
        if shown != self.size:
            image = F.interpolate(image, shown, mode="bilinear", antialias=True)
        image = F.pad(image, (0, max(self.side - shown[1], 0), 0, max(self.side - shown[0], 0)))
        windows = [image.narrow(self._along, self._pixels(start), self.side) for start in self.starts]
        return torch.stack(windows, 1).flatten(0, 1)

    def maps(self, maps: Tensor) -> Tensor:
        """Join the windows' maps [N · T, C, cells, cells] to [N, C, rows, columns]: their mean."""
        if len(self.starts) == 1:
            return self._cropped(maps)
        placed = [self._placed(window, start, 0) for window, start in self._windows(maps)]
        return torch.stack(placed).sum(0) / self._cover(maps)

    def masks(self, mask_logits: Tensor) -> Tensor:
        """Place the windows' masks [N · T, Q, cells, cells] in the picture's [N, T · Q, rows, columns].

        Each window keeps its queries. Outside its window a mask's probability is 0; where c windows overlap
        it is a c-th of what it was, so that a sum over all queries is the mean over windows. On the first
        cell outside, it is σ(−max(|m|, 10)) with the mask's logit m at the border: where windows meet, masks
        upsampled bilinearly then give way to each other halfway, and leave no gap.
        """
        if len(self.starts) == 1:
            return self._cropped(mask_logits)
        cover = self._cover(mask_logits)
        placed = [
            self._placed(self._rimmed(window, cover, start), start - 1, _NOWHERE)
            for window, start in self._windows(mask_logits)
        ]
        return torch.cat(placed, 1)

    def queries(self, class_logits: Tensor) -> Tensor:
        """Bring the windows' class logits [N · T, Q, K + 1] to the masks' order, [N, T · Q, K + 1]."""
        return self._by_picture(class_logits).flatten(1, 2)

    @property
    def _along(self) -> int:
        return -2 if self.extent[0] > self.extent[1] else -1

    def _pixels(self, cells: int) -> int:
        return round(cells * self.side / self.cells)

    def _windows(self, maps: Tensor) -> list[tuple[Tensor, int]]:
        return list(zip(self._by_picture(maps).unbind(1), self.starts, strict=True))

    def _by_picture(self, tensor: Tensor) -> Tensor:
        return tensor.reshape(-1, len(self.starts), *tensor.shape[1:])

    def _cropped(self, maps: Tensor) -> Tensor:
        return maps[..., : self.extent[0], : self.extent[1]]

    def _rimmed(self, mask_logits: Tensor, cover: Tensor, start: int) -> Tensor:
        masks = _shared(mask_logits, cover.narrow(self._along, start, self.cells))
        rims = [
            -masks.narrow(self._along, border, 1).detach().abs().clamp(min=_HARDLY)
            for border in (0, self.cells - 1)
        ]
        return torch.cat([rims[0], masks, rims[1]], self._along)

    def _placed(self, window: Tensor, start: int, outside: float) -> Tensor:
        # Margins below zero cut off.
        margins = (start, max(self.extent) - window.shape[self._along] - start)
        return F.pad(window, margins if self._along == -1 else (0, 0, *margins), value=outside)

    def _cover(self, maps: Tensor) -> Tensor:
        """How many windows lie over each cell along the longer side."""
        window = maps.new_ones((1, self.cells) if self._along == -1 else (self.cells, 1))
        return torch.stack([self._placed(window, start, 0) for start in self.starts]).sum(0)


def _shared(mask_logits: Tensor, windows: Tensor) -> Tensor:
    """The logit of σ(mask_logits) / windows, where there is more than one."""
    log_mask = F.logsigmoid(mask_logits)
    # Never ln(1 − σ), which has no finite gradient where the mask is certain.
    shared = log_mask - (windows.clamp(min=2) - log_mask.exp()).log()
    return torch.where(windows == 1, mask_logits, shared)

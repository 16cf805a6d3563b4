"""From native maps to class map and scores at picture size, band by band.

The plain computation upsamples K logit maps to picture size (160 MB at 19 classes and 2048×1024) and walks
over them several times. Here a band of a few rows is upsampled, reduced to classes and scores while it lies
in the cache, and forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from oddscape.data import resize_image
from oddscape.data.tensors import to_tensor
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.scores import Score
from oddscape.sizes import Size

BAND_ROWS = 16
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


@torch.inference_mode()
def run_network(
    net: nn.Module,
    image: NDArray[np.uint8],
    scores: Mapping[str, Score],
    *,
    size: Size | None = None,
    output_size: Size | None = None,
) -> Postprocessed:
    """Show one picture to a network and compute its class map and scores by the fused path.

    Args:
        net: a network in evaluation mode.
        image: uint8 [H, W, 3].
        scores: the scores by name.
        size: (H, W) at which the network sees the picture; None: its own.
        output_size: (H, W) of the maps; None: the picture's own.
    """
    device = next(net.parameters()).device
    seen = image if size is None else resize_image(image, size)
    out: DenseOutput = net(to_tensor(seen).to(device))
    return postprocess(replace(out, size=output_size or image.shape[:2]), scores)


@torch.inference_mode()
def postprocess(out: DenseOutput, scores: Mapping[str, Score], band_rows: int = BAND_ROWS) -> Postprocessed:
    """Compute the class map and several scores at picture size without full-size logits in memory.

    Equal to ``out.logits.argmax(1)`` and ``score(out)`` up to the rounding of float32 interpolation.

    Args:
        out: the network's output.
        scores: the scores by name; those that are not per pixel are computed whole.
        band_rows: rows of a band; 16 keep 19 classes at 2048 columns within the cache of two cores.
    """
    device, shape = out.native.logits.device, (len(out.native.logits), *out.size)
    classes = torch.empty(shape, dtype=torch.uint8, device=device)
    maps = {name: torch.empty(shape, device=device) for name, score in scores.items() if score.per_pixel}
    upsampler = _BandUpsampler(out, {need for name in maps for need in scores[name].needs})
    for picture in range(shape[0]):
        for top in range(0, out.size[0], band_rows):
            rows = slice(top, min(top + band_rows, out.size[0]))
            band = upsampler.band(picture, rows)
            classes[picture, rows] = _classes(band)[0]
            for name, full in maps.items():
                full[picture, rows] = scores[name].function(band)[0]
    whole = {name: score(out) for name, score in scores.items() if not score.per_pixel}
    return Postprocessed(classes, {name: (maps | whole)[name] for name in scores})


def _classes(band: DenseOutput) -> Tensor:
    """The first largest class, float32 [N, rows, W], in a fifth of argmax's time over a strided dimension."""
    logits = band.native.logits
    number = torch.arange(logits.shape[1], dtype=torch.float32, device=logits.device).view(-1, 1, 1)
    # 0 at the maximum, far below elsewhere, less a speck for each class before: the largest tells its number.
    below_peak = logits - band.max_logit.unsqueeze(1)
    return below_peak.add_(number, alpha=-_SPECK).amax(1).mul_(-1 / _SPECK).round_()


class _BandUpsampler:
    """Bilinear upsampling of some rows of an output's maps: columns by interpolate, rows by a matrix."""

    def __init__(self, out: DenseOutput, names: set[str]) -> None:
        self.out = out
        self.maps = {name: getattr(out.native, name) for name in {"logits", *names}}
        self.rows = {h: _row_blend(h, out) for h in {m.shape[-2] for m in self.maps.values()}}

    def band(self, picture: int, rows: slice) -> DenseOutput:
        """The given rows of one picture as an output of its own, already at full size."""
        native = {name: self._upsample(maps[picture], rows) for name, maps in self.maps.items()}
        size = (rows.stop - rows.start, self.out.size[1])
        return replace(self.out, native=NativeMaps(**native), size=size)

    def _upsample(self, maps: Tensor, rows: slice) -> Tensor:
        low, high, blend = self.rows[maps.shape[-2]]
        native = slice(int(low[rows.start]), int(high[rows.stop - 1]) + 1)
        # Rows first: interpolate takes half the time so, and the blend is a single matrix product.
        narrow = maps[:, native].float().transpose(0, 1)
        wide = F.interpolate(narrow, self.out.size[1], mode="linear", align_corners=self.out.align_corners)
        band = torch.mm(blend[rows, native], wide.flatten(1)).view(-1, *wide.shape[1:])
        return band.transpose(0, 1).unsqueeze(0)


def _row_blend(height: int, out: DenseOutput) -> tuple[NDArray[np.intp], NDArray[np.intp], Tensor]:
    """For each full-size row its first and last native row, and the [H, h] weights of ``F.interpolate``."""
    full = out.size[0]
    if out.align_corners:
        source = np.arange(full, dtype=np.float32) * np.float32((height - 1) / max(full - 1, 1))
    else:
        source = np.maximum((np.arange(full, dtype=np.float32) + 0.5) * np.float32(height / full) - 0.5, 0)
    low = np.minimum(source.astype(np.intp), height - 1)
    high = np.minimum(low + 1, height - 1)
    blend = np.zeros((full, height), np.float32)
    np.add.at(blend, (np.arange(full), low), 1 - (source - low))
    np.add.at(blend, (np.arange(full), high), source - low)
    return low, high, torch.from_numpy(blend).to(out.native.logits.device)

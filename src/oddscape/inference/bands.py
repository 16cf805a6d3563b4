"""Class map and scores at picture size, band by band.

A band of a few columns is upsampled, reduced to scores and classes while it lies in the cache, and forgotten.
Columns, because native maps lie row by row: a pass down a band of columns goes over whole vectors of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from oddscape.inference.interpolation import Neighbours, neighbours
from oddscape.inference.maps import Postprocessed, first_largest
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.scores import Score

_COLUMNS = 32  # fill the vectors and keep a band of 19 classes to 2.5 MB
_COLUMNS_ON_GPU = 256  # there each band costs some twenty launches, whatever its width

# Not a map: [N, Q, K + 1], and [M, N, K, h, w].
_WITHOUT_PLACE, _OF_MEMBERS = "class_logits", "member_logits"


def by_bands(out: DenseOutput, scores: Mapping[str, Score], band_columns: int | None = None) -> Postprocessed:
    """Classes and per-pixel scores, with memory for one band beside the maps themselves.

    Args:
        out: the network's output.
        scores: by name, all per pixel.
        band_columns: columns of a band; None: what suits the device.
    """
    band_columns = band_columns or (_COLUMNS_ON_GPU if out.native.logits.is_cuda else _COLUMNS)
    full, width = _unfilled(out, scores), out.size[1]
    upsampler = _BandUpsampler(out, {need for score in scores.values() for need in score.needs})
    for picture, left in product(range(len(full.classes)), range(0, width, band_columns)):
        columns = slice(left, min(left + band_columns, width))
        # No name for the band: the next one is to take its place in memory and cache.
        _fill(full, upsampler.band(picture, columns), scores, (picture, slice(None), columns))
    return full


def _unfilled(out: DenseOutput, scores: Mapping[str, Score]) -> Postprocessed:
    shape, device = (len(out.native.logits), *out.size), out.native.logits.device
    maps = {name: torch.empty(shape, device=device) for name in scores}
    return Postprocessed(torch.empty(shape, dtype=torch.uint8, device=device), maps)


def _fill(
    full: Postprocessed, band: DenseOutput, scores: Mapping[str, Score], place: tuple[int, slice, slice]
) -> None:
    for name, score in scores.items():
        full.scores[name][place] = score.function(band)[0]
    # Last, for it takes the band's own memory to work in.
    full.classes[place] = first_largest(band)[0]


class _BandUpsampler:
    """Bilinear upsampling to some columns of full-size maps: across by a matrix, down by interpolate."""

    def __init__(self, out: DenseOutput, names: set[str]) -> None:
        self.out = out
        self.native = {name: getattr(out.native, name) for name in {"logits", *names}}
        widths = {maps.shape[-1] for name, maps in self.native.items() if name != _WITHOUT_PLACE}
        across = {w: neighbours(w, out.size[1], align_corners=out.align_corners) for w in widths}
        device = out.native.logits.device
        # Float32 factors lose all but 10 bits in a GPU's products where TF32 is allowed; doubles never do.
        dtype = torch.float64 if device.type == "cuda" else torch.float32
        self.columns = {w: (found, _blend_matrix(found, w).to(device, dtype)) for w, found in across.items()}

    def band(self, picture: int, columns: slice) -> DenseOutput:
        """The given columns of one picture as an output of its own, already at full size."""
        native = {name: self._band_of(name, picture, columns) for name in self.native}
        size = (self.out.size[0], columns.stop - columns.start)
        return replace(self.out, native=NativeMaps(**native), size=size)

    def _band_of(self, name: str, picture: int, columns: slice) -> Tensor:
        native: Tensor = self.native[name]
        if name == _WITHOUT_PLACE:
            return native[picture : picture + 1]
        if name == _OF_MEMBERS:  # every member's channels side by side, and apart again
            members = native[:, picture]
            band = self._upsample(members.flatten(0, 1), columns)
            return band.view(len(members), 1, members.shape[1], *band.shape[-2:])
        return self._upsample(native[picture], columns)

    def _upsample(self, maps: Tensor, columns: slice) -> Tensor:
        """The given columns of maps [C, h, w] at full size, float32 [1, C, H, columns]."""
        across, blend = self.columns[maps.shape[-1]]
        native = slice(int(across.low[columns.start]), int(across.high[columns.stop - 1]) + 1)
        short = (maps[..., native].to(blend.dtype) @ blend[native, columns]).float()
        # [C, h, w] seen as C pictures of w channels, h wide, channels last: interpolate then goes over whole
        # vectors of columns and takes a third of the time.
        tall = F.interpolate(
            short.transpose(1, 2).unsqueeze(2),
            (1, self.out.size[0]),
            mode="bilinear",
            align_corners=self.out.align_corners,
        )
        return tall.squeeze(2).transpose(1, 2).unsqueeze(0)


def _blend_matrix(across: Neighbours, width: int) -> Tensor:
    """The weights that take ``width`` native columns to the n full-size ones, float32 [width, n]."""
    full = len(across.low)
    blend = np.zeros((width, full), np.float32)
    np.add.at(blend, (across.low, np.arange(full)), 1 - across.share)
    np.add.at(blend, (across.high, np.arange(full)), across.share)
    return torch.from_numpy(blend)

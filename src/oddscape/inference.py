"""From native maps to class map and scores at picture size, band by band.

The plain computation upsamples K logit maps to picture size (160 MB at 19 classes and 2048×1024) and walks
over them several times. Here a band of a few columns is upsampled, reduced to scores and classes while it
lies in the cache, and forgotten. Columns, because native maps lie row by row: a pass down a band of columns
goes over whole vectors of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from oddscape.data import resize_image
from oddscape.data.tensors import to_tensor
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.scores import Score
from oddscape.sizes import InferenceSize, Size, seen_size

BAND_COLUMNS = 32
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
    size: InferenceSize | None = None,
    output_size: Size | None = None,
) -> Postprocessed:
    """Show one picture to a network and compute its class map and scores by the fused path.

    Args:
        net: a network in evaluation mode.
        image: uint8 [H, W, 3].
        scores: the scores by name.
        size: (H, W) at which the network sees the picture, or its shorter side; None: its own.
        output_size: (H, W) of the maps; None: the picture's own.
    """
    device = next(net.parameters()).device
    own = (image.shape[0], image.shape[1])
    seen = resize_image(image, seen_size(own, size))
    out: DenseOutput = net(to_tensor(seen).to(device))
    return postprocess(replace(out, size=output_size or own), scores)


@torch.inference_mode()
def postprocess(
    out: DenseOutput, scores: Mapping[str, Score], band_columns: int = BAND_COLUMNS
) -> Postprocessed:
    """Compute the class map and several scores at picture size without full-size logits in memory.

    Equal to ``out.logits.argmax(1)`` and ``score(out)`` up to the rounding of float32 interpolation.

    Args:
        out: the network's output.
        scores: the scores by name; those that are not per pixel are computed whole. What is done to a
            finished map (:class:`~oddscape.scores.postprocessing.PostProcessing`) follows the bands.
        band_columns: columns of a band; 32 fill the vectors and keep a band of 19 classes to 2.5 MB.
    """
    full = _by_bands(out, scores, band_columns)
    whole = out if full.evidence is None else out.with_evidence(full.evidence)
    finished: dict[str, Tensor] = {}
    for name, score in scores.items():
        before = full.maps[name] if score.per_pixel else score.before_steps(whole)
        finished[name] = score.after_steps(before, full.classes)
    return Postprocessed(full.classes, finished)


@dataclass(frozen=True, eq=False)
class _FullSize:
    """What bands are put into, each [N, H, W]: classes, maps of per-pixel scores, evidence if wanted."""

    classes: Tensor
    maps: dict[str, Tensor]
    evidence: Tensor | None

    @classmethod
    def empty(cls, out: DenseOutput, scores: Mapping[str, Score]) -> _FullSize:
        make = partial(torch.empty, (len(out.native.logits), *out.size), device=out.native.logits.device)
        maps = {name: make() for name, score in scores.items() if score.per_pixel}
        wanted = any(score.reads_evidence for score in scores.values())
        return cls(make(dtype=torch.uint8), maps, make() if wanted else None)

    def fill(self, band: DenseOutput, scores: Mapping[str, Score], picture: int, columns: slice) -> None:
        place = (picture, slice(None), columns)
        for name, full in self.maps.items():
            full[place] = scores[name].function(band)[0]
        if self.evidence is not None:
            self.evidence[place] = band.log_evidence[0]
        # Last, for it takes the band's own memory to work in.
        self.classes[place] = _classes(band)[0]


def _by_bands(out: DenseOutput, scores: Mapping[str, Score], band_columns: int) -> _FullSize:
    full, width = _FullSize.empty(out, scores), out.size[1]
    upsampler = _BandUpsampler(out, {need for name in full.maps for need in scores[name].needs})
    for picture, left in product(range(len(full.classes)), range(0, width, band_columns)):
        columns = slice(left, min(left + band_columns, width))
        # No name for the band: the next one is to take its place in memory and cache.
        full.fill(upsampler.band(picture, columns), scores, picture, columns)
    return full


def _classes(band: DenseOutput) -> Tensor:
    """The first largest class, float32 [N, H, W], in a fifth of argmax's time; spoils the band's logits."""
    logits = band.native.logits
    number = torch.arange(logits.shape[1], dtype=torch.float32, device=logits.device).view(-1, 1, 1)
    # 0 at the maximum, far below elsewhere, less a speck for each class before: the largest tells its number.
    below_peak = logits.sub_(band.max_logit.unsqueeze(1))
    return below_peak.add_(number, alpha=-_SPECK).amax(1).mul_(-1 / _SPECK)


# Not a map: [N, Q, K + 1], and [M, N, K, h, w].
_WITHOUT_PLACE, _OF_MEMBERS = "class_logits", "member_logits"


class _BandUpsampler:
    """Bilinear upsampling to some columns of full-size maps: across by a matrix, down by interpolate."""

    def __init__(self, out: DenseOutput, names: set[str]) -> None:
        self.out = out
        self.native = {name: getattr(out.native, name) for name in {"logits", *names}}
        widths = {maps.shape[-1] for name, maps in self.native.items() if name != _WITHOUT_PLACE}
        self.columns = {width: _column_blend(width, out) for width in widths}

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
        low, high, blend = self.columns[maps.shape[-1]]
        native = slice(int(low[columns.start]), int(high[columns.stop - 1]) + 1)
        short = maps[..., native].float() @ blend[native, columns]
        # [C, h, w] seen as C pictures of w channels, h wide, channels last: interpolate then goes over whole
        # vectors of columns and takes a third of the time.
        tall = F.interpolate(
            short.transpose(1, 2).unsqueeze(2),
            (1, self.out.size[0]),
            mode="bilinear",
            align_corners=self.out.align_corners,
        )
        return tall.squeeze(2).transpose(1, 2).unsqueeze(0)


def _column_blend(width: int, out: DenseOutput) -> tuple[NDArray[np.intp], NDArray[np.intp], Tensor]:
    """For each full-size column its first and last native one; the [w, W] weights of ``F.interpolate``."""
    full = out.size[1]
    if out.align_corners:
        source = np.arange(full, dtype=np.float32) * np.float32((width - 1) / max(full - 1, 1))
    else:
        source = np.maximum((np.arange(full, dtype=np.float32) + 0.5) * np.float32(width / full) - 0.5, 0)
    low = np.minimum(source.astype(np.intp), width - 1)
    high = np.minimum(low + 1, width - 1)
    blend = np.zeros((width, full), np.float32)
    np.add.at(blend, (low, np.arange(full)), 1 - (source - low))
    np.add.at(blend, (high, np.arange(full)), source - low)
    return low, high, torch.from_numpy(blend).to(out.native.logits.device)

"""From native maps to class map and scores at picture size, band by band.

The plain computation upsamples K logit maps to picture size (160 MB at 19 classes and 2048×1024) and walks
over them several times. Here a band of a few columns is upsampled, reduced to scores and classes while it
lies in the cache, and forgotten. Columns, because native maps lie row by row: a pass down a band of columns
goes over whole vectors of them.
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
    device, shape = out.native.logits.device, (len(out.native.logits), *out.size)
    classes = torch.empty(shape, dtype=torch.uint8, device=device)
    maps = {name: torch.empty(shape, device=device) for name, score in scores.items() if score.per_pixel}
    wanted = any(score.reads_evidence for score in scores.values())
    evidence = torch.empty(shape, device=device) if wanted else None
    upsampler = _BandUpsampler(out, {need for name in maps for need in scores[name].needs})
    for picture in range(shape[0]):
        for left in range(0, out.size[1], band_columns):
            columns = slice(left, min(left + band_columns, out.size[1]))
            band = upsampler.band(picture, columns)
            for name, full in maps.items():
                full[picture, :, columns] = scores[name].function(band)[0]
            if evidence is not None:
                evidence[picture, :, columns] = band.log_evidence[0]
            # Last, for it takes the band's own memory to work in.
            classes[picture, :, columns] = _classes(band)[0]
            del band  # so that the next one takes its place in memory and cache
    whole = out if evidence is None else out.with_evidence(evidence)
    for name, score in scores.items():
        if not score.per_pixel:
            maps[name] = score.before_steps(whole)
    return Postprocessed(classes, {n: score.after_steps(maps[n], classes) for n, score in scores.items()})


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

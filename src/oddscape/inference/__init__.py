"""From native maps to class map and scores at picture size.

The plain computation upsamples K logit maps to picture size (160 MB at 19 classes and 2048×1024) and walks
over them several times. Here no full-size logits come into being: a CPU goes band by band
(:mod:`~oddscape.inference.bands`), a GPU computes each pixel in one kernel
(:mod:`~oddscape.inference.kernel`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from oddscape.data import resize_image
from oddscape.data.tensors import to_tensor
from oddscape.inference.bands import by_bands
from oddscape.inference.kernel import fits_kernel, in_one_kernel
from oddscape.inference.maps import Postprocessed, require_class_map
from oddscape.outputs import DenseOutput
from oddscape.scores import Score
from oddscape.sizes import InferenceSize, Size, seen_size

__all__ = ["Postprocessed", "postprocess", "run_network"]

_EVIDENCE = Score("ln p̂(x)", lambda out: out.log_evidence, "logsumexp_k f_k", "")


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
    out: DenseOutput, scores: Mapping[str, Score], band_columns: int | None = None
) -> Postprocessed:
    """Compute the class map and several scores at picture size without full-size logits in memory.

    Equal to ``out.logits.argmax(1)`` and ``score(out)`` up to the rounding of float32 interpolation. On a GPU
    the first call compiles, for some seconds; ``TORCH_COMPILE_DISABLE=1`` keeps to bands there, too.

    Args:
        out: the network's output.
        scores: the scores by name; those that are not per pixel are computed whole. What is done to a
            finished map (:class:`~oddscape.scores.postprocessing.PostProcessing`) comes last.
        band_columns: columns of a band; None: what suits the device.
    """
    with torch.autocast(out.native.logits.device.type, enabled=False):  # whatever the network ran under
        return _postprocess(out, scores, band_columns)


def _postprocess(out: DenseOutput, scores: Mapping[str, Score], band_columns: int | None) -> Postprocessed:
    require_class_map(out.num_classes)
    wanted = {name: score for name, score in scores.items() if score.per_pixel}
    if any(score.reads_evidence for score in scores.values()):
        wanted[_EVIDENCE.name] = _EVIDENCE
    full = _per_pixel(out, wanted, band_columns)
    whole = out.with_evidence(full.scores[_EVIDENCE.name]) if _EVIDENCE.name in wanted else out
    finished = {
        name: score.after_steps(
            full.scores[name] if score.per_pixel else score.before_steps(whole), full.classes
        )
        for name, score in scores.items()
    }
    return Postprocessed(full.classes, finished)


def _per_pixel(out: DenseOutput, scores: Mapping[str, Score], band_columns: int | None) -> Postprocessed:
    """Classes and per-pixel scores by what suits the device."""
    fused = None
    if out.native.logits.is_cuda:
        fused = in_one_kernel(out, {name: score for name, score in scores.items() if fits_kernel(score)})
    if fused is None:
        return by_bands(out, scores, band_columns)
    left = {name: score for name, score in scores.items() if name not in fused.scores}
    banded = by_bands(out, left, band_columns).scores if left else {}
    return Postprocessed(fused.classes, fused.scores | banded)

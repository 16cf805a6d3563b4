"""Mask classification: networks that give masks and a class for each, read as classes for each pixel."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from oddscape.models.adapters import channel_statistics
from oddscape.models.layers import LayerRecorder
from oddscape.models.padding import pad_to_multiple
from oddscape.models.square_windows import SquareWindows
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.sizes import Size

# Far below any float32 rounding of a sum of Q terms of at most 1; its reciprocal, as the gradient of the
# logarithm, may still be summed over millions of pixels.
_FLOOR = 1e-20


def class_evidence(mask_logits: Tensor, class_logits: Tensor) -> Tensor:
    """What the masks say about the class of each pixel, as logits: their softmax is the class posterior.

        ln S_k(x) = ln Σ_q softmax(class_logits)_qk · σ(mask_logits_q(x)),   k = 1 … K

    S_k is the semantic inference of MaskFormer (Cheng, Schwing, Kirillov, NeurIPS 2021); the class "no
    object" takes part in the softmax and is left out of the sums. The maximum softmax probability of these
    logits is max_k S_k / Σ_k S_k, and their logsumexp is ln Σ_k S_k.

    A sum is computed relative to the product of the pixel's largest mask and the class's largest probability,
    so that no query is lost to underflow, and is never taken for less than 10⁻²⁰ of that product: there the
    gradient is 0.

    Args:
        mask_logits: [N, Q, h, w].
        class_logits: [N, Q, K + 1], the last one for "no object".

    Returns:
        float32 [N, K, h, w]. It holds several maps of Q channels on the way, and no product of Q and K.
    """
    with torch.autocast(mask_logits.device.type, enabled=False):
        log_masks = F.logsigmoid(mask_logits.float())
        log_classes = class_logits.float().log_softmax(-1)[..., :-1]
        largest_mask = log_masks.detach().amax(1, keepdim=True)
        largest_class = log_classes.detach().amax(1, keepdim=True)
        masks, classes = (log_masks - largest_mask).exp(), (log_classes - largest_class).exp()
        sums = torch.einsum("nqk,nqhw->nkhw", classes, masks)
        return sums.clamp(min=_FLOOR).log() + largest_mask + largest_class.mT.unsqueeze(-1)


@dataclass(frozen=True)
class PaddedPicture:
    """A picture shown as it is, padded with the colour of its border; its maps are cut to it.

    Args:
        size: (H, W) of the picture.
        multiple: what the sides are padded to multiples of.
    """

    size: Size
    multiple: int

    def pictures(self, image: Tensor) -> Tensor:
        """Pad pictures [N, 3, H, W] on the right and at the bottom."""
        return pad_to_multiple(image, self.multiple)

    def maps(self, maps: Tensor) -> Tensor:
        """Of maps [N, C, h, w] the cells that lie over the picture, at least in part."""
        rows, columns = (
            -(-side * cells // (side + -side % self.multiple))
            for side, cells in zip(self.size, maps.shape[-2:], strict=True)
        )
        return maps[..., :rows, :columns]

    masks = maps

    def queries(self, class_logits: Tensor) -> Tensor:
        """The class logits as they are."""
        return class_logits


Showing = Callable[[Size], SquareWindows | PaddedPicture]
"""How a picture of a size (H, W) is shown to a network."""


class MaskClassification(nn.Module):
    """A network of masks and their classes as one of classes for each pixel.

    Its output holds ``logits``, see :func:`class_evidence`, beside ``mask_logits`` and ``class_logits``, all
    at the resolution of the masks. ``DenseOutput.logits`` upsamples the logits, that is the logarithm of S,
    bilinearly to the size of the picture. The ``transformers`` library's own post-processing upsamples masks
    before their sigmoid instead, Mask2Former's to 384×384, and then S: at the resolution of the masks the two
    agree, between their cells they differ a little.

    Classes that are not among the known ones are no class of their own: their probability goes to "no object"
    in ``class_logits``. The weights are those of the network, beginning with ``net.``.

    Args:
        net: maps normalised pictures to an object with ``masks_queries_logits`` [N, Q, h, w] and
            ``class_queries_logits`` [N, Q, C + 1].
        features: name of the layer whose maps are the output's features.
        normalise: mean and standard deviation of each colour channel.
        known: which of the C classes are the known ones, in order.
        void: the class that stands for "none of these".
        showing: how pictures of any size are shown to the network.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        net: nn.Module,
        *,
        features: str,
        normalise: tuple[Sequence[float], Sequence[float]],
        known: Sequence[int],
        void: int | None,
        showing: Showing,
    ) -> None:
        super().__init__()
        self.net, self.known, self.showing = net, tuple(known), showing
        self.void = () if void is None else (void,)
        self.recorder = LayerRecorder(net, features)
        weakref.finalize(self, self.recorder.remove)
        mean, std = channel_statistics(*normalise)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    @property
    def num_classes(self) -> int:
        """Number of known classes, K."""
        return len(self.known)

    def forward(self, image: Tensor) -> DenseOutput:
        """Segment pictures float [N, 3, H, W] in [0, 1]."""
        size = (image.shape[-2], image.shape[-1])
        shown = self.showing(size)
        returned: Any
        normalised = (shown.pictures(image) - self.mean) / self.std
        returned, features = self.recorder.run(self.net, normalised)
        masks = shown.masks(returned.masks_queries_logits)
        classes = shown.queries(returned.class_queries_logits)
        evidence = class_evidence(masks, _only(classes, self.known + self.void))
        maps = NativeMaps(
            evidence[:, : self.num_classes],
            void_logits=evidence[:, self.num_classes :] if self.void else None,
            features=shown.maps(features),
            mask_logits=masks,
            class_logits=_only(classes, self.known),
        )
        return DenseOutput(maps, size)


def _only(class_logits: Tensor, classes: tuple[int, ...]) -> Tensor:
    """Class logits of some classes; the probability of the others goes to "no object"."""
    count = class_logits.shape[-1] - 1
    if classes == tuple(range(count)):
        return class_logits
    others = [index for index in range(count + 1) if index not in classes]
    rest = class_logits[..., others].logsumexp(-1, keepdim=True)
    return torch.cat([class_logits[..., list(classes)], rest], -1)

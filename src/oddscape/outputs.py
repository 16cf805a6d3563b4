"""What a network says about a batch of pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils import _pytree as pytree

_LOG2_E = math.log2(math.e)


def upsample(maps: Tensor, size: tuple[int, int], *, align_corners: bool) -> Tensor:
    """Bring maps [N, C, h, w] to ``size`` = (H, W) bilinearly, in float32."""
    maps = maps.float()
    if maps.shape[-2:] == tuple(size):
        return maps
    return F.interpolate(maps, size, mode="bilinear", align_corners=align_corners)


@dataclass(frozen=True, eq=False)
class NativeMaps:
    """A network's maps as it made them: own resolution, own dtype.

    Args:
        logits: [N, K, h, w], of the K known classes alone.
        outlier_logits: [N, 2, h, w] of the outlier head; channel 1 = outlier.
        void_logits: [N, 1, h, w], a further class that stands for "none of these".
        features: [N, C, h, w], the layer that the classifier reads (of DiCNet's teacher: T).
        student_features: [N, C, h, w], DiCNet's student: S.
        mask_logits: [N, Q, h, w] of mask-classification networks.
        class_logits: [N, Q, K + 1] of mask-classification networks.
        member_logits: [M, N, K, h, w] of the M passes of an ensemble.
        auxiliary_logits: [N, K, h, w] of the branch that deep supervision trains; in training alone.
    """

    logits: Tensor
    outlier_logits: Tensor | None = None
    void_logits: Tensor | None = None
    features: Tensor | None = None
    student_features: Tensor | None = None
    mask_logits: Tensor | None = None
    class_logits: Tensor | None = None
    member_logits: Tensor | None = None
    auxiliary_logits: Tensor | None = None


class _computed_once:  # noqa: N801, used as a decorator
    """``functools.cached_property`` without its lock of Python 3.11, at which ``torch.compile`` gives up."""

    def __init__(self, compute: Callable[[Any], Tensor]) -> None:
        self.compute, self.__doc__ = compute, compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, out: Any, owner: type) -> Tensor:
        if out is None:
            return self  # type: ignore[return-value]  # what documentation tools ask the class for
        value = out.__dict__[self.name] = self.compute(out)
        return value


@dataclass(frozen=True, eq=False)
class DenseOutput:
    """A network's maps for N pictures, kept native and given at full size on request.

    It passes through ``torch.compile``, ``torch.export``, autocast and a network that accelerate prepared.
    Accelerate's ``gather`` takes the maps that are wanted, such as ``gather(out.logits)``, not the whole.

    Args:
        native: the maps as the network made them.
        size: (H, W) of the pictures.
        align_corners: how this network upsamples bilinearly.
    """

    native: NativeMaps
    size: tuple[int, int]
    align_corners: bool = False

    @property
    def logits(self) -> Tensor:
        """Logits of the known classes, float32 [N, K, H, W]."""
        return self.full_size(self.native.logits)

    @property
    def outlier_logits(self) -> Tensor | None:
        """Logits of the outlier head, float32 [N, 2, H, W]; channel 1 = outlier. None without the head."""
        return None if self.native.outlier_logits is None else self.full_size(self.native.outlier_logits)

    @property
    def void_logits(self) -> Tensor | None:
        """Logit of the void class, float32 [N, 1, H, W]. None without it."""
        return None if self.native.void_logits is None else self.full_size(self.native.void_logits)

    @property
    def mask_logits(self) -> Tensor | None:
        """Logits of the Q masks, float32 [N, Q, H, W]. None without mask classification."""
        return None if self.native.mask_logits is None else self.full_size(self.native.mask_logits)

    @property
    def member_logits(self) -> Tensor | None:
        """Logits of the M passes of an ensemble, float32 [M, N, K, H, W]. None without them."""
        members = self.native.member_logits
        if members is None:
            return None
        full = self.full_size(members.flatten(0, 1))
        return full.view(*members.shape[:3], *full.shape[-2:])

    # These two are kept once computed: nearly every score wants one of them, they are a K-th of the logits in
    # memory, and the exponentials are what a score costs.
    @_computed_once
    def max_logit(self) -> Tensor:
        """The largest logit of the known classes, float32 [N, H, W]."""
        return self.logits.amax(1)

    @_computed_once
    def log_evidence(self) -> Tensor:
        """``logsumexp`` of the logits over the known classes, float32 [N, H, W]; ln p̂(x) up to a constant."""
        # The gradient does not depend on what is subtracted, and detached it takes half the time. Powers of
        # two take a CPU half the time of powers of e.
        peak = self.max_logit.detach()
        below_peak = self.logits - peak.unsqueeze(1)
        return below_peak.mul_(_LOG2_E).exp2_().sum(1).log_().add_(peak)

    def with_evidence(self, log_evidence: Tensor) -> DenseOutput:
        """The same output with its ``log_evidence``, float32 [N, H, W], computed elsewhere."""
        told = replace(self)
        told.__dict__["log_evidence"] = log_evidence
        return told

    def full_size(self, maps: Tensor) -> Tensor:
        """Bring any map [N, C, h, w] of this output to picture size, float32 [N, C, H, W]."""
        return upsample(maps, self.size, align_corners=self.align_corners)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> DenseOutput:
        """The output with its maps on a device; accelerate's ``send_to_device`` calls it."""
        moved: DenseOutput = pytree.tree_map_only(
            Tensor, lambda maps: maps.to(device, non_blocking=non_blocking), self
        )
        return moved

    @property
    def num_classes(self) -> int:
        """Number of known classes, K."""
        return self.native.logits.shape[1]

    @property
    def fields(self) -> frozenset[str]:
        """Names of the native maps that this output holds."""
        return frozenset(f.name for f in fields(self.native) if getattr(self.native, f.name) is not None)


# Both are plain containers of tensors to export, compile and distributed gathering.
torch.export.register_dataclass(NativeMaps, serialized_type_name="oddscape.NativeMaps")


# The size is a child, not context, so that an export with dynamic sizes fills it in.
def _flatten(out: DenseOutput) -> tuple[list[Any], bool]:
    return [out.native, *out.size], out.align_corners


def _unflatten(children: Iterable[Any], align_corners: Any) -> DenseOutput:
    native, height, width = children
    return DenseOutput(native, (height, width), align_corners)


pytree.register_pytree_node(DenseOutput, _flatten, _unflatten, serialized_type_name="oddscape.DenseOutput")

"""Class map and logit scores at picture size in one kernel on a GPU, which ``torch.compile`` makes.

Every pixel gathers its four native neighbours, blends them and is reduced over the classes in registers: the
full-size logits are written down for the compiler, never to memory. The scores are the functions of
``SCORES`` themselves, so that a new one needs no kernel of its own, and several share one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from oddscape.inference.interpolation import neighbours
from oddscape.inference.maps import Postprocessed
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.scores import Score

_HEADS = ("outlier_logits", "void_logits")  # beside the logits, what the kernel upsamples
_MOST_UNROLLED = 32  # classes; beyond, generating the kernel takes minutes, and registers run out

Functions = tuple[tuple[str, Callable[[DenseOutput], Tensor]], ...]
"""Scores by name, in a form that can be looked up."""

Axis = tuple[Tensor, Tensor, Tensor]
"""Neighbours on a device: low and high, int64 [n], and share, float32 [n]."""

Placed = tuple[Tensor, Axis, Axis]
"""A native map [N, C, h, w], and the neighbours of the picture's rows and columns in it."""

Kernel = Callable[[dict[str, Placed]], tuple[Tensor, dict[str, Tensor]]]
"""From native maps to classes and scores, as ``classes_and_scores``."""

_refused: set[tuple[int, Functions]] = set()


def fits_kernel(score: Score) -> bool:
    """Whether a score is computed in the kernel: per pixel, of the logits and the heads' few channels."""
    sorts = "classes" in getattr(score.function, "keywords", {})  # the most probable ones: that does not fuse
    plain = score.per_pixel and score.kind == "outputs alone" and not sorts
    return plain and set(score.needs) <= set(_HEADS)


def in_one_kernel(out: DenseOutput, scores: Mapping[str, Score]) -> Postprocessed | None:
    """Classes and scores with no memory beside these maps; the first call compiles.

    Args:
        out: the network's output, on a GPU.
        scores: by name, all of them such that ``fits_kernel``.

    Returns:
        None where nothing could be compiled, for want of Triton for example; a warning says why, once.

    Raises:
        torch.OutOfMemoryError: the GPU has no room for the maps themselves.
    """
    functions = tuple((name, score.function) for name, score in scores.items())
    if torch._dynamo.config.disable or (out.num_classes, functions) in _refused:
        return None
    try:
        return run_kernel(compiled(out.num_classes, functions), out, scores)
    except Exception as problem:  # compilers and drivers raise what they like; bands need neither
        cause = getattr(problem, "inner_exception", problem)
        if isinstance(cause, torch.OutOfMemoryError):
            raise cause from None  # bands take even more
        _refused.add((out.num_classes, functions))
        reason = str(cause).strip().partition("\n")[0]
        warnings.warn(
            f"class maps and scores are computed in bands, not in one kernel: {reason}", stacklevel=3
        )
        return None


def run_kernel(kernel: Kernel, out: DenseOutput, scores: Mapping[str, Score]) -> Postprocessed:
    """Apply ``classes_and_scores``, compiled or not, to a network's output."""
    needed = ("logits", *sorted({need for score in scores.values() for need in score.needs}))
    return Postprocessed(*kernel({name: _placed(getattr(out.native, name), out) for name in needed}))


@lru_cache(maxsize=32)
def compiled(num_classes: int, functions: Functions) -> Kernel:
    """``classes_and_scores`` of these scores, compiled to one kernel for each new kind of maps."""

    def kernel(native: dict[str, Placed]) -> tuple[Tensor, dict[str, Tensor]]:
        return classes_and_scores(functions, native)

    # The compiler stores what it made by code object, and gives up at eight variants (dtypes, sizes that
    # vary, GPUs): these scores are to have eight of their own.
    kernel.__code__ = kernel.__code__.replace()
    return torch.compile(kernel, fullgraph=True, options=_options(num_classes))


def _options(num_classes: int) -> dict[str, Any]:
    """What makes Inductor fuse all of it. Its defaults suit values that are dear to compute again."""
    return {
        # Sums and maxima over the classes become straight code: threads stay with pixels that lie side by
        # side, whose loads coalesce, and reductions fuse like any other arithmetic.
        "unroll_reductions_threshold": min(num_classes, _MOST_UNROLLED) + 1,
        "realize_opcount_threshold": _most_operations(num_classes),
        "realize_reads_threshold": 32,  # an interpolated logit reads 7 buffers, and scores add their own
        "realize_acc_reads_threshold": 32,
        # A small picture's sums over many classes are not dealt out to several kernels, which would pass its
        # logits on through memory; what is compiled for it may serve larger pictures, too.
        "split_reductions": False,
    }


def _most_operations(num_classes: int) -> int:
    """Above how many operations Inductor gives a value a name of its own: a register, or memory.

    What each class has must stay below, for it would go to memory: an interpolated logit has 22 operations,
    the longest formula of ``SCORES`` on it 42. What is reduced over the classes must lie above, for it would
    be computed again for each class: a maximum has 14 operations a class, and 8. With one or two classes
    nothing lies between, and nothing is dear.
    """
    return min(12 * num_classes + 10, 100) if num_classes > 2 else 10_000


def classes_and_scores(functions: Functions, native: dict[str, Placed]) -> tuple[Tensor, dict[str, Tensor]]:
    """The whole computation, for the compiler: uncompiled, it takes the memory of full-size logits.

    Args:
        functions: of the scores.
        native: maps of :class:`~oddscape.outputs.NativeMaps` by name.

    Returns:
        Classes, uint8 [N, H, W], and scores by name, float32 [N, H, W].
    """
    full = NativeMaps(**{name: blended(*placed) for name, placed in native.items()})
    height, width = full.logits.shape[2:]
    out = DenseOutput(full, (height, width))
    scores = {name: score(out) for name, score in functions}
    # Not first_largest, which needs a class less the peak to be exactly 0: beyond _MOST_UNROLLED the kernel
    # blends logits once for the peak and once more for the difference, and may round them otherwise.
    return out.logits.argmax(1).to(torch.uint8), scores


def blended(maps: Tensor, rows: Axis, columns: Axis) -> Tensor:
    """Maps [N, C, h, w] at full size, float32 [N, C, H, W], as ``F.interpolate`` blends them."""
    top, bottom, down = (part.unsqueeze(1) for part in rows)
    left, right, across = columns

    def at(row: Tensor, column: Tensor) -> Tensor:
        # maps[:, :, row, column], without a check in the kernel that there are such places.
        found: Tensor = torch.ops.aten._unsafe_index(maps, [None, None, row, column])
        return found.float()

    upper = at(top, left) * (1 - across) + at(top, right) * across
    lower = at(bottom, left) * (1 - across) + at(bottom, right) * across
    return upper * (1 - down) + lower * down


def _placed(maps: Tensor, out: DenseOutput) -> Placed:
    maps = maps.detach()  # marked below, and of one kind for the compiler whether it has a gradient or not
    # Classes are unrolled, so their number is part of the kernel; all other sizes may vary.
    torch._dynamo.mark_static(maps, 1)
    rows, columns = (
        _axis(side, maps.shape[2:][side], out.size[side], out.align_corners, maps.device) for side in (0, 1)
    )
    return maps, rows, columns


@lru_cache(maxsize=32)
def _axis(side: int, native: int, full: int, align_corners: bool, device: torch.device) -> Axis:
    # The side tells rows from columns of a square picture: one tensor in both places would be another kind
    # of input to the compiler, and another kernel.
    del side
    found = neighbours(native, full, align_corners=align_corners)
    low, high, share = (torch.from_numpy(part).to(device) for part in (found.low, found.high, found.share))
    return low, high, share

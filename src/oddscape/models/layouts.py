"""Which known network weights belong to, told from their names and shapes alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import torch
from torch import nn

from oddscape.models.dicnet import DiCNet
from oddscape.models.pspnet import PSPNet

Shapes = Mapping[str, tuple[int, ...]]
"""Name of each weight → its shape."""

# Weights of which less than this share is a known network's are not called by its name.
_ALIKE = 0.7
_COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Likeness:
    """The known network that weights look most like.

    Args:
        model: its name in ``MODELS``.
        part: which of the files it is released in (see :func:`parts_of`); empty for all of it.
        num_classes: the classes that the weights are for, void counted where it has an output; None where
            no shape tells.
        share: of all names in either, those that are in both with the same shape, in [0, 1].
    """

    model: str
    part: str
    num_classes: int | None
    share: float

    def __str__(self) -> str:
        part = f"'s {self.part.replace('_', ' ')}" if self.part else ""
        return f"{self.model}{part}" + (f" for {self.num_classes} classes" if self.num_classes else "")


@dataclass(frozen=True)
class _Layout:
    """Names and shapes for two classes, and along which axis shapes grow with the classes."""

    shapes: Shapes
    class_axes: dict[str, int]

    def num_classes(self, shapes: Shapes) -> int | None:
        counts = [
            shapes[name][axis]
            for name, axis in self.class_axes.items()
            if name in shapes and len(shapes[name]) == len(self.shapes[name])
        ]
        return max(counts, key=counts.count) if counts else None

    def share(self, shapes: Shapes) -> float:
        num_classes = self.num_classes(shapes)
        alike = sum(shapes.get(name) == self._shape(name, num_classes) for name in self.shapes)
        return alike / len(self.shapes.keys() | shapes.keys())

    def _shape(self, name: str, num_classes: int | None) -> tuple[int, ...]:
        shape = list(self.shapes[name])
        if name in self.class_axes and num_classes is not None:
            shape[self.class_axes[name]] = num_classes
        return tuple(shape)


def parts_of(net: nn.Module) -> dict[str, nn.Module]:
    """The modules of a network whose weights are released in files of their own, by the file's role.

    ``teacher_encoder`` and ``teacher_decoder`` for a PSPNet, ``student`` besides for a DiCNet around one;
    none for any other network.
    """
    teacher = net.teacher if isinstance(net, DiCNet) else net
    if not isinstance(teacher, PSPNet):
        return {}
    parts: dict[str, nn.Module] = {"teacher_encoder": teacher.encoder, "teacher_decoder": teacher.decoder}
    return parts | {"student": net.student} if isinstance(net, DiCNet) else parts


def shapes_of(weights: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of weights, without batch norms' counters, which old files lack and nothing reads."""
    return {name: tuple(weight.shape) for name, weight in weights.items() if not name.endswith(_COUNTER)}


def recognise(shapes: Shapes) -> Likeness | None:
    """Find the known network that weights of these names and shapes look most like, None if like none."""
    likenesses = [
        Likeness(model, part, layout.num_classes(shapes), layout.share(shapes))
        for (model, part), layout in _layouts().items()
    ]
    best = max(likenesses, key=lambda likeness: likeness.share)
    return best if best.share >= _ALIKE else None


@cache
def _layouts() -> dict[tuple[str, str], _Layout]:
    """Layouts of all networks and their parts, by network and part."""
    from oddscape.models import MODELS

    layouts: dict[tuple[str, str], _Layout] = {}
    for name, make in MODELS.items():
        two, three = _without_memory(make, 2), _without_memory(make, 3)
        layouts[name, ""] = _layout(two, three)
        if isinstance(two, DiCNet):
            parts = zip(parts_of(two).items(), parts_of(three).values(), strict=True)
            layouts |= {(name, role): _layout(part, other) for (role, part), other in parts}
    return layouts


def _without_memory(make: Callable[..., nn.Module], num_classes: int) -> nn.Module:
    with torch.device("meta"):
        return make(num_classes)


def _layout(two: nn.Module, three: nn.Module) -> _Layout:
    shapes, more = shapes_of(two.state_dict()), shapes_of(three.state_dict())
    axes = {
        name: next(axis for axis, length in enumerate(shape) if length != more[name][axis])
        for name, shape in shapes.items()
        if shape != more[name]
    }
    return _Layout(shapes, axes)

"""DiCNet (Zhou et al., arXiv 2112.09908): a frozen teacher and a student that reproduces its features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Self

import torch
from torch import Tensor, nn

from oddscape.outputs import DenseOutput


class DiCNet(nn.Module):
    """A segmentation network beside a student of its features, as one network.

    On known content student and teacher agree, elsewhere they do not: the score ``dicnet``. The classes are
    the teacher's, whose work is done once.

    Args:
        teacher: a network whose output holds ``features``; it is frozen and stays in evaluation mode.
        student: pictures [N, 3, H, W] in [0, 1] to features of the teacher's shape.
    """

    def __init__(self, teacher: nn.Module, student: nn.Module) -> None:
        super().__init__()
        self.teacher = teacher.requires_grad_(False).eval()
        self.student = student

    @property
    def num_classes(self) -> int:
        """Number of known classes, the teacher's."""
        return int(self.teacher.num_classes)  # type: ignore[arg-type]

    def train(self, mode: bool = True) -> Self:
        """Switch the student alone: the teacher never trains."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(self, image: Tensor) -> DenseOutput:
        """The teacher's output for pictures [N, 3, H, W] with ``student_features`` added."""
        teacher: Callable[[Tensor], DenseOutput] = self.teacher
        with torch.no_grad():
            out = teacher(image)
        return replace(out, native=replace(out.native, student_features=self.student(image)))

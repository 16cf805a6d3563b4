"""Scores that compare a student's features with its teacher's."""

from __future__ import annotations

from torch import Tensor

from oddscape.outputs import DenseOutput, upsample


def dicnet(out: DenseOutput) -> Tensor:
    """DiCNet's score: mean over channels of (T − S)², brought to picture size; at least 0."""
    teacher, student = out.native.features, out.native.student_features
    assert teacher is not None, "Score.__call__ checks what a score needs"
    assert student is not None, "Score.__call__ checks what a score needs"
    discrepancy = (teacher.float() - student.float()).square().mean(1, keepdim=True)
    return upsample(discrepancy, out.size, align_corners=True).squeeze(1)

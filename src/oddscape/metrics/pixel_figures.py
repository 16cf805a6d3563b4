"""The figures of pixels: AP, AUROC, FPR95, best F1, and how far each may be off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from oddscape.interval import Interval
from oddscape.metrics.fpr_rules import fpr
from oddscape.metrics.operating_points import OperatingPoints, auroc, average_precision, best_f1


class PixelFigures(NamedTuple):
    """The figures of some pixels, fractions in [0, 1]; NaN where one kind is missing."""

    average_precision: float
    auroc: float
    fpr95: float
    threshold: float
    best_f1: float
    best_f1_threshold: float
    positives: int
    negatives: int


@dataclass(frozen=True)
class Bounds:
    """Certified intervals: the figure of the very pixels lies in them; both ends NaN where undefined.

    Args:
        average_precision: of AP.
        auroc: of the area under the ROC curve.
        fpr95: of the false-positive rate at 95 % recall by the rule asked for.
        best_f1: of the greatest F1.
    """

    average_precision: Interval
    auroc: Interval
    fpr95: Interval
    best_f1: Interval


def pixel_figures(points: OperatingPoints, fpr_rule: str) -> PixelFigures:
    """Make all figures of counted pixels."""
    return PixelFigures(
        average_precision(points),
        auroc(points),
        *fpr(points, fpr_rule),
        *best_f1(points),
        points.positives,
        points.negatives,
    )


def without_width(figures: PixelFigures) -> Bounds:
    """The intervals of figures that are exact."""
    exact = figures.average_precision, figures.auroc, figures.fpr95, figures.best_f1
    return Bounds(*(Interval(figure, figure) for figure in exact))

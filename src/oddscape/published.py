"""Figures that others published, with their sources: rows to compare with, never results of this program."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class PublishedRow:
    """One method on one benchmark as published; figures are fractions in [0, 1], NaN where not given.

    Args:
        protocol: name of the protocol whose data set and rules are nearest; the split may be another.
        method: the method as its source calls it.
        saw_outliers: whether it trained on outlier data; None: not said.
        average_precision: AP.
        fpr95: FPR95.
        auroc: AUROC.
        best_f1: best pixel F1.
        siou: mean sIoU of components.
        ppv: mean PPV of components.
        f1_star: mean component F1.
        source: where the figures stand, and on which split.
    """

    protocol: str
    method: str
    saw_outliers: bool | None
    average_precision: float
    fpr95: float
    auroc: float
    best_f1: float
    siou: float
    ppv: float
    f1_star: float
    source: str


_FIGURES = ("average_precision", "fpr95", "auroc", "best_f1", "siou", "ppv", "f1_star")
_SAW_OUTLIERS = {"yes": True, "no": False, "": None}


@cache
def published() -> tuple[PublishedRow, ...]:
    """Every published row, in the order of its source."""
    text = files("oddscape").joinpath("published.csv").read_text(encoding="utf-8")
    return tuple(_row(record) for record in csv.DictReader(text.splitlines()))


def published_under(protocol: str) -> list[PublishedRow]:
    """The rows nearest to a protocol, by its name; none where nothing is known."""
    return [row for row in published() if row.protocol == protocol]


def _row(record: dict[str, str]) -> PublishedRow:
    figures = {name: float(record[name]) / 100 if record[name] else math.nan for name in _FIGURES}
    return PublishedRow(
        protocol=record["protocol"],
        method=record["method"],
        saw_outliers=_SAW_OUTLIERS[record["saw_outliers"]],
        source=record["source"],
        **figures,
    )

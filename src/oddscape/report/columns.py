"""The columns of figures that a table shows, and the best value of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from oddscape.protocols import Aggregation
from oddscape.report.sections import Row
from oddscape.report.wording import percent
from oddscape.results import Figures


@dataclass(frozen=True)
class Column:
    """A column of fractions.

    Args:
        name: its heading.
        value: reads it from a row; NaN where undefined.
        reason: reads why it is undefined for a row; "" if nobody says.
        higher_is_better: otherwise lower is.
    """

    name: str
    value: Callable[[Row], float]
    reason: Callable[[Row], str]
    higher_is_better: bool = True

    def best(self, rows: Sequence[Row]) -> set[int]:
        """Indices of the rows whose value is best as printed; none where all are equal."""
        values = {row.index: round(self.value(row), 4) for row in rows if not math.isnan(self.value(row))}
        if len(set(values.values())) < 2:
            return set()
        best = max(values.values()) if self.higher_is_better else min(values.values())
        return {index for index, value in values.items() if value == best}

    def text(self, row: Row) -> str:
        """The value in percent, or a dash."""
        return percent(self.value(row))


def pixel_columns(aggregation: Aggregation) -> list[Column]:
    """AP, FPR95 and AUROC over all pixels, or as means over pictures."""

    def figures(row: Row) -> Figures:
        return row.result.pooled if aggregation == "pooled" else row.result.per_picture

    def reason(row: Row) -> str:
        return figures(row).undefined

    return [
        Column("AP", lambda row: figures(row).average_precision, reason),
        Column("FPR95", lambda row: figures(row).fpr95, reason, higher_is_better=False),
        Column("AUROC", lambda row: figures(row).auroc, reason),
    ]


def segmentation_columns(rows: Sequence[Row]) -> list[Column]:
    """The open-set and closed-set columns for which these rows hold figures."""
    columns = []
    if any(row.result.open_set is not None for row in rows):
        columns += [
            _open_set_column("open-mIoU", "open_miou"),
            _open_set_column("anomaly IoU", "anomaly_iou"),
        ]
    if any(not math.isnan(row.run.closed_miou) for row in rows):
        columns.append(Column("closed mIoU", lambda row: row.run.closed_miou, lambda _: "no class labels"))
    if any(row.result.open_set is not None for row in rows):
        columns.append(_open_set_column("gap", "gap", higher_is_better=False))
    return columns


def _open_set_column(name: str, field: str, *, higher_is_better: bool = True) -> Column:
    def value(row: Row) -> float:
        return math.nan if row.result.open_set is None else float(getattr(row.result.open_set, field))

    def reason(row: Row) -> str:
        return "not computed" if row.result.open_set is None else row.result.open_set.undefined

    return Column(name, value, reason, higher_is_better)

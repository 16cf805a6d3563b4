"""The figures that a table shows, each by its name in the results, in groups under one heading."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from oddscape.interval import Interval
from oddscape.protocols import Aggregation
from oddscape.report.sections import Row
from oddscape.report.wording import AGGREGATIONS, certified_words, interval_words, percent
from oddscape.results import Results, ScoreResult

_OF_THE_RUN = ("closed_miou", "calibration")
_FROM_CLASS_LABELS = ("closed_miou", "calibration", "mistakes")
_PREFIXES = {"per_picture": "mean ", "smiyc": "SegmentMeIfYouCan's "}


@dataclass(frozen=True)
class Column:
    """A column of fractions.

    Args:
        name: its heading.
        figure: the figure's name, as in ``"pooled.fpr95"``; ``"closed_miou"`` and ``"calibration.error"`` are
            the run's.
        higher_is_better: otherwise lower is.
    """

    name: str
    figure: str
    higher_is_better: bool = True

    @property
    def full_name(self) -> str:
        """Its name where figures of several groups stand side by side."""
        return _PREFIXES.get(self.figure.partition(".")[0], "") + self.name

    def value(self, row: Row) -> float:
        """The figure; NaN where it is undefined."""
        found = self._look(row, self.figure)
        return math.nan if found is None else float(found)

    def reason(self, row: Row) -> str:
        """Why it is undefined; "" if nobody says."""
        part = self.figure.rpartition(".")[0]
        holder = self._look(row, part) if part else None
        if holder is not None:
            return str(holder.undefined)
        return "no class labels" if self.figure.startswith(_FROM_CLASS_LABELS) else "not computed"

    def interval(self, row: Row) -> Interval | None:
        """Its 95 % bootstrap interval, where there is one."""
        found = self._holder(row).intervals.get(self.figure)
        return None if found is None or math.isnan(found.width) else found

    def certified(self, row: Row) -> Interval | None:
        """What is certain to hold the exact figure, where that is wider than the printed digits."""
        found = row.result.certified.get(self.figure)
        return found if found is not None and percent(found.low) != percent(found.high) else None

    def replicates(self, row: Row) -> list[float]:
        """The figure in every bootstrap replicate; none where nobody drew any."""
        return self._holder(row).replicates.get(self.figure, [])

    def concerns(self, row: Row) -> bool:
        """Whether the row has this figure, or says why not."""
        part = self.figure.rpartition(".")[0]
        explained = bool(part) and self._look(row, part) is not None and bool(self.reason(row))
        return explained or not math.isnan(self.value(row))

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

    def interval_text(self, row: Row) -> str:
        """Its interval in percent, as in ``"20–35"``; "" where there is none."""
        found = self.interval(row)
        return "" if found is None else interval_words(found)

    def certified_text(self, row: Row) -> str:
        """Its certified interval in percent; "" where the printed digits are certain."""
        found = self.certified(row)
        return "" if found is None else certified_words(found)

    def _holder(self, row: Row) -> Results | ScoreResult:
        return row.run if self.figure.startswith(_OF_THE_RUN) else row.result

    def _look(self, row: Row, name: str) -> Any:
        found: Any = self._holder(row)
        for part in name.split("."):
            found = None if found is None else getattr(found, part)
        return found


@dataclass(frozen=True)
class ColumnGroup:
    """Columns under one heading.

    Args:
        title: the heading.
        columns: at least one.
        headline: whether the protocol asks for these figures first.
    """

    title: str
    columns: list[Column]
    headline: bool = False


def pixel_columns(aggregation: Aggregation) -> list[Column]:
    """AP, FPR95, AUROC and best F1 over all pixels, or as means over pictures."""
    part = "pooled" if aggregation == "pooled" else "per_picture"
    return [
        Column("AP", f"{part}.average_precision"),
        Column("FPR95", f"{part}.fpr95", higher_is_better=False),
        Column("AUROC", f"{part}.auroc"),
        Column("F1", f"{part}.best_f1"),
    ]


SMIYC_TITLE = "SegmentMeIfYouCan's own figures"

SMIYC_COLUMNS = [
    Column("AP", "smiyc.average_precision"),
    Column("FPR95", "smiyc.fpr95", higher_is_better=False),
    Column("F1", "smiyc.best_f1"),
    Column("sIoU", "components.siou"),
    Column("PPV", "components.ppv"),
    Column("F1*", "components.f1"),
]
"""What SegmentMeIfYouCan's tables show."""

OPEN_SET_COLUMNS = [
    Column("open-mIoU", "open_set.open_miou"),
    Column("anomaly IoU", "open_set.anomaly_iou"),
    Column("closed mIoU", "closed_miou"),
    Column("gap", "open_set.gap", higher_is_better=False),
]

MISTAKE_COLUMNS = [
    Column("cFPR", "mistakes.cfpr", higher_is_better=False),
    Column("eFPR", "mistakes.efpr", higher_is_better=False),
    Column("closed ECE", "calibration.error", higher_is_better=False),
    Column("open ECE", "open_set.calibration.error", higher_is_better=False),
]
"""False alarms where the network classifies rightly or wrongly; calibration without and with the decision."""


def pixel_group(rows: Sequence[Row], aggregation: Aggregation, *, headline: bool = True) -> ColumnGroup:
    """The pixel figures of one aggregation; AP, FPR95 and AUROC stand there even if nobody knows them."""
    columns = pixel_columns(aggregation)
    shown = [column for column in columns if column.name != "F1" or _concerns(column, rows)]
    return ColumnGroup(AGGREGATIONS[aggregation], shown, headline)


def other_groups(rows: Sequence[Row]) -> list[ColumnGroup]:
    """The groups beyond the headline for which these rows hold figures."""
    named = {
        SMIYC_TITLE: SMIYC_COLUMNS,
        "open set": OPEN_SET_COLUMNS,
        "mistakes and calibration": MISTAKE_COLUMNS,
    }
    found = {title: [c for c in columns if _concerns(c, rows)] for title, columns in named.items()}
    return [ColumnGroup(title, columns) for title, columns in found.items() if columns]


def _concerns(column: Column, rows: Sequence[Row]) -> bool:
    return any(column.concerns(row) for row in rows)

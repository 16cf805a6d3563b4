"""Published figures as rows: which columns they fill, and where they come from."""

from __future__ import annotations

import math
from collections.abc import Sequence

from oddscape.published import PublishedRow

PUBLISHED_NOTE = "published by others, not measured here, and on the split that the source names"

_COLUMNS = (
    ("AP", "average_precision"),
    ("FPR95", "fpr95"),
    ("AUROC", "auroc"),
    ("F1", "best_f1"),
    ("sIoU", "siou"),
    ("PPV", "ppv"),
    ("F1*", "f1_star"),
)


def published_columns(rows: Sequence[PublishedRow]) -> list[tuple[str, str]]:
    """Pairs of heading and field for the figures that any of the rows gives."""
    return [pair for pair in _COLUMNS if any(not math.isnan(getattr(row, pair[1])) for row in rows)]


def sources(rows: Sequence[PublishedRow]) -> dict[str, int]:
    """The rows' sources, numbered from 1 in order of first appearance."""
    return {source: number for number, source in enumerate(dict.fromkeys(row.source for row in rows), 1)}

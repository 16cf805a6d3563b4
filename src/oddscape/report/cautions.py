"""What a reader must know beside the figures: rows at chance level and undefined figures."""

from __future__ import annotations

import math
from collections.abc import Sequence

from oddscape.report.columns import Column
from oddscape.report.sections import Row
from oddscape.report.wording import percent


def chance_caution(row: Row) -> str:
    """Say so where a row's figures are no better than chance, as those of a score of the wrong sign; else "".

    A random score has AUROC 0.5 and, over all pixels, an AP equal to the share of anomalous pixels. A tenth
    above that share still counts as chance.
    """
    share, pooled, mean = row.run.anomaly_share, row.result.pooled, row.result.per_picture
    found = []
    if pooled.average_precision < share + 0.1 * min(share, 1 - share):
        found.append(f"pooled AP {percent(pooled.average_precision)}, anomalous pixels {percent(share)} %")
    if pooled.auroc < 0.5:
        found.append(f"pooled AUROC {percent(pooled.auroc)}")
    if mean.auroc < 0.5:
        found.append(f"mean AUROC {percent(mean.auroc)}")
    return f"no better than chance, flipped sign? ({'; '.join(found)})" if found else ""


def undefined_cautions(row: Row, columns: Sequence[Column]) -> list[str]:
    """Say why the dashes of a row are there, once for each reason."""
    reasons: dict[str, list[str]] = {}
    for column in columns:
        if math.isnan(column.value(row)):
            reasons.setdefault(column.reason(row), []).append(column.name)
    return [
        f"{', '.join(names)} undefined: {reason or 'no reason given'}" for reason, names in reasons.items()
    ]


def cautions(row: Row, columns: Sequence[Column]) -> list[str]:
    """All that a reader must know beside a row's figures in these columns."""
    chance = chance_caution(row)
    return [*([chance] if chance else []), *undefined_cautions(row, columns)]

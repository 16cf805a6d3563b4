"""What a reader must know beside the figures: chance, ties, undefined figures, few units, unseen classes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from oddscape.interval import few_units
from oddscape.report.columns import Column
from oddscape.report.sections import Row, Section
from oddscape.report.wording import percent
from oddscape.results import Results

FEW_SCORES = 256
"""So many different scores, or fewer, deserve a caution: 8 bits have no more."""


def row_flag(row: Row) -> str:
    """The word that marks a row: ``"constant"``, ``"chance?"`` or ``"ties"``; "" for a sound one."""
    if _is_constant(row):
        return "constant"
    return "chance?" if chance_caution(row) else "ties" if ties_caution(row) else ""


def row_caution(row: Row) -> str:
    """What is the matter with a marked row."""
    return "; ".join(filter(None, [ties_caution(row), chance_caution(row)]))


def chance_caution(row: Row) -> str:
    """Say so where a row's figures are no better than chance, as those of a score of the wrong sign; else "".

    A random score has AUROC 0.5 and, over all pixels, an AP equal to the share of anomalous pixels. A tenth
    above that share still counts as chance.
    """
    if _is_constant(row):
        return ""  # ties_caution says what is the matter
    share, pooled, mean = row.run.anomaly_share, row.result.pooled, row.result.per_picture
    found = []
    if pooled.average_precision < share + 0.1 * min(share, 1 - share):
        found.append(f"pooled AP {percent(pooled.average_precision)}, anomalous pixels {percent(share)} %")
    if pooled.auroc < 0.5:
        found.append(f"pooled AUROC {percent(pooled.auroc)}")
    if mean.auroc < 0.5:
        found.append(f"mean AUROC {percent(mean.auroc)}")
    return f"no better than chance, flipped sign? ({'; '.join(found)})" if found else ""


def ties_caution(row: Row) -> str:
    """Say so where the counted pixels have one score, or so few that ties decide; else ""."""
    distinct = row.result.distinct_scores
    if _is_constant(row):
        return "a constant score: every counted pixel has the same"
    if 0 < distinct <= FEW_SCORES:
        return f"few different scores ({distinct} seen): pixels that tie cannot be told apart"
    return ""


def _is_constant(row: Row) -> bool:
    # Not every pixel is looked at to count scores; AUROC knows them all, and ties alone give one half.
    return row.result.distinct_scores == 1 and not abs(row.result.pooled.auroc - 0.5) > 1e-9


def undefined_cautions(row: Row, columns: Sequence[Column]) -> list[str]:
    """Say why the dashes of a row are there, once for each reason."""
    reasons: dict[str, list[str]] = {}
    for column in columns:
        if math.isnan(column.value(row)):
            reasons.setdefault(column.reason(row), []).append(column.full_name)
    return [
        f"{', '.join(names)} undefined: {reason or 'no reason given'}" for reason, names in reasons.items()
    ]


def replicate_cautions(row: Row, columns: Sequence[Column]) -> list[str]:
    """Say how many replicates an interval does not count, where they are one in a hundred or more."""
    found: dict[tuple[int, int], list[str]] = {}
    for column in columns:
        replicates = column.replicates(row)
        undefined = sum(map(math.isnan, replicates))
        if column.interval(row) is not None and 100 * undefined >= len(replicates) > 0:
            found.setdefault((undefined, len(replicates)), []).append(column.full_name)
    return [
        f"{', '.join(names)} undefined in {undefined:,} of {total:,} replicates, left out of the interval"
        for (undefined, total), names in found.items()
    ]


def certified_cautions(row: Row, columns: Sequence[Column]) -> list[str]:
    """Say where the streaming engine's figures are certain to lie, where their digits are not."""
    found = [f"{column.full_name} in {text}" for column in columns if (text := column.certified_text(row))]
    return [f"certified: {', '.join(found)}"] if found else []


def cautions(row: Row, columns: Sequence[Column]) -> list[str]:
    """All that a reader must know beside a row's figures in these columns."""
    known = [ties_caution(row), chance_caution(row)]
    return [
        *filter(None, known),
        *undefined_cautions(row, columns),
        *replicate_cautions(row, columns),
        *certified_cautions(row, columns),
    ]


def section_cautions(section: Section) -> list[str]:
    """All that a reader must know of the whole section: few units, classes never seen, sizes not known."""
    run = section.runs[0]
    known = [_few_units(run), _unseen(run), _without_sizes(section), _without_classes(section)]
    return [*filter(None, known)]


def _few_units(run: Results) -> str:
    drawn = run.units and run.known_pixels and run.anomalous_pixels
    return few_units(run.units, run.unit) if drawn else ""


def _without_sizes(section: Section) -> str:
    rows = [row for row in section.rows if row.run.engine == "streaming" and not row.result.sizes]
    models = ", ".join(dict.fromkeys(row.model for row in rows))
    return f"no figures by size of {models}: the streaming engine keeps no scores" if models else ""


def _without_classes(section: Section) -> str:
    runs = zip(section.models, section.runs, strict=True)
    models = ", ".join(model for model, run in runs if run.source == "score files")
    wanted = section.protocol.open_set and models
    return f"no open-mIoU of {models}: score files name no classes" if wanted else ""


def _unseen(run: Results) -> str:
    pairs = zip(run.class_iou, run.closed_matrix, strict=False)
    names = [name for name, pixels in pairs if not sum(pixels)]
    if not names:
        return ""
    return f"classes of which no counted pixel was seen: {', '.join(names)}"

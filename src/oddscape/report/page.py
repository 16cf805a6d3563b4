"""One HTML page with everything in it: figures, curves and pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from oddscape.errors import OddscapeError
from oddscape.files import written_atomically
from oddscape.illustrations import Illustration
from oddscape.labels import ANOMALY_COLOUR, LabelSpace
from oddscape.report import curves
from oddscape.report.cautions import cautions, chance_caution
from oddscape.report.columns import Column, pixel_columns, segmentation_columns
from oddscape.report.heat import HEAT, robust_range
from oddscape.report.pictures import HATCH, OUTLINE, UNKNOWN_COLOUR, panels
from oddscape.report.sections import Section, sections
from oddscape.report.wording import AGGREGATIONS, PICTURES_OWN, number, percent, protocol_facts, size_words
from oddscape.results import Results
from oddscape.version import __version__

_HERE = Path(__file__).parent


def write_report(
    directory: str | Path, results: Sequence[Results], illustrations: Sequence[Illustration]
) -> Path:
    """Write one self-contained page, ``index.html``, that opens offline.

    Results that may be compared share a table; others get a section of their own. An illustration stands in
    the first section that holds its network, its score and its picture.

    Args:
        directory: where the page goes; made if missing.
        results: one or more results, under any protocols.
        illustrations: pictures of these results, in the order in which they are to be shown.

    Returns:
        Path of the page.

    Raises:
        OddscapeError: there are no results, an illustration belongs to none of them, or the disk refused.
    """
    path = Path(directory) / "index.html"
    page = render_page(results, illustrations)
    with written_atomically(path) as partial:
        partial.write_text(page, encoding="utf-8")
    return path


def render_page(results: Sequence[Results], illustrations: Sequence[Illustration]) -> str:
    """The page that :func:`write_report` writes, as text."""
    if not results:
        raise OddscapeError("a report needs at least one result, got none")
    parts = sections(results)
    placed = _placed(parts, illustrations)
    return (
        _template_environment()
        .get_template("page.html.jinja")
        .render(
            parts=[PagePart(part, placed[index]) for index, part in enumerate(parts)],
            results=results,
            style=Markup((_HERE / "page.css").read_text(encoding="utf-8")),
            script=Markup((_HERE / "page.js").read_text(encoding="utf-8")),
            version=__version__,
        )
    )


@dataclass(frozen=True, eq=False)
class ColumnGroup:
    """Columns under one heading."""

    title: str
    columns: list[Column]
    headline: bool


@dataclass(frozen=True, eq=False)
class PagePart:
    """What the page shows of one section."""

    section: Section
    illustrations: list[Illustration]

    @property
    def groups(self) -> list[ColumnGroup]:
        """The headline figures first, then the other aggregation, then segmentation."""
        headline = self.section.protocol.aggregation
        ways = sorted(AGGREGATIONS, key=lambda way: way != headline)
        groups = [ColumnGroup(AGGREGATIONS[way], pixel_columns(way), way == headline) for way in ways]
        segmentation = segmentation_columns(self.section.rows)
        return [*groups, *([ColumnGroup("segmentation", segmentation, False)] if segmentation else [])]

    @property
    def cautions(self) -> list[tuple[str, str]]:
        """Pairs of a row's name and what to know about its figures."""
        columns = [column for group in self.groups for column in group.columns]
        return [(row.name, caution) for row in self.section.rows for caution in cautions(row, columns)]

    @property
    def classes(self) -> list[str]:
        """Names of the known classes for which any run has an IoU, in order."""
        return list(dict.fromkeys(name for run in self.section.runs for name in run.class_iou))

    @property
    def label_spaces(self) -> list[LabelSpace]:
        """The label spaces of the illustrations."""
        spaces: list[LabelSpace] = []
        for illustration in self.illustrations:
            if illustration.label_space not in spaces:
                spaces.append(illustration.label_space)
        return spaces

    @property
    def ranks(self) -> list[tuple[str, list[Illustration]]]:
        """The illustrations by rank, ranks in order of first appearance."""
        order = list(dict.fromkeys(it.rank for it in self.illustrations))
        ordered = sorted(self.illustrations, key=lambda it: order.index(it.rank))
        return [(rank, list(members)) for rank, members in groupby(ordered, key=lambda it: it.rank)]


def _placed(parts: Sequence[Section], illustrations: Sequence[Illustration]) -> list[list[Illustration]]:
    placed: list[list[Illustration]] = [[] for _ in parts]
    for it in illustrations:
        places = (index for index, part in enumerate(parts) if _shows(part, it))
        index = next(places, None)
        if index is None:
            raise OddscapeError(
                f"no result for the illustration of {it.name!r}, {it.model} · {it.score_name}"
            )
        placed[index].append(it)
    return placed


def _shows(part: Section, it: Illustration) -> bool:
    return any(
        run.model == it.model and it.name in run.pictures and it.score_name in [r.score for r in run.scores]
        for run in part.runs
    )


def _template_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("oddscape", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "number": number, "size": size_words, "rgb": _rgb}
    environment.globals |= {
        "facts": protocol_facts,
        "panels": panels,
        "chance_caution": chance_caution,
        "roc": curves.roc,
        "precision_recall": curves.precision_recall,
        "histogram": curves.histogram,
        "robust_range": robust_range,
        "threshold_place": _threshold_place,
        "isnan": math.isnan,
        "pictures_own": PICTURES_OWN,
        "anomaly_colour": ANOMALY_COLOUR,
        "unknown_colour": UNKNOWN_COLOUR,
        "hatch": HATCH,
        "outline_colour": OUTLINE,
        "heat_stops": [tuple(int(v) for v in HEAT[i]) for i in range(0, 256, 15)],
    }
    return environment


def _rgb(colour: tuple[int, int, int]) -> str:
    return f"rgb({colour[0]} {colour[1]} {colour[2]})"


def _threshold_place(it: Illustration) -> float:
    """Where the threshold lies on the heat map's scale, in percent, at its end where it lies beyond."""
    low, high = robust_range(it.score)
    return min(100.0, max(0.0, 100 * (it.threshold - low) / (high - low)))

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
from oddscape.published import PublishedRow, published_under
from oddscape.report import curves
from oddscape.report.cautions import cautions, row_caution, row_flag, section_cautions
from oddscape.report.columns import SMIYC_TITLE, ColumnGroup, other_groups, pixel_group
from oddscape.report.differences import difference, find_baseline, paired_groups, require_pairs
from oddscape.report.heat import HEAT, robust_range
from oddscape.report.matrix import MatrixFigure, matrix_figures
from oddscape.report.pictures import HATCH, OUTLINE, UNKNOWN_COLOUR, panels
from oddscape.report.published_rows import PUBLISHED_NOTE, published_columns, sources
from oddscape.report.reliability import closed_reliability, open_reliability
from oddscape.report.sections import Row, Section, sections
from oddscape.report.summary import Summary
from oddscape.report.wording import (
    AGGREGATIONS,
    inference_size_words,
    interval_words,
    number,
    percent,
    protocol_facts,
    saw_words,
    size_range_words,
    size_words,
    units_words,
)
from oddscape.results import Results
from oddscape.version import __version__

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Comparison:
    """What else a page sets beside the results.

    Args:
        baseline: the row, ``MODEL`` or ``MODEL:SCORE``, against which differences are shown; None: the first.
        published: whether published figures near the protocol are shown.
    """

    baseline: str | None = None
    published: bool = False


def write_report(
    directory: str | Path,
    results: Sequence[Results],
    illustrations: Sequence[Illustration],
    comparison: Comparison | None = None,
    summary: Summary | None = None,
) -> Path:
    """Write one self-contained page, ``index.html``, that opens offline.

    Results that may be compared share their tables; others get a section of their own. An illustration
    stands in the first section that holds its network, its score and its picture.

    Args:
        directory: where the page goes; made if missing.
        results: one or more results, under any protocols.
        illustrations: pictures of these results, in the order in which they are to be shown.
        comparison: what else to show: paired differences and published figures; None: neither.
        summary: of all the results, which are then of one section; it stands before their own figures.

    Returns:
        Path of the page.

    Raises:
        OddscapeError: there are no results, an illustration belongs to none of them, differences of results
            that are no pairs, or the disk refused.
    """
    path = Path(directory) / "index.html"
    page = render_page(results, illustrations, comparison, summary)
    with written_atomically(path) as partial:
        partial.write_text(page, encoding="utf-8")
    return path


def render_page(
    results: Sequence[Results],
    illustrations: Sequence[Illustration],
    comparison: Comparison | None = None,
    summary: Summary | None = None,
) -> str:
    """The page that :func:`write_report` writes, as text."""
    if not results:
        raise OddscapeError("a report needs at least one result, got none")
    parts = sections(results)
    placed = _placed(parts, illustrations)
    return (
        _template_environment()
        .get_template("page.html.jinja")
        .render(
            parts=[PagePart(part, placed[index], comparison) for index, part in enumerate(parts)],
            results=results,
            summary=summary,
            style=Markup((_HERE / "page.css").read_text(encoding="utf-8")),
            script=Markup((_HERE / "page.js").read_text(encoding="utf-8")),
            version=__version__,
        )
    )


@dataclass(frozen=True, eq=False)
class PagePart:
    """What the page shows of one section."""

    section: Section
    illustrations: list[Illustration]
    comparison: Comparison | None

    @property
    def pixel_groups(self) -> list[ColumnGroup]:
        """The headline figures first, then the other aggregation."""
        headline = self.section.protocol.aggregation
        ways = sorted(AGGREGATIONS, key=lambda way: way != headline)
        return [pixel_group(self.section.rows, way, headline=way == headline) for way in ways]

    @property
    def smiyc_groups(self) -> list[ColumnGroup]:
        """SegmentMeIfYouCan's own figures, if any."""
        return [group for group in other_groups(self.section.rows) if group.title == SMIYC_TITLE]

    @property
    def class_groups(self) -> list[ColumnGroup]:
        """Figures that need class labels, if any: the open set, mistakes, calibration."""
        return [group for group in other_groups(self.section.rows) if group.title != SMIYC_TITLE]

    @property
    def cautions(self) -> list[tuple[str, str]]:
        """Pairs of a row's name, or "all rows", and what to know about its figures."""
        groups = [*self.pixel_groups, *self.smiyc_groups, *self.class_groups]
        columns = [column for group in groups for column in group.columns]
        of_rows = [(row.name, caution) for row in self.section.rows for caution in cautions(row, columns)]
        return [*(("all rows", caution) for caution in section_cautions(self.section)), *of_rows]

    @property
    def matrices(self) -> list[MatrixFigure]:
        """Confusion matrices of the closed and the open set."""
        return matrix_figures(self.section)

    @property
    def baseline(self) -> Row | None:
        """The row against which differences are shown, if they are."""
        if self.comparison is None or len(self.section.rows) < 2:
            return None
        require_pairs(self.section)
        return find_baseline(self.section, self.comparison.baseline)

    @property
    def paired_groups(self) -> list[ColumnGroup]:
        """The groups of figures whose differences have an interval."""
        return paired_groups(self.section)

    @property
    def published(self) -> list[PublishedRow]:
        """Published figures near the protocol, if they are shown."""
        wanted = self.comparison is not None and self.comparison.published
        return published_under(self.section.protocol.name) if wanted else []

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
    environment.filters |= {
        "percent": percent,
        "number": number,
        "size": size_words,
        "size_range": size_range_words,
        "interval": interval_words,
        "saw": saw_words,
        "inference_size": inference_size_words,
        "rgb": _rgb,
    }
    environment.globals |= {
        "facts": protocol_facts,
        "panels": panels,
        "row_flag": row_flag,
        "row_caution": row_caution,
        "difference": difference,
        "published_columns": published_columns,
        "published_note": PUBLISHED_NOTE,
        "sources": sources,
        "closed_reliability": closed_reliability,
        "open_reliability": open_reliability,
        "units_words": units_words,
        "roc": curves.roc,
        "precision_recall": curves.precision_recall,
        "histogram": curves.histogram,
        "robust_range": robust_range,
        "threshold_place": _threshold_place,
        "isnan": math.isnan,
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

"""One HTML page with everything in it: figures, curves and pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment
from jinja2.environment import TemplateStream
from markupsafe import Markup

from oddscape.errors import OddscapeError
from oddscape.files import written_atomically
from oddscape.illustrations import Gallery
from oddscape.labels import ANOMALY_COLOUR
from oddscape.published import PublishedRow, published_under
from oddscape.report import curves
from oddscape.report.cautions import cautions, row_caution, row_flag, section_cautions
from oddscape.report.columns import SMIYC_TITLE, ColumnGroup, other_groups, pixel_group
from oddscape.report.differences import difference, find_baseline, paired_groups, require_pairs
from oddscape.report.heat import HEAT
from oddscape.report.matrix import MatrixFigure, matrix_figures
from oddscape.report.page_data import Pictures, as_json, belongs
from oddscape.report.published_rows import PUBLISHED_NOTE, published_columns, sources
from oddscape.report.reliability import closed_reliability, open_reliability
from oddscape.report.sections import Row, Section, sections
from oddscape.report.summary import Summary
from oddscape.report.templates import page_environment
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
_STYLES = ("page.css", "pictures.css")
# One module of plain files: each may use what stands before it.
_SCRIPTS = ("data.js", "theme.js", "tables.js", "thresholds.js", "curves.js", "viewer.js", "grid.js")

OUTLINE = (0, 240, 255)
"""Cyan, which the heat map does not have."""

# None of these need be told from another by its colour: their patterns differ, too.
_COLOURS = {
    "anomaly": ANOMALY_COLOUR,
    "outline": OUTLINE,
    "stripe": (25, 25, 35),
    "missed": (230, 0, 115),
    "unknown": (128, 128, 128),
    "hatch": ((30, 30, 30), (150, 150, 150)),
}


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
    galleries: Sequence[Gallery],
    comparison: Comparison | None = None,
    summary: Summary | None = None,
) -> Path:
    """Write one self-contained page, ``index.html``, that opens offline.

    Results that may be compared share their tables; others get a section of their own. A gallery stands in
    the first section that holds the evaluation that it was made of.

    Args:
        directory: where the page goes; made if missing.
        results: one or more results, under any protocols.
        galleries: pictures of these results.
        comparison: what else to show: paired differences and published figures; None: neither.
        summary: of all the results, which are then of one section; it stands before their own figures.

    Returns:
        Path of the page.

    Raises:
        OddscapeError: there are no results, a gallery belongs to none of them, differences of results
            that are no pairs, or the disk refused.
    """
    path = Path(directory) / "index.html"
    page = _rendered(results, galleries, comparison, summary)
    with written_atomically(path) as partial, partial.open("wb") as file:
        page.dump(file, "utf-8")
    return path


def render_page(
    results: Sequence[Results],
    galleries: Sequence[Gallery],
    comparison: Comparison | None = None,
    summary: Summary | None = None,
) -> str:
    """The page that :func:`write_report` writes, as text."""
    return "".join(_rendered(results, galleries, comparison, summary))


def _rendered(
    results: Sequence[Results],
    galleries: Sequence[Gallery],
    comparison: Comparison | None,
    summary: Summary | None,
) -> TemplateStream:
    """The page piece by piece: whole, its pictures would be in memory several times."""
    if not results:
        raise OddscapeError("a report needs at least one result, got none")
    parts = sections(results)
    placed = _placed(parts, galleries)
    shown = [PagePart(part, placed[index], comparison) for index, part in enumerate(parts)]
    return (
        _template_environment()
        .get_template("page.html.jinja")
        .stream(
            parts=shown,
            results=results,
            summary=summary,
            style=_texts(_STYLES),
            script=_texts(_SCRIPTS),
            page_data=as_json(_COLOURS | {"heat": HEAT.tolist()}),
            version=__version__,
        )
    )


@dataclass(frozen=True, eq=False)
class PagePart:
    """What the page shows of one section.

    Raises:
        OddscapeError: differences are asked for of results that are no pairs.
    """

    section: Section
    pictures: Pictures
    comparison: Comparison | None

    def __post_init__(self) -> None:
        if self._is_compared:
            require_pairs(self.section)

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
        if self.comparison is None or not self._is_compared:
            return None
        return find_baseline(self.section, self.comparison.baseline)

    @property
    def _is_compared(self) -> bool:
        return self.comparison is not None and len(self.section.rows) > 1

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


def _texts(files: Sequence[str]) -> Markup:
    return Markup("\n".join((_HERE / file).read_text(encoding="utf-8") for file in files))


def _placed(parts: Sequence[Section], galleries: Sequence[Gallery]) -> list[Pictures]:
    placed = [Pictures(part, {}) for part in parts]
    for gallery in galleries:
        rows = ((shown, row) for shown in placed for row in shown.section.rows)
        place = next((pair for pair in rows if _is_of(gallery, pair[1])), None)
        if place is None:
            raise OddscapeError(f"no result for the pictures of {gallery.model} · {gallery.score}")
        place[0].galleries[place[1].index] = gallery
    return placed


def _is_of(gallery: Gallery, row: Row) -> bool:
    return gallery.score == row.result.score and belongs(gallery, row.run)


def _template_environment() -> Environment:
    environment = page_environment("oddscape", "report")
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
        "isnan": math.isnan,
        **{f"{name}_colour": colour for name, colour in _COLOURS.items() if name != "hatch"},
        "hatch": _COLOURS["hatch"],
        "heat_stops": [tuple(int(v) for v in HEAT[i]) for i in range(0, 256, 15)],
    }
    return environment


def _rgb(colour: tuple[int, int, int]) -> str:
    return f"rgb({colour[0]} {colour[1]} {colour[2]})"

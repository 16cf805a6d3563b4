"""What a page's script knows of a section: its rows picture by picture, its thresholds, and its maps."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from markupsafe import Markup

from oddscape.illustrations import Failure, Gallery
from oddscape.report.curves import UNIT
from oddscape.report.sections import Row, Section
from oddscape.results import Results
from oddscape.threshold_stops import Stop, stop_for, threshold_stops

_FAILURES = 8  # of each kind and row
_KINDS = {"false alarm": "Largest false regions", "missed": "Largest missed anomalies"}


def belongs(gallery: Gallery, run: Results) -> bool:
    """Whether pictures were made of this very evaluation."""
    return (
        (gallery.model, gallery.fingerprint) == (run.model, run.fingerprint)
        and gallery.score in [result.score for result in run.scores]
        and gallery.thresholds == [stop.threshold for stop in threshold_stops(run.of(gallery.score))]
        and gallery.shown_threshold in gallery.thresholds
    )


@dataclass(frozen=True)
class ShownFailure:
    """A region that goes wrong, with the number and the name of its picture."""

    number: int
    name: str
    failure: Failure

    @property
    def box(self) -> str:
        """Its box as the script reads it."""
        return json.dumps(self.failure.box)


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pictures of a section: every scene's figures and thumbnail, and the maps of some.

    Args:
        section: results that may be compared.
        galleries: those of its rows, by the row's index.
    """

    section: Section
    galleries: dict[int, Gallery]

    @property
    def names(self) -> list[str]:
        """Names of the pictures, in the data set's order."""
        return self.section.runs[0].pictures

    @cached_property
    def thumbnails(self) -> dict[str, str]:
        """``data:`` URIs by the pictures' names."""
        return {
            name: f"data:image/webp;base64,{thumbnail}"
            for gallery in self.galleries.values()
            for name, thumbnail in gallery.thumbnails.items()
        }

    @property
    def shown_row(self) -> Row:
        """The row whose figures the pictures show first: one that has maps, if any."""
        return self.section.rows[next(iter(self.galleries), 0)]

    @property
    def worst_first(self) -> list[int]:
        """The pictures' numbers by their AP in the row shown first; those without one come last."""
        precision = self.shown_row.result.picture_average_precision
        return sorted(range(len(precision)), key=lambda i: (math.isnan(precision[i]), precision[i]))

    @cached_property
    def with_maps(self) -> set[str]:
        """Names of the pictures that have maps of any row."""
        return {it.name for gallery in self.galleries.values() for it in gallery.illustrations}

    def failures(self, row: Row) -> list[tuple[str, list[ShownFailure]]]:
        """The largest regions that a row gets wrong among the pictures with maps, by kind."""
        numbers = {name: number for number, name in enumerate(self.names)}
        found = [
            ShownFailure(numbers[it.name], it.name, failure)
            for it in self.galleries[row.index].illustrations
            for failure in it.failures
        ]
        found.sort(key=lambda shown: -shown.failure.pixels)
        kinds = {title: [s for s in found if s.failure.kind == kind] for kind, title in _KINDS.items()}
        return [(title, members[:_FAILURES]) for title, members in kinds.items() if members]

    def data(self) -> Markup:
        """All but the maps, as JSON."""
        run = self.section.runs[0]
        return as_json(
            {
                "pictures": self.names,
                "positives": run.anomalous_pixels,
                "negatives": run.known_pixels,
                "frame": [UNIT.left, UNIT.right, UNIT.top, UNIT.bottom],
                "rows": [self._row(row) for row in self.section.rows],
            }
        )

    def maps(self) -> Iterator[tuple[int, Markup]]:
        """Each picture's number and its maps as JSON, a document a picture so that few need be read."""
        by_name = {
            index: {it.name: it for it in gallery.illustrations} for index, gallery in self.galleries.items()
        }
        for number, name in enumerate(self.names):
            if name in self.with_maps:
                yield number, as_json(_maps({i: its[name] for i, its in by_name.items() if name in its}))

    def _row(self, row: Row) -> dict[str, Any]:
        stops, result, gallery = threshold_stops(row.result), row.result, self.galleries.get(row.index)
        thresholds = [stop.threshold for stop in stops]
        best_f1 = stop_for(stops, result.best_f1_threshold)
        return {
            "name": row.name,
            "ap": _rounded(result.picture_average_precision),
            "fpr95": _rounded(result.picture_fpr95),
            "alarms": _rounded(result.picture_false_alarms),
            "thresholds": thresholds,
            # Where one pixel in a thousand is anomalous, six decimals of FPR are too few for F1.
            "tpr": _rounded([stop.tpr for stop in stops], 10),
            "fpr": _rounded([stop.fpr for stop in stops], 10),
            "start": best_f1 if gallery is None else thresholds.index(gallery.shown_threshold),
            "tpr95": stop_for(stops, result.threshold),
            "bestF1": best_f1,
            "heat": heat_range(stops),
            "classes": [] if gallery is None else gallery.class_names,
            "colours": [] if gallery is None else gallery.colours,
        }


def heat_range(stops: Sequence[Stop]) -> tuple[float, float]:
    """The scores between which a heat map's colours lie, the same for all pictures.

    From what 99 % of the known pixels reach, to what only 1 % of them and 10 % of the anomalous ones do.
    """
    if not stops:
        return 0.0, 1.0
    low = max((s.threshold for s in stops if s.fpr >= 0.99), default=stops[0].threshold)
    few = [s.threshold for s in stops if s.fpr <= 0.01 and not s.tpr > 0.1]
    high = min(few, default=stops[-1].threshold)
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _maps(found: dict[int, Any]) -> dict[str, Any]:
    first = next(iter(found.values()))
    shared = {name: getattr(first, name) for name in ("size", "full_size", "photograph", "anomaly", "labels")}
    own = {index: {"levels": it.levels, "classes": it.classes} for index, it in found.items()}
    return {**shared, "rows": own}


def _rounded(values: Sequence[float], digits: int = 4) -> list[float | None]:
    return [None if math.isnan(value) else round(value, digits) for value in values]


def as_json(document: Any) -> Markup:
    """JSON for the element of a script, which nothing in it can end."""
    return Markup(json.dumps(document, separators=(",", ":")).replace("<", "\\u003c"))

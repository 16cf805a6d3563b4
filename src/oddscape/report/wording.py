"""Figures, sizes and protocols in words, the same in the terminal and on the page."""

from __future__ import annotations

import math

from oddscape.protocols import Aggregation
from oddscape.report.sections import Section
from oddscape.sizes import Size, format_size

UNDEFINED = "–"
PICTURES_OWN = "the pictures' own"

AGGREGATIONS: dict[Aggregation, str] = {
    "pooled": "pooled over all pixels",
    "per picture": "mean over pictures",
}

FPR_RULES_IN_WORDS = {
    "first_above": "at the first recall above 95 %",
    "first_at_least": "at the first recall of at least 95 %",
    "nearest": "at the recall nearest to 95 %",
    "interpolated": "interpolated at a recall of 95 %",
}


def percent(fraction: float) -> str:
    """A fraction in percent with two decimals; a dash where undefined."""
    return UNDEFINED if math.isnan(fraction) else f"{100 * fraction:.2f}"


def number(value: float) -> str:
    """A score or threshold with four digits; a dash where undefined."""
    return UNDEFINED if math.isnan(value) else f"{value:.4g}".replace("-", "−")


def size_words(size: Size | None, otherwise: str) -> str:
    """A size (H, W) as people say it, width×height, or what None stands for."""
    return otherwise if size is None else format_size(size)


def protocol_facts(section: Section) -> list[tuple[str, str]]:
    """Everything that the section's figures depend on, as pairs of term and text; overrides come last."""
    protocol, run = section.protocol, section.runs[0]
    options = "".join(f", {key} {value}" for key, value in protocol.reader.items())
    facts = [
        ("protocol", protocol.name),
        ("data", f"{protocol.data}{options}"),
        ("labels", protocol.labels),
        ("headline figures", AGGREGATIONS[protocol.aggregation]),
        ("FPR95", FPR_RULES_IN_WORDS.get(protocol.fpr_rule, protocol.fpr_rule)),
        ("evaluation size", size_words(protocol.evaluation_size, "the labels' own")),
        ("inference size", _inference_sizes(section)),
        ("pictures", str(len(run.pictures))),
        ("left out of per-picture means", str(len(run.left_out))),
        ("anomalous pixels", f"{percent(run.anomaly_share)} %"),
    ]
    return [*facts, *(("override", override) for override in section.overrides)]


def _inference_sizes(section: Section) -> str:
    sizes = [size_words(run.inference_size, PICTURES_OWN) for run in section.runs]
    if len(set(sizes)) == 1:
        return sizes[0]
    return ", ".join(f"{model} {size}" for model, size in zip(section.models, sizes, strict=True))

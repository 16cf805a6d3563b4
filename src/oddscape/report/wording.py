"""Figures, intervals, sizes and protocols in words, the same in the terminal and on the page."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from oddscape.interval import Interval
from oddscape.protocols import Aggregation, Protocol
from oddscape.report.sections import Section
from oddscape.results import Results
from oddscape.sizes import InferenceSize, format_size

UNDEFINED = "–"
_PICTURES_OWN = "the pictures' own"

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

_OPEN_SET = (
    "each fold's δ is the first recall above 95 % on the other folds at half size; anomaly where score > δ"
)

Facts = list[tuple[str, str]]
"""Pairs of term and text."""


def percent(fraction: float) -> str:
    """A fraction in percent with two decimals; a dash where undefined."""
    return UNDEFINED if math.isnan(fraction) else f"{100 * fraction:.2f}"


def interval_words(interval: Interval) -> str:
    """An interval in percent, as in ``"20–35"``, with no more decimals than its width deserves."""
    low, high = 100 * interval.low, 100 * interval.high
    decimals = 0 if high - low >= 5 and low >= 9.5 else 1 if high - low >= 0.3 else 2
    between = " to " if low < 0 else "–"
    return f"{low:.{decimals}f}{between}{high:.{decimals}f}".replace("-", "−")


def certified_words(interval: Interval) -> str:
    """A certified interval in percent, rounded outwards, as in ``"27.13–27.16"``."""
    # What floating point adds to a whole number of hundredths is no reason to round further.
    low, high = math.floor(1e4 * interval.low + 1e-6), math.ceil(1e4 * interval.high - 1e-6)
    return f"{low / 100:.2f}–{high / 100:.2f}"


def signed(fraction: float) -> str:
    """A difference in points of percent with its sign; a dash where undefined."""
    return UNDEFINED if math.isnan(fraction) else f"{100 * fraction:+.2f}".replace("-", "−")


def signed_interval_words(interval: Interval) -> str:
    """The interval of a difference in points of percent, as in ``"−1.2 to +3.4"``."""
    low, high = 100 * interval.low, 100 * interval.high
    # An end next to 0 says on which side it lies.
    decimals = 1 if min(abs(low), abs(high)) >= 0.05 else 2
    return f"{low:+.{decimals}f} to {high:+.{decimals}f}".replace("-", "−")


def number(value: float) -> str:
    """A score or threshold with four digits; a dash where undefined."""
    return UNDEFINED if math.isnan(value) else f"{value:.4g}".replace("-", "−")


def size_words(size: InferenceSize | None, otherwise: str) -> str:
    """A size as people say it, (H, W) as width×height, or what None stands for."""
    return otherwise if size is None else format_size(size)


def inference_size_words(run: Results) -> str:
    """How the network saw the pictures: their size, and in which windows, scales and mirrorings.

    Of score files nobody knows it.
    """
    if run.source == "score files":
        return "?"
    ways = f" ({'; '.join(run.inference)})" if run.inference else ""
    return size_words(run.inference_size, _PICTURES_OWN) + ways


def saw_words(saw_outliers: bool | None) -> str:
    """Whether outlier data was seen: yes, no, or a question mark where nobody knows."""
    return "?" if saw_outliers is None else "yes" if saw_outliers else "no"


def size_range_words(smallest: int, largest: int | None) -> str:
    """A range of numbers of pixels, as in ``"1,000–9,999"`` or ``"≥ 100,000"``."""
    return f"≥\u00a0{smallest:,}" if largest is None else f"{smallest:,}–{largest:,}"


def left_out_words(left_out: Mapping[str, str]) -> str:
    """How many pictures are left out, and why."""
    if not left_out:
        return "none"
    counts = Counter(left_out.values()).most_common()
    if len(counts) == 1:
        return f"{len(left_out)} ({counts[0][0]})"
    return f"{len(left_out)} ({', '.join(f'{count} {reason}' for reason, count in counts)})"


def units_words(units: int, unit: str) -> str:
    """So many pictures or recordings."""
    return f"{units:,} {unit}{'' if units == 1 else 's'}"


def rule_facts(protocol: Protocol) -> Facts:
    """Everything that a protocol fixes."""
    options = "".join(f", {key} {value}" for key, value in protocol.reader.items())
    rule = FPR_RULES_IN_WORDS.get(protocol.fpr_rule, protocol.fpr_rule)
    facts = [
        ("data", f"{protocol.data}{options}"),
        ("labels", protocol.labels),
        ("region of interest", protocol.region),
        ("headline figures", AGGREGATIONS[protocol.aggregation]),
        ("FPR95", f"{rule}; its threshold is the score there"),
        ("evaluation size", size_words(protocol.evaluation_size, "the labels' own")),
    ]
    if protocol.open_set:
        facts.append(("open-mIoU", _OPEN_SET))
    if (sizes := protocol.components) is not None:
        dropped = f"predicted below {sizes.predicted:,} pixels dropped, true below {sizes.true:,} ignored"
        facts.append(("components", f"score > δ*, where the pixel F1 is best; {dropped}"))
    return facts


def protocol_facts(section: Section) -> Facts:
    """Everything that the section's figures depend on; overrides come last."""
    run = section.runs[0]
    facts = [
        ("protocol", section.protocol.name),
        *rule_facts(section.protocol),
        ("inference size", _inference_sizes(section)),
        ("pictures", f"{len(run.pictures):,}"),
        ("left out of per-picture means", left_out_words(run.left_out)),
        ("anomalous pixels", f"{percent(run.anomaly_share)} %"),
        *_engine_facts(section),
    ]
    if any(result.mistakes is not None for run in section.runs for result in run.scores):
        facts.append(("cFPR and eFPR", "at each picture's own threshold for 95 % of its anomalous pixels"))
    if run.units > 1:
        facts.append(("95 % intervals", f"bootstrap over {units_words(run.units, run.unit)}"))
    return [*facts, *(("override", override) for override in section.overrides)]


def _engine_facts(section: Section) -> Facts:
    streamed = [run for run in section.runs if run.engine == "streaming"]
    if not streamed:
        return [("engine", "exact")]
    certified = [found for run in streamed for result in run.scores for found in result.certified.values()]
    sure = all(percent(low) == percent(high) for low, high in certified)
    says = "exact to the digits printed" if sure else "uncertain digits have a certified range"
    if len(streamed) == len(section.runs):
        return [("engine", f"streaming: {says}")]
    models = (
        model for model, run in zip(section.models, section.runs, strict=True) if run.engine == "streaming"
    )
    return [("engine", f"exact; {', '.join(models)} streaming: {says}")]


def _inference_sizes(section: Section) -> str:
    sizes = [inference_size_words(run) for run in section.runs]
    if len(set(sizes)) == 1:
        return sizes[0]
    return ", ".join(f"{model} {size}" for model, size in zip(section.models, sizes, strict=True))

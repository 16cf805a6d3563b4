import math

import pytest

from oddscape.interval import Interval
from oddscape.protocols import PROTOCOLS
from oddscape.report.wording import (
    certified_words,
    interval_words,
    left_out_words,
    rule_facts,
    saw_words,
    signed,
    signed_interval_words,
    size_range_words,
    size_words,
)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.2049, 0.3451, "20–35"),
        (0.012, 0.0894, "1.2–8.9"),
        (0.8512, 0.8634, "85.1–86.3"),
        (0.9995, 0.9999, "99.95–99.99"),
        (0.95, 1.0, "95–100"),
        (-0.012, 0.034, "−1.2 to 3.4"),
    ],
)
def test_intervals_have_the_decimals_that_their_width_deserves(low, high, words):
    assert interval_words(Interval(low, high)) == words


def test_certified_intervals_are_rounded_outwards():
    assert certified_words(Interval(0.27139, 0.27141)) == "27.13–27.15"
    assert certified_words(Interval(0.2714, 0.2714)) == "27.14–27.14"


def test_sizes_of_what_a_network_sees():
    assert size_words((512, 1024), "own") == "1024×512"
    assert size_words(432, "own") == "432 on the shorter side"
    assert size_words(None, "own") == "own"


def test_differences_have_signs():
    assert signed(-0.01234) == "−1.23"
    assert signed(0.0) == "+0.00"
    assert signed(math.nan) == "–"
    assert signed_interval_words(Interval(-0.012, 0.034)) == "−1.2 to +3.4"
    assert signed_interval_words(Interval(-0.012, -0.0002)) == "−1.20 to −0.02"


def test_words():
    assert [saw_words(saw) for saw in (True, False, None)] == ["yes", "no", "?"]
    assert size_range_words(1000, 9999) == "1,000–9,999"
    assert size_range_words(100_000, None) == "≥\u00a0100,000"
    assert left_out_words({}) == "none"
    assert left_out_words({"a": "why"}) == "1 (why)"


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_every_protocol_says_all_that_it_fixes(protocol):
    facts = dict(rule_facts(protocol))
    fixed = {"data", "labels", "region of interest", "headline figures", "FPR95", "evaluation size"}
    assert fixed <= facts.keys()
    assert all(facts.values())
    assert ("open-mIoU" in facts) == protocol.open_set
    assert ("components" in facts) == (protocol.components is not None)
    assert all(f"{option} {value}" in facts["data"] for option, value in protocol.reader.items())

"""Every protocol names things that exist."""

import inspect
from typing import get_args

import pytest

from oddscape.data import DATASETS
from oddscape.metrics import FPR_RULES
from oddscape.protocols import PROTOCOLS, FprRule

STATED = [
    *("roadanomaly21", "roadobstacle21", "lost-and-found"),
    *("fishyscapes-lost-and-found", "fishyscapes-static", "roadanomaly", "bdd-anomaly"),
    *("streethazards", "streethazards-13", "camvid-heldout", "town", "masks"),
]


def test_the_protocols_are_these():
    assert list(PROTOCOLS) == STATED


def test_names_and_titles_are_unique():
    assert [protocol.name for protocol in PROTOCOLS.values()] == STATED
    assert len({protocol.title for protocol in PROTOCOLS.values()}) == len(STATED)


def test_the_rules_that_a_protocol_may_name_are_those_there_are():
    assert get_args(FprRule) == tuple(FPR_RULES)


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=list(PROTOCOLS))
def test_data_set_options_and_rules_exist(protocol):
    assert protocol.data in DATASETS
    assert set(protocol.reader) <= set(inspect.signature(DATASETS[protocol.data]).parameters)
    assert protocol.fpr_rule in FPR_RULES
    assert protocol.aggregation in ("pooled", "per picture")
    assert protocol.labels

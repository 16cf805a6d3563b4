"""The story on the town, at a size at which it says nothing but that it can be told."""

from collections import defaultdict
from contextlib import contextmanager

import pytest
import torch

from oddscape.demo import DemoPlan, run_demo, training_configs
from oddscape.results import Results
from oddscape.town import NegativeCounts, TownCounts

PLAN = DemoPlan(TownCounts(8, 1, 4), NegativeCounts(4, 1), 1, 1, 1)
METHODS = ["closed-set", "densehybrid", "dicnet"]


class Stages:
    """The stages of a telling, each with the steps that it reported."""

    def __init__(self):
        self.steps = defaultdict(list)

    @contextmanager
    def __call__(self, title):
        steps = self.steps[title]
        yield lambda done, total: steps.append((done, total))


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_the_story_is_told_whole_and_what_is_done_is_not_done_again(tmp_path):
    first, second = Stages(), Stages()
    told = run_demo(tmp_path, PLAN, first)
    assert [results.model for results in told.results] == METHODS
    assert [len(results.scores) for results in told.results] == [7, 9, 1]
    for results in told.results:
        assert results.protocol.name == "town"
        assert len(results.pictures) == 4
        assert repr(Results.load(tmp_path / f"{results.model}.json")) == repr(results)
    assert told.report.is_file()
    for method in METHODS:
        assert first.steps[f"training {method}"] == [(1, 1)]
        assert (tmp_path / method / "weights.safetensors").is_file()
        assert method in told.report.read_text()

    again = run_demo(tmp_path, PLAN, second)
    assert list(second.steps) == list(first.steps)
    for method in METHODS:
        assert second.steps[f"training {method}"] == []
    # NaN is not equal to itself; its representation is.
    assert [repr(results.scores) for results in again.results] == [
        repr(results.scores) for results in told.results
    ]


def test_the_student_sees_whole_pictures_at_their_own_size(tmp_path):
    *_, dicnet = training_configs(tmp_path, PLAN, seed=0)
    assert dicnet.method == "dicnet"
    assert (dicnet.crop, dicnet.scale, dicnet.flip) == (None, None, True)

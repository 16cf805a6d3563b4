"""Threads that do the same as one thread."""

import threading

import numpy as np
import pytest
import torch
from torch import nn

from oddscape.detector import Detector
from oddscape.errors import OddscapeError
from oddscape.models import create_model
from oddscape.predicting.workers import Workers
from oddscape.wrappers.react import react


@pytest.fixture
def detector():
    torch.manual_seed(0)
    return Detector(create_model("small_ladder", 5), threshold=0.0)


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (32, 32 + 16 * (n % 3 == 0), 3), np.uint8) for n in range(9)]


def predicted(detector, images, count, batch):
    with Workers(detector, count, batch) as workers:
        return list(workers.in_batches(workers.predict, images))


def test_results_are_those_of_one_thread_in_order(detector, images):
    expected = [detector.predict(image) for image in images]
    for found in (predicted(detector, images, 1, 1), predicted(detector, images, 3, 1)):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one.score, other.score)
            np.testing.assert_array_equal(one.classes, other.classes)


def test_batches_of_one_size_say_the_same_up_to_rounding(detector, images):
    for one, image in zip(predicted(detector, images, 2, 4), images, strict=True):
        np.testing.assert_array_equal(one.image, image)
        np.testing.assert_allclose(one.score, detector.predict(image).score, atol=1e-4)


def test_a_bad_picture_costs_itself_alone(detector, images, monkeypatch):
    predict = Detector.predict

    def refusing(detector, picture):
        if picture is images[1]:
            raise OddscapeError("NaN")
        return predict(detector, picture)

    def refused(_self, _pictures):
        raise OddscapeError("NaN")

    monkeypatch.setattr(Detector, "predict", refusing)
    monkeypatch.setattr(Detector, "predict_batch", refused)
    found = predicted(detector, images, 1, 9)
    assert [str(each) == "NaN" for each in found] == [number == 1 for number in range(9)]


def test_what_torch_refuses_costs_itself_alone(detector, images, monkeypatch):
    predict = Detector.predict

    def refusing(detector, picture):
        if picture is images[1]:
            raise RuntimeError("not enough\nmemory")
        return predict(detector, picture)

    monkeypatch.setattr(Detector, "predict", refusing)
    found = predicted(detector, images, 2, 1)
    assert [str(each) == "not enough memory" for each in found] == [number == 1 for number in range(9)]


def test_few_things_wait_however_many_there_are(detector):
    taken = []

    def things():
        for number in range(100):
            taken.append(number)
            yield number

    with Workers(detector, 2) as workers:
        results = workers.in_batches(lambda batch: batch, things())
        assert next(results) == 0
        assert len(taken) <= 5
        assert list(results) == list(range(1, 100))


class Unknown(nn.Module):
    """A network of one's own that minds being run by two threads."""

    def __init__(self, net):
        super().__init__()
        self.net, self.busy, self.met = net, threading.Lock(), False

    def forward(self, image):
        self.met |= not self.busy.acquire(blocking=False)
        out = self.net(image)
        if self.busy.locked():
            self.busy.release()
        return out


def test_networks_that_may_not_bear_threads_run_in_one_at_a_time(tiny_network, images):
    net = Unknown(tiny_network(5))
    assert len(predicted(Detector(net), images * 4, 4, 1)) == 36
    assert not net.met


def test_networks_with_hooks_run_in_one_thread_at_a_time(images):
    # ReAct's hook is at work while it runs the network: the end of one run would end that of another.
    torch.manual_seed(0)
    net = create_model("small_ladder", 5)
    *_, last = (name for name, module in net.named_modules() if isinstance(module, nn.Conv2d))
    detector = Detector(react(net, last, 0.01))
    expected = [detector.predict(image).score for image in images]
    for found, score in zip(predicted(detector, images * 6, 4, 1), expected * 6, strict=True):
        np.testing.assert_array_equal(found.score, score)


def test_no_more_threads_than_pictures_begin_and_torch_is_told_no_more_than_the_cores(detector):
    before = torch.get_num_threads()
    assert Workers(detector, 8, pictures=3).count == 3
    with Workers(detector, 4):
        assert torch.get_num_threads() == max(1, before // 4)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("count", "batch", "message"), [(0, 1, "--workers 0"), (1, 0, "--batch 0")])
def test_fewer_than_one(detector, count, batch, message):
    with pytest.raises(OddscapeError, match=f"{message}: expected 1 or more"):
        Workers(detector, count, batch)

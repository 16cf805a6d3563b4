"""Servers that run in a thread, and a client that speaks to them as anything else would."""

import http.client
import io
import json
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import oddscape as odd
from oddscape.detector import Detector

THRESHOLD = -1.5


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The one line that says what was wrong."""
        assert list(self.json) == ["error"]
        assert "\n" not in self.json["error"]
        return self.json["error"]


@dataclass(frozen=True)
class Client:
    port: int
    server: object

    def ask(self, method, path, body=None, headers=None, **options):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers or {}, **options)
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, headers, response.read())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.ask("GET", path, headers=headers)

    def post(self, path, body, **headers):
        return self.ask("POST", path, body, {name.replace("_", "-"): text for name, text in headers.items()})


@contextmanager
def running(detectors_by_name, host="127.0.0.1", names=(), **limits):
    """A server for detectors, which is told that it is bound to a host; limits of its own may be given."""
    from oddscape.serving.detectors import Detectors
    from oddscape.serving.limits import Limits
    from oddscape.serving.server import listen, make_server

    taken = listen("127.0.0.1", 0)
    server = make_server(Detectors(detectors_by_name), host, Limits(**limits), names)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]})
    thread.start()
    while not server.started:
        time.sleep(0.005)
    yield Client(taken.getsockname()[1], server)
    server.should_exit = True
    thread.join(15)
    assert not thread.is_alive()


@pytest.fixture
def start():
    """Start servers that end with the test."""
    with ExitStack() as servers:
        yield lambda detectors, **limits: servers.enter_context(running(detectors, **limits))


@pytest.fixture(scope="session")
def make_net():
    """Make a network of K classes at a quarter of the picture's size."""

    def make(num_classes):
        torch.manual_seed(0)
        return odd.wrap(nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(3, num_classes, 1)))

    return make


@pytest.fixture(scope="session")
def detector(make_net):
    return Detector(make_net(5), "energy", threshold=THRESHOLD)


@pytest.fixture(scope="session")
def client(detector):
    """A server with one detector, called ``tiny``, for all tests that leave it as it is."""
    with running({"tiny": lambda: detector}) as client:
        yield client


@pytest.fixture
def image():
    """A picture of 48×32, uint8 [32, 48, 3]."""
    return np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8).repeat(4, 0).repeat(4, 1)


@pytest.fixture
def encoded():
    """Encode pixels as a file."""

    def encode(image, kind="PNG", **options):
        file = io.BytesIO()
        Image.fromarray(image).save(file, kind, **options)
        return file.getvalue()

    return encode


@pytest.fixture
def picture(image, encoded):
    return encoded(image)

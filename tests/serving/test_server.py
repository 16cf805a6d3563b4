"""Clients that ask too much, take too long, come too many, or come from elsewhere."""

import contextlib
import socket
import threading
import time

import numpy as np
import pytest

pytest.importorskip("starlette", reason="starlette is not installed (the extra 'serve')")

import torch
from torch import nn

from oddscape.detector import Detector
from oddscape.errors import OddscapeError
from oddscape.serving.guard import is_loopback, is_wildcard, names_of
from oddscape.serving.limits import Memory
from oddscape.serving.server import listen


class Held(nn.Module):
    """A network that waits to be let go, and counts the pictures that it saw."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.seen = net, 0
        self.begun, self.go = threading.Event(), threading.Event()
        self.go.set()

    def forward(self, image: torch.Tensor) -> object:
        self.seen += 1
        self.begun.set()
        assert self.go.wait(20)
        return self.net(image)


@pytest.fixture
def held(make_net):
    """A detector that holds whoever asks, until it is let go."""
    net = Held(make_net(5))
    detector = Detector(net, threshold=0.0)
    yield detector
    net.go.set()


@contextlib.contextmanager
def connected(client, *pieces):
    """A bare connection on which some bytes have been sent."""
    with socket.create_connection(("127.0.0.1", client.port), timeout=10) as connection:
        for piece in pieces:
            connection.sendall(piece)
        yield connection


def head(length, path="/predict.json"):
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode()


def everything(connection):
    """All that comes until the other side closes."""
    came = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(2**16):
            came += piece
    return came


def until(true):
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


class InBackground:
    """A request of which the reply is asked for later."""

    def __init__(self, ask, *arguments):
        self.thread = threading.Thread(target=lambda: setattr(self, "reply", ask(*arguments)))
        self.thread.start()

    def result(self):
        self.thread.join(20)
        return self.reply


# ---- whom the page answers


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1", "[::1]", "[::1]:8000"])
def test_its_own_names(client, host):
    assert client.get("/health", Host=host).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "192.168.0.1", "", "[", "localhost@evil"]
)
def test_other_names_are_refused_against_rebinding(client, host):
    reply = client.get("/", Host=host)
    assert reply.status == 421
    assert reply.error == "this server answers under its own names alone; oddscape serve --name adds others"


def test_two_names_are_refused(client):
    with connected(
        client, b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"
    ) as connection:
        assert everything(connection).startswith((b"HTTP/1.1 400", b"HTTP/1.1 421"))


def test_names_of_a_server_for_other_machines():
    assert "street.example" in names_of("Street.example")
    assert socket.gethostname().lower() in names_of("0.0.0.0")
    assert socket.gethostname().lower() not in names_of("127.0.0.1")
    hosts = ("0.0.0.0", "::", "10.0.0.7", "me", "127.0.0.2", "::1", "LocalHost")
    assert [is_wildcard(host) for host in hosts] == [True, True, *(False,) * 5]
    assert [is_loopback(host) for host in hosts] == [*(False,) * 4, True, True, True]


@pytest.mark.parametrize("bound", ["0.0.0.0", "10.0.0.7", "gpu.example"])
def test_a_server_for_other_machines_answers_to_what_they_call_it(start, detector, monkeypatch, bound):
    monkeypatch.setattr(socket, "gethostname", lambda: "Gpu")
    monkeypatch.setattr(socket, "getfqdn", lambda: "gpu.street.example")
    client = start({"tiny": lambda: detector}, host=bound, names=["Proxy.example"])
    ours = (
        "gpu:8000",
        "gpu.local",
        "GPU.street.example",
        "10.0.0.7:80",
        "192.168.0.1",
        "[fd00::7]",
        "localhost",
    )
    assert {client.get("/health", Host=host).status for host in (*ours, bound, "proxy.example:80")} == {200}
    others = ("evil.example", "gpu.evil.example", "10.0.0.7.evil.example", "", "[")
    assert {client.get("/health", Host=host).status for host in others} == {421}
    page = {"Host": "gpu:8000", "Origin": "http://gpu:8000"}
    assert client.post("/predict.json", b"", **page).status == 422
    assert client.post("/predict.json", b"", **page | {"Origin": "http://evil.example"}).status == 403


def test_a_server_for_this_machine_answers_to_a_name_that_it_is_given(start, detector):
    client = start({"tiny": lambda: detector}, names=["proxy.example"])
    hosts = ("proxy.example", "localhost", "192.168.0.1", "evil.example")
    assert [client.get("/health", Host=host).status for host in hosts] == [200, 200, 421, 421]


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:1", "https://127.0.0.1.evil", "http://["]
)
def test_posts_from_other_pages_are_refused(client, picture, origin):
    reply = client.post("/predict.json", picture, Origin=origin)
    assert (reply.status, reply.error) == (403, "requests from other pages are refused")


def test_posts_from_the_page_itself_are_taken(client, picture):
    assert client.post("/predict.json", picture, Origin=f"http://127.0.0.1:{client.port}").status == 200


def test_every_answer_forbids_what_the_page_does_not_need(client):
    for path in ("/", "/page.js", "/detectors", "/nothing"):
        headers = client.get(path, Origin="http://evil.example").headers
        assert headers["content-security-policy"].startswith(
            "default-src 'none'; script-src 'self'; style-src 'self'"
        )
        assert headers["x-content-type-options"] == "nosniff"
        assert not any(name.startswith("access-control") for name in headers)
    assert client.ask("OPTIONS", "/predict.json").status == 405


# ---- how much


def test_too_large_a_file_is_refused_by_what_it_says(start, detector):
    client = start({"tiny": lambda: detector}, upload=1000)
    with connected(client, head(10**12)) as connection:
        answer = everything(connection)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"the file is larger than 0.000953674 MB, the most that is taken" in answer


def test_too_large_a_file_is_refused_as_it_comes(start, detector):
    client = start({"tiny": lambda: detector}, upload=1000)
    pieces = iter([bytes(600)] * 1000)
    reply = client.ask(
        "POST", "/predict.json", pieces, encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
    )
    assert reply.status == 413


def test_a_file_of_exactly_the_limit_is_taken(start, detector, picture):
    client = start({"tiny": lambda: detector}, upload=len(picture))
    assert client.post("/predict.json", picture).status == 200


def test_no_file(client):
    assert (
        client.post("/predict.json", b"").error
        == "no picture was sent: expected its file as the request's body"
    )


def test_a_large_upload_of_something_else_is_answered(client):
    reply = client.post("/predict.json", bytes(15 * 2**20))
    assert (reply.status, reply.error) == (415, "no picture: expected a file of JPEG, PNG, WEBP, BMP")


def test_uploads_together_are_bounded(start, detector, picture):
    client = start({"tiny": lambda: detector}, memory=100_000)
    with connected(client, head(90_001), bytes(90_000)) as waiting:
        time.sleep(0.2)
        reply = client.post("/predict.json", picture + bytes(20_000))
        assert (reply.status, reply.headers["retry-after"]) == (503, "2")
        assert reply.error.startswith("the server is busy: it keeps as much for other clients as its memory")
        waiting.sendall(b"\x00")
        assert everything(waiting).startswith(b"HTTP/1.1 415")
    assert client.post("/predict.json", picture + bytes(20_000)).status == 200  # given back


def test_shares_of_memory_are_given_back():
    memory = Memory(100)
    with memory.share() as mine, memory.share() as other:
        mine(60)
        with pytest.raises(Exception, match="busy"):
            other(41)
        other(40)
        assert memory.held == 100
    assert memory.held == 0


def test_long_heads_are_refused(client):
    with connected(client, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000) as connection:
        assert everything(connection).startswith(b"HTTP/1.1 400")
    assert client.get("/health").status == 200


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"\x00" * 5000, b"POST / HTTP/9\r\n\r\n"]
)
def test_what_is_no_http_is_refused(client, sent):
    with connected(client, sent) as connection:
        assert everything(connection).startswith(b"HTTP/1.1 400")


def test_what_comes_behind_a_request_is_no_matter(start, held, picture, capfd):
    client = start({"held": lambda: held})
    held.net.begun.clear()
    held.net.go.clear()
    with connected(client, head(len(picture)), picture) as connection:
        assert held.net.begun.wait(10)
        connection.sendall(b"\x00 no request")
        held.net.go.set()
        assert everything(connection).startswith(b"HTTP/1.1 200")
    assert capfd.readouterr().err == ""


# ---- how long


def test_a_client_that_does_not_ask_is_let_go(start, detector):
    client = start({"tiny": lambda: detector}, request_seconds=0.3)
    with connected(client) as idle, connected(client, b"GET / HT") as slow:
        for _ in range(3):  # more of the head does not buy more time
            time.sleep(0.05)
            slow.sendall(b"x")
        assert everything(idle) == everything(slow) == b""
    until(lambda: not client.server.server_state.connections)


def test_a_picture_that_does_not_arrive_is_given_up(start, detector):
    client = start({"tiny": lambda: detector}, upload_seconds=0.3)
    with connected(client, head(1000), bytes(10)) as connection:
        answer = everything(connection)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"the picture did not arrive in 0.3 s" in answer


def test_slow_uploads_hold_nobody_up(start, detector, picture):
    client = start({"tiny": lambda: detector}, upload_seconds=20)
    with contextlib.ExitStack() as slow:
        for _ in range(20):
            slow.enter_context(connected(client, head(len(picture)), picture[:-1]))
        assert {client.post("/predict.json", picture).status for _ in range(5)} == {200}


def test_an_answer_that_is_not_read_is_given_up(start, detector, encoded):
    client = start({"tiny": lambda: detector}, answer_seconds=0.3, memory=10 * 2**20)
    large = encoded(np.zeros((1200, 1600, 3), np.uint8))  # 7.7 MB of scores
    request = head(len(large), "/predict.npy") + large
    with contextlib.closing(socket.socket()) as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", client.port))
        stuck.sendall(request)
        until(lambda: client.server.server_state.total_requests or not client.server.server_state.connections)
        until(lambda: not client.server.server_state.connections)
    assert client.post("/predict.npy", large).status == 200  # for which there is memory again


# ---- how many


def test_the_server_answers_while_it_predicts(start, held, picture):
    client = start({"held": lambda: held})
    held.net.begun.clear()
    held.net.go.clear()
    predicting = InBackground(client.post, "/predict.json", picture)
    assert held.net.begun.wait(10)
    assert client.get("/health").status == 200
    held.net.go.set()
    assert predicting.result().status == 200


def test_beyond_the_queue_clients_are_asked_to_come_again(start, held, picture):
    client = start({"held": lambda: held}, waiting=2)
    held.net.begun.clear()
    held.net.go.clear()
    asked = [InBackground(client.post, "/predict.json", picture)]
    assert held.net.begun.wait(10)
    asked += [InBackground(client.post, "/predict.json", picture) for _ in range(4)]
    until(lambda: sum(hasattr(each, "reply") for each in asked) == 2)
    refused = [each.reply for each in asked if hasattr(each, "reply")]
    assert [(each.status, each.headers["retry-after"]) for each in refused] == [(503, "2")] * 2
    assert refused[0].error == "the server is busy: 2 pictures wait; try again in a while"
    held.net.go.set()
    assert sorted(each.result().status for each in asked) == [200, 200, 200, 503, 503]


def test_nobody_predicts_for_a_client_that_has_gone(start, held, picture):
    client = start({"held": lambda: held})
    held.net.begun.clear()
    held.net.go.clear()
    before = held.net.seen
    first = InBackground(client.post, "/predict.json", picture)
    assert held.net.begun.wait(10)
    with connected(client, head(len(picture)), picture):
        time.sleep(0.2)
    until(lambda: len(client.server.server_state.connections) == 1)
    held.net.go.set()
    assert first.result().status == 200
    assert client.post("/predict.json", picture).status == 200
    assert held.net.seen - before == 2


def test_connections_are_bounded(start, detector):
    client = start({"tiny": lambda: detector}, connections=4)
    with contextlib.ExitStack() as idle:
        for _ in range(4):
            idle.enter_context(connected(client))
        time.sleep(0.2)
        assert client.get("/health").status == 503
    until(lambda: not client.server.server_state.connections)
    assert client.get("/health").status == 200


def test_the_server_ends_in_the_middle_of_a_prediction(start, held, picture):
    client = start({"held": lambda: held})
    held.net.begun.clear()
    held.net.go.clear()
    predicting = InBackground(client.post, "/predict.json", picture)
    assert held.net.begun.wait(10)
    client.server.should_exit = True
    time.sleep(0.3)
    held.net.go.set()
    assert predicting.result().status == 200  # what was begun is answered


# ---- where


def test_a_port_that_is_taken():
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            OddscapeError, match=f"^port {port} of 127.0.0.1 is in use: give another by --port$"
        ):
            listen("127.0.0.1", port)


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70_000), ("192.0.2.1", 0), ("no such host", 0)])
def test_what_cannot_be_listened_on(host, port):
    with pytest.raises(OddscapeError, match=r"expected 0 to 65535|cannot listen on"):
        listen(host, port)

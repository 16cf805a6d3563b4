"""``oddscape serve`` as it is run."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys

import pytest

pytest.importorskip("starlette", reason="starlette is not installed (the extra 'serve')")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_runs_until_it_is_ended(street_lite, ending):
    command = [
        sys.executable,
        "-m",
        "oddscape",
        "serve",
        "--detector",
        street_lite,
        "--port",
        "0",
        "--threads",
        "1",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as run:
        said = run.stdout.readline()
        port = int(re.fullmatch(r"street-lite: http://127\.0\.0\.1:(\d+)/ \(Ctrl-C ends it\)\n", said)[1])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/detectors")
        assert (
            json.loads(connection.getresponse().read())["detectors"]["street-lite"]["score"] == "densehybrid"
        )
        connection.close()
        run.send_signal(ending)
        rest, errors = run.communicate(timeout=60)
    assert (rest, errors) == ("", "")
    assert run.returncode == (0 if ending == signal.SIGINT else -ending)


@pytest.mark.usefixtures("street_lite")
def test_a_port_in_use(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        expected = f"oddscape: port {port} of 127.0.0.1 is in use: give another by --port\n"
        assert run("serve", "--port", port) == (1, "", expected)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--port", "70000"], "--port 70000: expected 0 to 65535"),
        (["--max-upload", "0"], "--max-upload 0: expected more than 0"),
        (["--name", "gpu.example:80"], "--name gpu.example:80: expected a name alone, as in street.example"),
        (["--max-pixels", "-1"], "--max-pixels -1: expected more than 0"),
        (["--detector", "a/x.safetensors", "--detector", "b/x.safetensors"], "two detectors are called 'x'"),
        (["--detector", "nowhere.safetensors", "--port", "0"], "no detector at nowhere.safetensors"),
    ],
)
@pytest.mark.usefixtures("street_lite")
def test_what_cannot_be_served(run, options, said):
    status, out, err = run("serve", *options)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert said in err


@pytest.mark.usefixtures("street_lite")
def test_the_largest_picture_finds_place(run, monkeypatch):
    from oddscape.serving import server

    told, make_server = [], server.make_server

    def listening(detectors, host, limits, names):
        told.append(limits)
        return make_server(detectors, host, limits, names)

    monkeypatch.setattr(server, "make_server", listening)
    monkeypatch.setattr("uvicorn.Server.run", lambda _server, **_sockets: None)
    for option in ("--max-pixels", "--max-upload"):
        assert run("serve", "--port", 0, option, 600)[0] == 0
    for limits in told:
        assert limits.memory > limits.upload + (4 + 1) * limits.pixels


def test_without_the_extra(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "starlette", None)
    status, _, err = run("serve")
    assert status == 1
    assert "starlette" in err


@pytest.mark.usefixtures("street_lite")
def test_shown_to_other_machines_is_said(run, monkeypatch):
    monkeypatch.setattr("uvicorn.Server.run", lambda _server, **_sockets: None)
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(socket, "gethostname", lambda: "gpu")
    status, out, err = run("serve", "--host", "0.0.0.0", "--port", "0", "--open")
    assert status == 0
    assert opened == [re.search(r"http://\S+", out)[0]]
    port = re.fullmatch(r"http://localhost:(\d+)/", opened[0])[1]
    assert err == (
        f"warning: listening on 0.0.0.0, other machines can reach http://gpu:{port}/, "
        "and there is no password\n"
    )

"""Getting released weights from a server on this machine, from the cache, and by hand."""

import hashlib
import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from oddscape import fetch
from oddscape.errors import OddscapeError
from oddscape.fetch import RemoteFile
from oddscape.models import MODELS
from oddscape.weights.get import cache_folder, get
from oddscape.weights.sources import WEIGHTS, ReleasedWeights

CONTENT = b"PK" + bytes(range(256)) * 50
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server of a folder, and weights "small" there, "clicked" in a browser; the cache is empty."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("ODDSCAPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ODDSCAPE_MIRROR", raising=False)
    monkeypatch.setattr(fetch, "PAUSES", ())
    served = tmp_path / "served"
    served.mkdir()
    (served / "small.pth").write_bytes(CONTENT)
    (served / "clicked.pth").write_bytes(CONTENT)
    listening = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=served))
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    listening.served, listening.address = served, f"http://127.0.0.1:{listening.server_port}"
    small = RemoteFile(f"{listening.address}/small.pth", "small.pth", page="https://example.org/page")
    clicked = RemoteFile("https://example.org/view", "clicked.pth")
    monkeypatch.setitem(WEIGHTS, "small", ReleasedWeights("erfnet", "towns", "free", small))
    monkeypatch.setitem(
        WEIGHTS, "clicked", ReleasedWeights("erfnet", "towns", "free", clicked, in_browser=True)
    )
    yield listening
    listening.shutdown()
    listening.server_close()
    thread.join()


def checked(monkeypatch, checksum):
    file = RemoteFile(WEIGHTS["small"].file.url, "small.pth", checksum=checksum)
    monkeypatch.setitem(WEIGHTS, "small", ReleasedWeights("erfnet", "towns", "free", file))


def test_what_was_fetched_once_is_taken_from_the_cache(server, tmp_path):
    path = get("small")
    assert path == tmp_path / "cache" / "weights" / "small.pth"
    assert path.read_bytes() == CONTENT
    (server.served / "small.pth").unlink()
    assert get("small") == path
    with pytest.raises(OddscapeError, match="404"):
        get("small", tmp_path / "elsewhere")


@pytest.mark.usefixtures("server")
def test_a_folder_may_be_named(tmp_path):
    assert get("small", tmp_path / "mine") == tmp_path / "mine" / "small.pth"
    assert not (tmp_path / "cache").exists()


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("checksum", [f"sha256:{DIGEST}", f"sha256:{DIGEST[:8]}"])
def test_a_checksum_or_its_beginning_is_checked(monkeypatch, tmp_path, checksum):
    checked(monkeypatch, checksum)
    path = get("small")
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(OddscapeError, match=f"has the sha256 .*, expected {DIGEST[:8]}.*; remove it"):
        get("small")
    checked(monkeypatch, "sha256:00000000")
    with pytest.raises(OddscapeError, match="it came damaged, or is another file by now"):
        get("small", tmp_path / "other")


def test_a_dead_link_says_where_to_fetch_by_hand(server, tmp_path):
    (server.served / "small.pth").unlink()
    folder = re.escape(str(tmp_path / "cache" / "weights"))
    with pytest.raises(
        OddscapeError,
        match=f"404 .*fetch small.pth by hand from https://example.org/page and put it into {folder}, or ",
    ):
        get("small")


def test_what_wants_a_browser_says_so_until_it_is_there_or_on_a_mirror(server, tmp_path, monkeypatch):
    path = tmp_path / "cache" / "weights" / "clicked.pth"
    with pytest.raises(OddscapeError) as caught:
        get("clicked")
    assert str(caught.value) == (
        f"clicked wants a browser: open https://example.org/view and save the file as {path}, "
        "or name a mirror ($ODDSCAPE_MIRROR)"
    )
    assert get("clicked", tmp_path / "a", mirror=server.address).read_bytes() == CONTENT
    monkeypatch.setenv("ODDSCAPE_MIRROR", server.address)
    assert get("clicked") == path
    monkeypatch.delenv("ODDSCAPE_MIRROR")
    assert get("clicked") == path


def test_a_web_page_in_place_of_the_file_is_not_kept(server, tmp_path):
    (server.served / "small.pth").write_text("<!DOCTYPE html><title>Virus scan warning</title>")
    with pytest.raises(OddscapeError, match=r"small: a web page came in place of small\.pth; open http"):
        get("small")
    assert not (tmp_path / "cache" / "weights" / "small.pth").exists()


def test_an_unknown_name_lists_the_names():
    with pytest.raises(OddscapeError, match="no released weights 'nowhere'; there are erfnet-cityscapes, "):
        get("nowhere")


def test_the_cache_lies_where_the_system_keeps_caches(monkeypatch, tmp_path):
    monkeypatch.delenv("ODDSCAPE_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_folder() == tmp_path / ".cache" / "oddscape" / "weights"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "oddscape" / "weights"


def test_every_entry_names_a_network_and_a_file_of_its_own():
    assert all(weights.model in MODELS for weights in WEIGHTS.values())
    assert len({weights.file.name for weights in WEIGHTS.values()}) == len(WEIGHTS)
    assert all("drive.google" not in w.file.url or w.in_browser for w in WEIGHTS.values())
    assert all(w.num_classes or w.trained_on == "ImageNet" for w in WEIGHTS.values())

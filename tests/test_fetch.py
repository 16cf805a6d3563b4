"""Fetching from a server in this process that cuts, lies, changes and refuses."""

import hashlib
import re
import threading
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from oddscape import fetch as fetch_module
from oddscape.errors import OddscapeError
from oddscape.fetch import RemoteFile, fetch

CONTENT = np.random.default_rng(0).bytes(300_000)
OTHER = np.random.default_rng(1).bytes(250_000)


class Handler(BaseHTTPRequestHandler):
    """Serves one content under every path, as the server's ``does`` says."""

    def do_GET(self):
        does, begin = self.server.does, 0
        does.requests.append((self.path, dict(self.headers)))
        if does.failures:
            self.send_error(does.failures.pop(0))
            return
        wanted = self.headers.get("Range")
        fresh = self.headers.get("If-Range") in (does.etag, does.modified)
        if wanted and does.ranges and fresh:
            begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if begin >= len(does.content):
                self.send_error(416)
                return
            self.send_response(206)
            end, size = len(does.content) - 1, len(does.content)
            self.send_header("Content-Range", f"bytes {begin + does.shift}-{end}/{size}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(does.content) - begin))
        if does.etag:
            self.send_header("ETag", does.etag)
        if does.modified:
            self.send_header("Last-Modified", does.modified)
        self.end_headers()
        cut = does.cuts.pop(0) if does.cuts else len(does.content)
        self.wfile.write(does.content[begin : begin + cut])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    """A server on this machine; what it does is set on what is given."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("ODDSCAPE_MIRROR", raising=False)
    monkeypatch.setattr(fetch_module, "PAUSES", (0.0, 0.0, 0.0))
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.does = SimpleNamespace(
        content=CONTENT, etag='"one"', modified=None, ranges=True, shift=0, cuts=[], failures=[], requests=[]
    )
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    listening.does.address = f"http://127.0.0.1:{listening.server_port}"
    yield listening.does
    listening.shutdown()
    listening.server_close()
    thread.join()


@pytest.fixture
def remote(server):
    """The file that the server has, its size and checksum known."""
    digest = hashlib.sha256(CONTENT).hexdigest()
    return RemoteFile(
        f"{server.address}/dir/set.zip", "set.zip", f"sha256:{digest}", len(CONTENT), "the page"
    )


def bare(remote):
    """The same file, of which nothing is known beforehand."""
    return RemoteFile(remote.url, remote.name)


def interrupted(remote, folder, after=100_000):
    """Fetch and be interrupted."""

    def progress(done, _total):
        if done >= after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(remote, folder, progress=progress)


def test_a_whole_file_arrives_with_its_progress_and_nothing_beside_it(server, remote, tmp_path):
    steps = []
    path = fetch(remote, tmp_path / "new" / "folder", progress=lambda *step: steps.append(step))
    assert path.read_bytes() == CONTENT
    assert [file.name for file in path.parent.iterdir()] == ["set.zip"]
    assert steps[0] == (0, len(CONTENT))
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert server.requests[0][1]["User-Agent"].startswith("oddscape/")


def test_a_file_that_is_there_is_not_fetched_again(server, remote, tmp_path):
    fetch(remote, tmp_path)
    fetch(remote, tmp_path)
    assert len(server.requests) == 1


def test_a_wrong_file_that_is_there_is_named_and_left(server, remote, tmp_path):
    (tmp_path / "set.zip").write_bytes(OTHER)
    with pytest.raises(OddscapeError, match=r"set\.zip has 250000 bytes, expected 300000; remove it"):
        fetch(remote, tmp_path)
    assert (tmp_path / "set.zip").read_bytes() == OTHER
    assert not server.requests


@pytest.mark.parametrize("validator", ["etag", "modified"])
def test_a_cut_connection_goes_on_where_it_was_cut(server, remote, tmp_path, validator):
    server.etag, server.modified = None, None
    setattr(server, validator, '"one"' if validator == "etag" else formatdate(0, usegmt=True))
    server.cuts = [120_000, 50_000]
    assert fetch(remote, tmp_path).read_bytes() == CONTENT
    ranges = [headers.get("Range") for _, headers in server.requests]
    assert ranges == [None, "bytes=120000-", "bytes=170000-"]


def test_many_cuts_do_no_harm_while_each_attempt_brings_something(server, remote, tmp_path):
    server.cuts = [20_000] * 10
    assert fetch(remote, tmp_path).read_bytes() == CONTENT


def test_another_process_goes_on_where_one_was_interrupted(server, remote, tmp_path):
    interrupted(remote, tmp_path)
    held = (tmp_path / "set.zip.part").stat().st_size
    assert not (tmp_path / "set.zip").exists()
    assert held >= 100_000
    assert fetch(remote, tmp_path).read_bytes() == CONTENT
    assert server.requests[1][1]["Range"] == f"bytes={held}-"
    assert [file.name for file in tmp_path.iterdir()] == ["set.zip"]


def test_a_part_that_is_whole_needs_no_request(server, remote, tmp_path):
    interrupted(remote, tmp_path, after=len(CONTENT))
    assert fetch(remote, tmp_path).read_bytes() == CONTENT
    assert len(server.requests) == 1


@pytest.mark.parametrize("content", [OTHER, OTHER[:1_000]])
def test_a_changed_file_is_not_glued_to_the_old_half(server, remote, tmp_path, content):
    interrupted(bare(remote), tmp_path)
    server.content, server.etag = content, '"two"'
    assert fetch(bare(remote), tmp_path).read_bytes() == content


@pytest.mark.parametrize("etag", ['W/"one"', None])
def test_a_half_that_nothing_can_vouch_for_is_fetched_again(server, remote, tmp_path, etag):
    server.etag = etag
    interrupted(bare(remote), tmp_path)
    server.content = OTHER
    assert fetch(bare(remote), tmp_path).read_bytes() == OTHER
    assert "Range" not in server.requests[1][1]


def test_a_half_from_another_address_is_fetched_again(server, remote, tmp_path):
    interrupted(remote, tmp_path)
    assert fetch(remote, tmp_path, mirror=server.address).read_bytes() == CONTENT
    assert "Range" not in server.requests[1][1]


def test_a_server_without_ranges_sends_all_of_it_again(server, remote, tmp_path):
    server.ranges, server.cuts = False, [120_000]
    assert fetch(remote, tmp_path).read_bytes() == CONTENT


def test_a_server_without_ranges_that_always_cuts_is_given_up(server, remote, tmp_path):
    server.ranges, server.cuts = False, [120_000] * 20
    with pytest.raises(OddscapeError, match="the connection ended after 120000 of 300000 bytes"):
        fetch(remote, tmp_path)
    assert len(server.requests) == 4


def test_a_range_that_was_not_asked_for_is_not_used(server, remote, tmp_path):
    server.cuts, server.shift = [120_000], 7
    assert fetch(remote, tmp_path).read_bytes() == CONTENT


def test_a_half_that_is_longer_than_the_file_is_fetched_again(server, remote, tmp_path):
    server.cuts = [250_000]
    interrupted(bare(remote), tmp_path)
    server.content = CONTENT[: (tmp_path / "set.zip.part").stat().st_size - 10]
    assert fetch(bare(remote), tmp_path).read_bytes() == server.content


def test_a_failure_that_passes_is_tried_again(server, remote, tmp_path):
    server.failures = [503, 429, 500]
    assert fetch(remote, tmp_path).read_bytes() == CONTENT


def test_a_failure_that_stays_is_given_up_and_what_came_is_kept(server, remote, tmp_path):
    interrupted(remote, tmp_path)
    server.failures = [503] * 10
    with pytest.raises(OddscapeError, match=r"503 Service Unavailable; 0\.\d MB are kept, the same command"):
        fetch(remote, tmp_path)
    assert len(server.requests) == 1 + 4
    assert (tmp_path / "set.zip.part").exists()


def test_a_dead_link_is_one_line_that_says_where_to_fetch_by_hand(server, remote, tmp_path):
    server.failures = [404]
    with pytest.raises(OddscapeError) as caught:
        fetch(remote, tmp_path)
    assert str(caught.value) == (
        f"cannot fetch {remote.url}: 404 Not Found; fetch set.zip by hand from the page and put it into "
        f"{tmp_path}, or name a mirror ($ODDSCAPE_MIRROR)"
    )
    assert len(server.requests) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://nowhere.invalid/set.zip", "(not known|resolution|address)"),
        ("http://127.0.0.1:1/set.zip", "refused"),
        ("set.zip", "unknown url type"),
    ],
)
def test_what_cannot_be_reached_is_one_line(server, tmp_path, url, reason):
    with pytest.raises(
        OddscapeError, match=rf"^cannot fetch {re.escape(url)}: .*{reason}.*; fetch set\.zip by hand"
    ):
        fetch(RemoteFile(url, "set.zip"), tmp_path)
    assert not server.requests


def test_a_wrong_checksum_leaves_nothing(server, remote, tmp_path):
    server.content = OTHER + CONTENT[: len(CONTENT) - len(OTHER)]
    with pytest.raises(
        OddscapeError, match=r"/dir/set\.zip has the sha256 [0-9a-f]{64}, expected [0-9a-f]{64}"
    ):
        fetch(remote, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_wrong_size_is_told_before_it_is_fetched(server, remote, tmp_path):
    server.content = OTHER
    with pytest.raises(OddscapeError, match="it has 250000 bytes, expected 300000"):
        fetch(remote, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_mirror_holds_the_file_under_its_name(server, remote, tmp_path, monkeypatch):
    dead = RemoteFile("http://nowhere.invalid/a/b", remote.name, remote.checksum)
    assert fetch(dead, tmp_path / "option", mirror=f"{server.address}/sets/").read_bytes() == CONTENT
    monkeypatch.setenv("ODDSCAPE_MIRROR", f"{server.address}/others")
    assert fetch(dead, tmp_path / "variable").read_bytes() == CONTENT
    assert [path for path, _ in server.requests] == ["/sets/set.zip", "/others/set.zip"]


def test_a_mirror_that_is_no_address_is_one_line(remote, tmp_path):
    with pytest.raises(
        OddscapeError, match=r"^mirror '/srv/sets': expected an address that begins with http"
    ):
        fetch(remote, tmp_path, mirror="/srv/sets")


def test_too_little_space_is_told_before_it_is_fetched(remote, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch_module.shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000))
    with pytest.raises(OddscapeError, match=r"has 0\.0 MB free, 0\.3 MB are needed"):
        fetch(remote, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, a disk that is always full")
def test_a_disk_that_fills_up_is_one_line(remote, tmp_path):
    (tmp_path / "set.zip.part").symlink_to("/dev/full")
    with pytest.raises(OddscapeError, match=r"^cannot write .*set\.zip\.part: No space left on device$"):
        fetch(remote, tmp_path)
    assert not (tmp_path / "set.zip").exists()


def test_a_folder_that_cannot_be_made_is_one_line(remote, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OddscapeError, match=r"^cannot write .*file.below: "):
        fetch(remote, tmp_path / "file" / "below")

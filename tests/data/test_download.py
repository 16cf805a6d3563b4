"""Getting data sets from a server on this machine, and what is told of each source."""

import io
import re
import tarfile
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from oddscape import fetch
from oddscape.commands import data as commands
from oddscape.data import DATASETS, download
from oddscape.data.sources import SOURCES, Archive, Source
from oddscape.errors import OddscapeError
from oddscape.fetch import RemoteFile


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder and takes down what was asked for."""

    def do_GET(self):
        self.server.requests.append(self.path)
        super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server of two archives, ``one.tar`` and ``two.zip``, and a data set "small" that they make up."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("ODDSCAPE_MIRROR", raising=False)
    monkeypatch.setattr(fetch, "PAUSES", ())
    served = tmp_path / "served"
    served.mkdir()
    with tarfile.open(served / "one.tar", "w") as archive:
        for name in ("train/images/a.png", "train/annotations/a.png", "licence.txt"):
            info = tarfile.TarInfo(name)
            info.size = len(name)
            archive.addfile(info, io.BytesIO(name.encode()))
    with zipfile.ZipFile(served / "two.zip", "w") as archive:
        for name in ("two-master/set/test/b.png", "two-master/code.py"):
            archive.writestr(name, name)
    listening = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=served))
    listening.requests, listening.served = [], served
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    listening.address = f"http://127.0.0.1:{listening.server_port}"
    monkeypatch.setitem(SOURCES, "small", source_at(listening.address))
    yield listening
    listening.shutdown()
    listening.server_close()
    thread.join()


def source_at(address):
    one = RemoteFile(f"{address}/one.tar", "one.tar")
    two = RemoteFile(f"{address}/two.zip", "two.zip")
    archives = Archive(one, ("train/images", "train/annotations")), Archive(two, ("test",), "two-master/set")
    return Source("a small set", "free", archives)


WHOLE = {"licence.txt", "test/b.png", "train/annotations/a.png", "train/images/a.png"}


def files_in(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("server")
def test_the_archives_become_one_folder(tmp_path):
    assert download.get("small", tmp_path / "set") == tmp_path / "set"
    assert files_in(tmp_path / "set") == WHOLE


@pytest.mark.usefixtures("server")
def test_each_step_tells_how_far_it_is(tmp_path):
    steps = []

    def begin(what):
        steps.append((what, []))
        return lambda done, total: steps[-1][1].append((done, total))

    download.get("small", tmp_path / "set", progress=begin)
    names = [what for what, _ in steps]
    assert names == ["fetching one.tar", "unpacking one.tar", "fetching two.zip", "unpacking two.zip"]
    assert all(told[-1][0] == told[-1][1] > 0 for _, told in steps)


def test_a_second_call_does_nothing(server, tmp_path):
    download.get("small", tmp_path / "set")
    download.get("small", tmp_path / "set")
    assert server.requests == ["/one.tar", "/two.zip"]


def test_what_is_missing_alone_is_fetched(server, tmp_path):
    (tmp_path / "set" / "test").mkdir(parents=True)
    download.get("small", tmp_path / "set")
    assert server.requests == ["/one.tar"]


def test_archives_can_be_kept_and_serve_again(server, tmp_path):
    download.get("small", tmp_path / "set", keep_archives=True)
    assert files_in(tmp_path / "set") == WHOLE | {"one.tar", "two.zip"}
    (tmp_path / "set" / "test").rename(tmp_path / "elsewhere")
    download.get("small", tmp_path / "set")
    assert server.requests == ["/one.tar", "/two.zip"]
    assert files_in(tmp_path / "set") == WHOLE | {"one.tar"}


def test_an_archive_put_there_by_hand_is_used(server, tmp_path, monkeypatch):
    monkeypatch.setitem(SOURCES, "small", source_at("http://127.0.0.1:1"))
    with pytest.raises(
        OddscapeError, match=r"fetch one\.tar by hand and put it into .*set, or name a mirror"
    ):
        download.get("small", tmp_path / "set")
    for name in ("one.tar", "two.zip"):
        (tmp_path / "set" / name).write_bytes((server.served / name).read_bytes())
    download.get("small", tmp_path / "set")
    assert files_in(tmp_path / "set") == WHOLE


def test_a_mirror_serves_all_archives(server, tmp_path, monkeypatch):
    monkeypatch.setitem(SOURCES, "small", source_at("http://127.0.0.1:1/far/away"))
    download.get("small", tmp_path / "set", mirror=server.address)
    assert files_in(tmp_path / "set") == WHOLE


def test_half_a_data_set_is_not_mixed_with_a_whole_one(server, tmp_path):
    mine = tmp_path / "set" / "train" / "images" / "mine.png"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(
        OddscapeError, match=r"set holds train already, but not all of train/images, train/ann"
    ):
        download.get("small", tmp_path / "set")
    assert not server.requests
    assert files_in(tmp_path / "set") == {"train/images/mine.png"}


def test_an_archive_with_another_layout_is_told_and_kept(server, tmp_path):
    with zipfile.ZipFile(server.served / "two.zip", "w") as archive:
        archive.writestr("two-main/set/test/b.png", "b")
    with pytest.raises(
        OddscapeError, match=r"two\.zip holds no test: its layout has changed; unpack it by hand"
    ):
        download.get("small", tmp_path / "set")
    assert files_in(tmp_path / "set") == (WHOLE - {"test/b.png"}) | {"two.zip"}


def test_interrupted_unpacking_leaves_the_archive_alone_and_the_next_call_goes_on(server, tmp_path):
    def begin(what):
        def progress(_done, _total):
            if what == "unpacking one.tar":
                raise KeyboardInterrupt

        return progress

    with pytest.raises(KeyboardInterrupt):
        download.get("small", tmp_path / "set", progress=begin)
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["one.tar"]
    download.get("small", tmp_path / "set")
    assert server.requests == ["/one.tar", "/two.zip"]
    assert files_in(tmp_path / "set") == WHOLE


def test_an_unknown_name_lists_the_names(tmp_path):
    with pytest.raises(
        OddscapeError, match=r"no source of a data set 'nowhere'; there are ade20k, .*streethazards"
    ):
        download.get("nowhere", tmp_path)


def test_every_data_set_says_how_it_is_got(tmp_path):
    for name in DATASETS.keys() - SOURCES.keys():
        with pytest.raises(OddscapeError, match=f"^{name} is not fetched: "):
            download.get(name, tmp_path)


@pytest.mark.parametrize("name", [name for name, source in SOURCES.items() if source.by_hand])
def test_what_is_got_by_hand_says_where_and_to_where(name, tmp_path):
    with pytest.raises(OddscapeError) as caught:
        download.get(name, tmp_path / "new")
    message = str(caught.value)
    assert message.startswith(f"{name} is got by hand: ")
    assert "https://" in message
    assert str(tmp_path / "new") in message
    assert "\n" not in message
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_says_all_there_is_to_say(name):
    source = SOURCES[name]
    assert source.title
    assert source.licence
    assert bool(source.archives) != bool(source.by_hand)
    for archive in source.archives:
        assert archive.gives
        assert re.fullmatch(r"https?://[^ ]+", archive.file.url)
        assert archive.file.page.startswith("http")
        digits = {"md5": 32, "sha256": 64}
        algorithm, _, digest = (archive.file.checksum or f"md5:{32 * '0'}").partition(":")
        assert re.fullmatch(rf"[0-9a-f]{{{digits[algorithm]}}}", digest)


def test_no_two_archives_have_the_same_name_on_a_mirror():
    names = [archive.file.name for source in SOURCES.values() for archive in source.archives]
    assert len(set(names)) == len(names)


@pytest.mark.usefixtures("server")
def test_the_command_gets_a_set_and_says_what_to_do_next(tmp_path, capsys):
    commands.get("small", tmp_path / "set")
    assert files_in(tmp_path / "set") == WHOLE
    out, err = capsys.readouterr()
    assert out.splitlines() == [f"small: {tmp_path}/set", f"next: oddscape data check small {tmp_path}/set"]
    assert not err


def test_the_list_names_every_set(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    commands.list_()
    out = capsys.readouterr().out
    for name, source in SOURCES.items():
        assert name in out
        assert source.licence in out
        assert (f"\n{name}: " in out) == bool(source.by_hand)
    assert "\ncityscapes: register at https://www.cityscapes-dataset.com, download" in out

"""Unpacking: whole archives, and archives that mean harm."""

import io
import stat
import struct
import tarfile
import zipfile
from types import SimpleNamespace

import pytest

from oddscape import fetch
from oddscape.data.unpack import unpacked
from oddscape.errors import OddscapeError

FILES = {
    "set/images/a.png": b"picture",
    "set/images/deep/b.png": b"",
    "set/readme.txt": b"words",
    "c.txt": b"c",
}


def zip_of(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tar_of(path, files, mode="w", members=()):
    """A tar of files and of further members, ``(name, what to set on the member)``."""
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, fields in members:
            info = tarfile.TarInfo(name)
            vars_of = {"type": tarfile.REGTYPE, **fields}
            for field, value in vars_of.items():
                setattr(info, field, value)
            archive.addfile(info)
    return path


def link(target, kind=tarfile.SYMTYPE):
    return {"type": kind, "linkname": target}


def files_in(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def refused(archive):
    """Unpack what must be refused; nothing is left but the archive, and nothing landed beside it."""
    with pytest.raises(OddscapeError) as caught, unpacked(archive):
        raise AssertionError("the block must not run")
    assert list(archive.parent.iterdir()) == [archive]
    assert list(archive.parent.parent.iterdir()) == [archive.parent]
    return str(caught.value)


@pytest.fixture
def folder(tmp_path):
    """A folder in an otherwise empty folder."""
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    return tmp_path / "outer" / "inner"


@pytest.fixture(params=["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"])
def archive(request, folder):
    """FILES in each kind of archive; its name does not tell the kind."""
    path = folder / "archive"
    if request.param == "zip":
        return zip_of(path, FILES)
    return tar_of(path, FILES, f"w:{request.param[4:]}")


def test_an_archive_unpacks_to_what_it_holds_and_the_folder_goes_when_the_block_ends(archive):
    steps = []
    with unpacked(archive, progress=lambda *step: steps.append(step)) as contents:
        assert files_in(contents) == FILES
        assert contents.parent == archive.parent
    assert list(archive.parent.iterdir()) == [archive]
    assert steps[-1] == (13, 13)


def test_one_folder_of_an_archive_can_be_unpacked(archive):
    with unpacked(archive, inside="set") as contents:
        assert set(files_in(contents)) == {"images/a.png", "images/deep/b.png", "readme.txt"}
    with unpacked(archive, inside="se") as contents:
        assert not files_in(contents)


def test_an_interrupted_block_leaves_nothing(archive):
    with pytest.raises(KeyboardInterrupt), unpacked(archive):
        raise KeyboardInterrupt
    assert list(archive.parent.iterdir()) == [archive]


def test_interrupted_unpacking_leaves_nothing(archive):
    def progress(_done, _total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), unpacked(archive, progress=progress):
        raise AssertionError("the block must not run")
    assert list(archive.parent.iterdir()) == [archive]


def test_what_a_killed_process_left_is_no_part_of_it(archive):
    (archive.parent / ".archive.unpacking").mkdir()
    (archive.parent / ".archive.unpacking" / "half.png").write_bytes(b"half")
    with unpacked(archive) as contents:
        assert files_in(contents) == FILES


def test_records_of_macos_are_left_out(folder):
    with unpacked(zip_of(folder / "a.zip", {"a.png": b"a", "__MACOSX/._a.png": b"junk"})) as contents:
        assert files_in(contents) == {"a.png": b"a"}


@pytest.mark.parametrize(
    "name", ["../escaped", "a/../../escaped", "/escaped", "..\\escaped", "C:\\escaped", ".."]
)
@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_a_path_that_leads_outside_is_refused(folder, make, name):
    message = refused(make(folder / "archive", {"good.png": b"good", name: b"bad"}))
    assert f"{name!r} would land outside the folder" in message


def test_dots_within_a_name_are_no_harm(folder):
    with unpacked(tar_of(folder / "a.tar", {"./a/v1..2.png": b"a"})) as contents:
        assert files_in(contents) == {"a/v1..2.png": b"a"}


@pytest.mark.parametrize("target", ["../../escaped", "/etc/passwd", "missing.png"])
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_that_leads_out_of_a_tar_is_refused(folder, target, kind):
    message = refused(tar_of(folder / "a.tar", FILES, members=[("way", link(target, kind))]))
    assert f"'way' is a link to {target!r}, which is not in it" in message


def test_a_file_beyond_a_link_to_a_folder_is_refused(folder):
    members = [("way", link("..")), ("way/escaped", {})]
    assert "'way' is a link to '..', which is not in it" in refused(
        tar_of(folder / "a.tar", {}, members=members)
    )


def test_links_within_a_tar_become_copies(folder):
    members = [
        ("set/again.txt", link("images/../readme.txt")),
        ("set/images/up.txt", link("../again.txt")),
        ("hard.txt", link("set/readme.txt", tarfile.LNKTYPE)),
    ]
    with unpacked(tar_of(folder / "a.tar", FILES, members=members)) as contents:
        for name, _ in members:
            assert (contents / name).read_bytes() == b"words"
            assert not (contents / name).is_symlink()


def test_links_in_a_circle_are_refused(folder):
    circle = [("a", link("b")), ("b", link("a"))]
    assert "'a' is no file, folder or link to a file" in refused(tar_of(folder / "a.tar", {}, members=circle))


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_a_device_is_refused(folder, kind):
    archive = tar_of(folder / "a.tar", FILES, members=[("device", {"type": kind})])
    assert "'device' is no file, folder or link to a file" in refused(archive)


def test_a_link_in_a_zip_is_refused(folder):
    info = zipfile.ZipInfo("way")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr(info, "../../escaped")
    assert "'way' is a link" in refused(folder / "a.zip")


def test_a_bomb_is_refused(folder):
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(10_000_000))
    assert "would unpack to 10.0 MB, more than 100 times its size" in refused(folder / "a.zip")


def test_a_zip_that_lies_about_a_size_is_refused(folder):
    path = zip_of(folder / "a.zip", {"a.png": b"0123456789" * 10})
    said, less = struct.pack("<II", 100, 100), struct.pack("<II", 100, 10)
    assert path.read_bytes().count(said) == 2
    path.write_bytes(path.read_bytes().replace(said, less))
    assert "is broken" in refused(path)


@pytest.mark.parametrize("make", [zip_of, lambda path, files: tar_of(path, files, "w:gz")])
def test_half_an_archive_is_refused(folder, make):
    path = make(folder / "archive", {"a.png": bytes(range(256)) * 40})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "remove it and fetch it again" in refused(path)


def test_a_zip_with_a_flipped_bit_is_refused(folder):
    path = zip_of(folder / "a.zip", {"a.png": b"picture"})
    path.write_bytes(path.read_bytes().replace(b"picture", b"picturf"))
    assert "is broken: Bad CRC-32 for file 'a.png'" in refused(path)


def test_a_page_in_place_of_an_archive_is_refused(folder):
    (folder / "a.zip").write_text("<html>Please accept our terms</html>")
    assert "is no zip or tar archive" in refused(folder / "a.zip")


def test_too_little_space_is_told_before_anything_is_written(folder, monkeypatch):
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda _: SimpleNamespace(free=5))
    assert "0.0 MB free" in refused(zip_of(folder / "a.zip", FILES))


def test_a_file_below_a_file_is_one_line(folder):
    assert "cannot unpack" in refused(zip_of(folder / "a.zip", {"a": b"file", "a/b": b"below it"}))

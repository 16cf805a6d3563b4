"""``oddscape mine``: the whole way from folders to results, interrupted, shared out and refused."""

import csv
import os
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from oddscape.detector import Detector

WRITTEN = {"shards", "ranking.csv", "gallery.html", "shortlist.txt"}


@pytest.fixture
def drives(tmp_path, monkeypatch):
    """Fourteen pictures of 48x32 in two folders, of which two are the same; work beside them."""
    rng = np.random.default_rng(0)
    for number in range(14):
        pixels = rng.integers(0, 256, (4, 6, 3), np.uint8).repeat(8, 0).repeat(8, 1)
        path = tmp_path / "drives" / f"{number % 2}" / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    path.write_bytes((path.parent / "01.png").read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path / "drives"


@pytest.fixture
def network(weights):
    """A network and a threshold that about half of the pixels are above."""
    return "--weights", weights, "--score", "msp", "--threshold", 0.9, "--device", "cpu"


@pytest.fixture
def mine(run, drives, network):
    """Mine the drives; give exit status, standard output and standard error."""
    return lambda *options: run("mine", drives.name, *network, *options)


def _rows(folder):
    with (folder / "ranking.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_folders_become_a_ranking_a_gallery_and_a_shortlist(mine, drives):
    status, printed, err = mine("--keep", 5)
    assert (status, err) == (0, "")
    files = "mined/ranking.csv, mined/gallery.html, mined/shortlist.txt"
    assert printed.endswith(f"14 pictures ranked, 1 of them near-duplicates: {files}\n")
    mined = drives.parent / "mined"
    assert {it.name for it in mined.iterdir()} == WRITTEN
    rows = _rows(mined)
    assert sorted(row["path"] for row in rows) == sorted(f"drives/{n % 2}/{n:02}.png" for n in range(14))
    scores = [float(row["region_score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[-1]
    (copy,) = (row for row in rows if row["duplicate_of"])
    assert {copy["path"], rows[int(copy["duplicate_of"]) - 1]["path"]} == {
        "drives/1/01.png",
        "drives/1/13.png",
    }
    shortlist = (mined / "shortlist.txt").read_text().split()
    assert shortlist == [row["path"] for row in rows if not row["duplicate_of"]][:5]
    assert rows[0]["path"] in printed


def test_another_ranking_needs_no_network(mine, run, drives):
    mine()
    status, printed, _ = run("mine", "--merge", "--rank-by", "mean", "--distance", -1, "--keep", 2)
    assert (status, "14 pictures ranked: mined/ranking.csv" in printed) == (0, True)
    rows = _rows(drives.parent / "mined")
    means = [float(row["mean_score"]) for row in rows]
    assert means == sorted(means, reverse=True)
    assert {row["duplicate_of"] for row in rows} == {""}


def test_shards_by_hand_give_what_one_process_gives(mine, run, drives):
    mine("--out", "one")
    for number in (2, 3, 1):
        status, printed, _ = mine("--out", "three", "--shard", f"{number}/3")
        assert (status, printed.startswith(f"shard {number}/3: ")) == (0, True)
        assert printed.endswith("scored; oddscape mine --merge --out three when all 3 are done\n")
    assert run("mine", "--merge", "--out", "three")[0] == 0
    one, three = (drives.parent / name for name in ("one", "three"))
    for file in WRITTEN - {"shards"}:
        assert (one / file).read_bytes() == (three / file).read_bytes()


def test_two_processes_give_what_one_gives(mine, drives, network, two_processes):
    (drives / "0" / "damaged.png").write_bytes(b"no picture")
    assert mine("--out", "one")[0] == 1
    call = "import sys; from oddscape.cli import app; from oddscape.errors import OddscapeError"
    run = f"{call}\ntry: app(sys.argv[1:])\nexcept OddscapeError as error: print('said:', error)"
    printed = two_processes("-c", run, "mine", "drives", *network, "--out", "two")
    assert "14 pictures ranked, 1 of them near-duplicates, 1 could not be scored" in printed[0]
    assert "said: drives/0/damaged.png: does not decode" in printed[0]
    assert printed[1] == ""
    one, two = (drives.parent / name for name in ("one", "two"))
    assert {it.name for it in (two / "shards").iterdir()} == {"1-of-2.sqlite", "2-of-2.sqlite"}
    for file in WRITTEN - {"shards"}:
        assert (one / file).read_bytes() == (two / file).read_bytes()


def test_an_interrupted_run_goes_on_where_it_was(mine, drives, monkeypatch):
    mine("--out", "one")
    predict, seen = Detector.predict, []

    def interrupted(self, image):
        seen.append(image)
        if len(seen) == 9:
            raise KeyboardInterrupt
        return predict(self, image)

    monkeypatch.setattr(Detector, "predict", interrupted)
    status, _, err = mine("--out", "two")
    assert (status, err) == (130, "oddscape: interrupted\n")
    mined = drives.parent / "two"
    assert [it.name for it in mined.iterdir()] == ["shards"]
    kept = len(seen) - 1
    assert mine("--out", "two")[0] == 0
    assert kept < len(seen) - 1 <= 14 + 3  # those that were still being summed up are seen again
    assert (mined / "ranking.csv").read_bytes() == (drives.parent / "one" / "ranking.csv").read_bytes()
    seen.clear()
    assert mine("--out", "two")[0] == 0
    assert seen == []


@pytest.fixture
def seen(monkeypatch):
    """Every picture that a detector is shown."""
    predict, seen = Detector.predict, []
    monkeypatch.setattr(Detector, "predict", lambda self, it: seen.append(it) or predict(self, it))
    return seen


def test_what_is_not_listed_any_more_is_left_out_and_the_rest_is_not_scored_again(mine, drives, seen):
    (drives / "0" / "bad.png").write_bytes(b"no picture")
    mine("--out", "two")
    for name in ("0/bad.png", "0/00.png", "1/03.png"):
        (drives / name).unlink()
    seen.clear()
    status, printed, err = mine("--out", "two")
    assert (status, err, seen) == (0, "", [])
    said, *_, last = printed.splitlines()
    assert said == "3 pictures are not listed any more, and left out"
    assert last.startswith("12 pictures ranked, 1 of them near-duplicates: ")
    assert mine("--out", "one")[0] == 0
    one, two = (drives.parent / name for name in ("one", "two"))
    for file in WRITTEN - {"shards"}:
        assert (one / file).read_bytes() == (two / file).read_bytes()


def test_a_list_that_ended_too_early_costs_no_scores(run, drives, network, seen):
    paths = drives.parent / "paths.txt"
    whole = "".join(f"drives/0/0{number}.png\n" for number in range(0, 8, 2))
    results = []
    for lines in (whole, whole[:32], whole):
        paths.write_text(lines)
        assert run("mine", *network, "--list", paths)[0] == 0
        results.append((drives.parent / "mined" / "ranking.csv").read_bytes())
    assert len(seen) == 4
    assert results[0] == results[2] != results[1]


def test_a_shard_says_what_is_gone_and_so_do_two_processes(mine, drives, network, two_processes):
    mine("--shard", "1/2")
    mine("--shard", "2/2")
    for file in (drives / "0").iterdir():
        file.unlink()
    call = "import sys; from oddscape.cli import app; app(sys.argv[1:])"
    printed = two_processes("-c", call, "mine", "drives", *network)
    assert printed[0].startswith("7 pictures are not listed any more, and left out\n")
    assert printed[1] == ""
    assert "7 pictures ranked" in printed[0]
    (drives / "1" / "01.png").unlink()
    said = [mine("--shard", f"{number}/2")[1] for number in (1, 2)]
    assert sum(", 1 not listed any more; " in it for it in said) == 1


def test_a_picture_that_changed_is_scored_again(mine, drives, seen):
    mine()
    before = {row["path"]: row["mean_score"] for row in _rows(drives.parent / "mined")}
    same_time, same_size, touched = (drives / "0" / f"{name}.png" for name in ("00", "02", "04"))
    time_ = same_time.stat().st_mtime_ns
    Image.new("RGB", (48, 32), (200, 30, 90)).save(same_time)
    os.utime(same_time, ns=(time_, time_))
    content = (drives / "1" / "05.png").read_bytes()
    later = same_size.stat().st_mtime_ns + 1
    same_size.write_bytes(content)
    os.utime(same_size, ns=(later, later))
    os.utime(touched, (1e9, 1e9))  # older than what was found in it
    seen.clear()
    assert mine()[0] == 0
    assert len(seen) == 3
    after = {row["path"]: row["mean_score"] for row in _rows(drives.parent / "mined")}
    assert {path for path in after if after[path] != before[path]} == {"drives/0/00.png", "drives/0/02.png"}


def test_bad_pictures_are_rows_with_an_error_and_are_tried_again(mine, run, drives):
    good = (drives / "0" / "00.png").read_bytes()
    for name in ("00", "02", "04", "06"):
        (drives / "0" / f"{name}.png").write_bytes(b"no picture")
    status, printed, err = mine()
    assert (status, "10 pictures ranked, 1 of them near-duplicates, 4 could not be scored" in printed) == (
        1,
        True,
    )
    assert err.startswith("oddscape: drives/0/00.png: does not decode as a picture: ")
    assert err.endswith("; and 1 more, at the end of mined/ranking.csv\n")
    rows = _rows(drives.parent / "mined")
    assert [row["path"] for row in rows if row["error"]] == [f"drives/0/0{n}.png" for n in (0, 2, 4, 6)]
    assert [row["rank"] for row in rows] == [*map(str, range(1, 11)), "", "", "", ""]
    assert run("mine", "--merge")[0] == 1
    for name in ("00", "02", "04", "06"):
        (drives / "0" / f"{name}.png").write_bytes(good)
    assert mine()[0] == 0
    assert {row["error"] for row in _rows(drives.parent / "mined")} == {""}


def test_names_in_lists_may_begin_and_end_with_spaces(run, drives, network):
    name = drives / "0" / "00.png"
    name.rename(drives / " spaced .png ")
    paths = drives.parent / "list.txt"
    paths.write_bytes(b"drives/ spaced .png \r\n\r\n")
    assert run("mine", "--list", paths, *network)[0] == 0
    assert [row["path"] for row in _rows(drives.parent / "mined")] == ["drives/ spaced .png "]
    assert (drives.parent / "mined" / "shortlist.txt").read_text() == "drives/ spaced .png \n"


def test_lists_and_the_standard_input(run, drives, network, monkeypatch):
    paths = drives.parent / "list.txt"
    paths.write_text("drives/0/00.png\n\ndrives/gone.png\ndrives/0/00.png\n")
    status, _, err = run("mine", "--list", paths, *network, "--out", "a")
    assert (status, err) == (1, "oddscape: drives/gone.png: no such file\n")
    assert [row["path"] for row in _rows(drives.parent / "a")] == ["drives/0/00.png", "drives/gone.png"]
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=BytesIO(b"drives/1/01.png\n")))
    assert run("mine", "--list", "-", "drives/0/00.png", *network, "--out", "b")[0] == 0
    assert len(_rows(drives.parent / "b")) == 2


@pytest.mark.usefixtures("street_lite")
def test_without_weights_the_shipped_ones_are_used_and_named(run, drives):
    status, printed, _ = run("mine", drives / "0", "--device", "cpu", "--threads", 1)
    assert (status, printed.splitlines()[0]) == (
        0,
        "weights: street-lite, which comes with Oddscape; licence: for tests [of these]",
    )
    assert "share_pavement" in _rows(drives.parent / "mined")[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--shard", "3/2"), "shard 3/2: expected I/N with I from 1 to N, as in 1/8"),
        (("--keep", -1), "--keep -1: expected 0 or more"),
        (("--readers", 0), "--readers 0: expected 1 or more"),
        (("--list", "gone.txt"), "--list gone.txt: no such file; expected one path of a picture a line"),
        (("gone",), "gone: no such folder or picture"),
        (("--merge",), "--merge scores nothing: leave out pictures, --list, --shard and the detector"),
    ],
)
def test_bad_options_are_one_line_and_write_nothing(mine, drives, options, message):
    assert mine(*options) == (1, "", f"oddscape: {message}\n")
    assert not (drives.parent / "mined").exists()


def test_without_pictures_nothing_is_written(run, drives, network):
    assert run("mine", *network)[2].startswith("oddscape: no pictures given: expected folders")
    (drives / "empty").mkdir()
    status, _, err = run("mine", drives / "empty", *network)
    assert (status, err.count("\n")) == (1, 1)
    assert "no pictures (.png, .jpg, .jpeg, .webp, .bmp, .tif, .tiff) in" in err
    assert not (drives.parent / "mined").exists()


def test_a_threshold_is_needed(run, drives, weights):
    status, _, err = run("mine", drives, "--weights", weights, "--device", "cpu")
    assert (status, err) == (
        1,
        "oddscape: this detector has no threshold, and regions need one: give --threshold, or a --detector "
        "of oddscape calibrate\n",
    )


def test_what_was_begun_otherwise_is_not_mixed(mine, run, drives, weights):
    mine("--shard", "1/2")
    assert "mined was begun by 2 shards, not by one process" in mine()[2]
    assert "mined lacks shard 2/2: mine it first" in run("mine", "--merge")[2]
    other = ("--weights", weights, "--threshold", 0.8, "--score", "msp", "--device", "cpu")
    err = run("mine", drives.name, *other, "--shard", "1/2")[2]
    assert "1-of-2.sqlite was begun with threshold 0.9, not 0.8: give what it was begun with" in err
    assert run("mine", "--merge", "--out", "elsewhere")[2] == (
        "oddscape: elsewhere holds no shards of oddscape mine: expected elsewhere/shards\n"
    )

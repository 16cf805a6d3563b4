"""Reading ahead changes nothing but the time, and a bad picture costs itself alone."""

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oddscape.data import read_image
from oddscape.errors import OddscapeError
from oddscape.mining import scoring
from oddscape.mining.facts import picture_facts
from oddscape.mining.near_duplicates import picture_hash
from oddscape.mining.scoring import Mined, score_pictures
from oddscape.mining.stamps import Stamp


def test_gives_what_a_plain_loop_gives_in_its_order(detector, pictures):
    paths = [str(path) for path in sorted(pictures.rglob("*.png"), reverse=True)]
    expected = [
        Mined(
            path,
            picture_facts(detector.predict(path), picture_hash(read_image(path))),
            stamp=Stamp(Path(path).stat().st_size, Path(path).stat().st_mtime_ns),
        )
        for path in paths
    ]
    assert len(expected) == 12
    assert expected[0].facts.regions > 0
    for readers in (1, 3):
        assert list(score_pictures(detector, iter(paths), readers)) == expected


def test_pictures_that_cannot_be_scored_say_why(detector, pictures):
    damaged = pictures / "monday" / "b.png"
    damaged.write_bytes(b"no picture")
    paths = [str(pictures / "monday" / "a.png"), str(damaged), str(pictures / "gone.png")]
    good, *bad = score_pictures(detector, paths)
    assert good.facts is not None
    assert [mined.facts for mined in bad] == [None, None]
    assert f"{damaged}: does not decode as a picture" in bad[0].error
    assert bad[1] == Mined(paths[2], None, f"{paths[2]}: no such file")


def test_a_picture_that_changes_while_it_is_read_is_known_as_it_was_before(detector, pictures, monkeypatch):
    path = pictures / "monday" / "a.png"
    before, content = Stamp.of(str(path)), path.read_bytes()

    def read(it):
        path.write_bytes(content + b"more")
        return read_image(it)

    monkeypatch.setattr(scoring, "read_image", read)
    (mined,) = score_pictures(detector, [str(path)])
    assert mined.stamp == before != Stamp.of(str(path))


def test_what_torch_refuses_names_the_picture(detector, pictures, monkeypatch):
    def refused(_):
        raise RuntimeError("not enough\nmemory")

    monkeypatch.setattr(detector, "predict", refused)
    path = str(pictures / "monday" / "a.png")
    assert list(score_pictures(detector, [path])) == [Mined(path, None, f"{path}: not enough memory")]


def test_a_score_that_is_no_number_names_the_picture(detector, pictures, monkeypatch):
    def refused(_):
        raise OddscapeError("the score is not a number")

    monkeypatch.setattr(detector, "predict", refused)
    path = str(pictures / "monday" / "a.png")
    assert list(score_pictures(detector, [path])) == [Mined(path, None, f"{path}: the score is not a number")]


def test_only_a_few_pictures_are_read_ahead(detector, pictures):
    path, listed = str(pictures / "monday" / "a.png"), []

    def endless():
        while True:
            listed.append(path)
            yield path

    done = score_pictures(detector, endless(), readers=2)
    for scored in range(1, 20):
        next(done)
        assert len(listed) - scored <= 8
    done.close()
    assert all(not thread.name.startswith("ThreadPool") for thread in threading.enumerate())


def test_the_network_runs_in_the_callers_thread_and_the_rest_beside_it(detector, pictures, monkeypatch):
    threads = {"network": set(), "reading": set()}
    predict, read = detector.predict, scoring.read_image
    monkeypatch.setattr(
        detector, "predict", lambda it: threads["network"].add(threading.get_ident()) or predict(it)
    )
    monkeypatch.setattr(
        scoring, "read_image", lambda it: threads["reading"].add(threading.get_ident()) or read(it)
    )
    list(score_pictures(detector, map(str, pictures.rglob("*.png"))))
    assert threads["network"] == {threading.get_ident()}
    assert threading.get_ident() not in threads["reading"]


def test_an_error_of_the_program_is_not_hidden(detector, pictures, monkeypatch):
    monkeypatch.setattr(scoring, "picture_facts", lambda *_: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        list(score_pictures(detector, map(str, pictures.rglob("*.png"))))


def test_pictures_of_any_form(detector, tmp_path):
    Image.fromarray(np.arange(48 * 32, dtype=np.uint8).reshape(32, 48)).save(tmp_path / "grey.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "small.png")
    found = list(score_pictures(detector, [str(tmp_path / f"{name}.png") for name in ("grey", "small")]))
    assert [(it.facts.width, it.facts.height) for it in found] == [(48, 32), (4, 4)]

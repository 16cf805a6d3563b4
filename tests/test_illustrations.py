"""Galleries as files."""

import json

import pytest

from oddscape.errors import OddscapeError
from oddscape.illustrations import Failure, Gallery, Illustration, beside


@pytest.fixture
def gallery():
    failure = Failure("missed", (0.0, 0.25, 0.5, 1.0), 12, "YQ==")
    return Gallery(
        model="net",
        score="msp",
        fingerprint="f00d",
        thresholds=[-0.1, 1 / 3, 2.5e-8 + 1],
        shown_threshold=1 / 3,
        class_names=["road", "<sky>"],
        colours=[(1, 2, 3), (255, 0, 9)],
        thumbnails={"t5/0": "Yg=="},
        illustrations=[Illustration("t5/0", (3, 4), (30, 40), "Yw==", "ZA==", "ZQ==", None, None, [failure])],
    )


def test_a_gallery_comes_back_as_it_was(gallery, tmp_path):
    gallery.save(tmp_path / "new" / "a.pictures")
    assert Gallery.load(tmp_path / "new" / "a.pictures") == gallery


def test_they_lie_beside_the_results(tmp_path):
    assert beside(tmp_path / "a.json") == tmp_path / "a.pictures"


def test_what_is_no_gallery_is_refused(gallery, tmp_path):
    file = tmp_path / "a.pictures"
    with pytest.raises(OddscapeError, match=r"cannot read pictures from .*a\.pictures: .*No such file"):
        Gallery.load(file)
    file.write_text("{")
    with pytest.raises(OddscapeError, match="cannot read pictures from"):
        Gallery.load(file)
    file.write_text('{"format": "oddscape results", "version": 2}')
    with pytest.raises(OddscapeError, match="no file of pictures that this version reads"):
        Gallery.load(file)
    gallery.save(file)
    document = json.loads(file.read_text())
    del document["illustrations"][0]["levels"]
    file.write_text(json.dumps(document))
    with pytest.raises(OddscapeError, match="no whole file of pictures: required field missing"):
        Gallery.load(file)

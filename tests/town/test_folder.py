"""Towns and negatives on disk: layout, resuming, refusing."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oddscape.errors import OddscapeError
from oddscape.town import TOWN_VERSION, NegativeCounts, TownCounts, make_negatives, make_town, render_scene

SIZE = (36, 64)
COUNTS = TownCounts(training=4, validation=1, test=3)


def _files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    root = tmp_path_factory.mktemp("town")
    make_town(root, seed=1, size=SIZE, counts=COUNTS, workers=1)
    return root


def test_layout_is_that_of_streethazards(town):
    names = {
        "train": ["training/t1/0", "training/t2/0", "training/t3/0", "training/t1/1", "validation/t4/0"],
        "test": ["test/t5/0", "test/t6/0", "test/t5/1"],
    }
    expected = {
        f"{part}/{kind}/{name}.png"
        for part in names
        for kind in ("images", "annotations")
        for name in names[part]
    }
    assert _files(town) == expected | {"town.json"}


def test_files_hold_what_was_rendered(town):
    image, raw = render_scene("t5", 1, 1, SIZE)
    np.testing.assert_array_equal(np.asarray(Image.open(town / "test/images/test/t5/1.png")), image)
    annotation = Image.open(town / "test/annotations/test/t5/1.png")
    assert annotation.mode == "L"
    np.testing.assert_array_equal(np.asarray(annotation), raw)


def test_record_says_what_the_town_is(town):
    assert json.loads((town / "town.json").read_text()) == {
        "kind": "town",
        "version": TOWN_VERSION,
        "seed": 1,
        "size": [36, 64],
        "counts": {"training": 4, "validation": 1, "test": 3},
    }


def test_resume_renders_only_what_is_missing(town):
    kept, lost = town / "train/images/training/t1/0.png", town / "train/images/training/t2/0.png"
    before, stamp = lost.read_bytes(), kept.stat().st_mtime_ns
    lost.unlink()
    made = []

    def watch(batches):
        for number in batches:
            made.append(number)
            yield number

    make_town(town, seed=1, size=SIZE, counts=COUNTS, workers=1, progress=watch)
    assert made == [1]
    assert lost.read_bytes() == before
    assert kept.stat().st_mtime_ns == stamp


@pytest.mark.parametrize(
    "other", [{"seed": 2}, {"size": (36, 66)}, {"counts": TownCounts(training=5, validation=1, test=3)}]
)
def test_a_different_town_in_the_folder_is_refused(town, other):
    before = _files(town)
    with pytest.raises(OddscapeError, match=r"holds another set: .*seed 1.*; asked for: "):
        make_town(town, **{"seed": 1, "size": SIZE, "counts": COUNTS, "workers": 1, **other})
    assert _files(town) == before


def test_negatives_into_a_town_are_refused(town):
    with pytest.raises(OddscapeError, match=r"kind town.*kind negatives"):
        make_negatives(town, seed=1, size=SIZE, workers=1)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OddscapeError, match=r"not empty and holds no town\.json"):
        make_town(tmp_path, size=SIZE, counts=COUNTS)
    assert _files(tmp_path) == {"thesis.txt"}


def test_an_unreadable_record_is_named(tmp_path):
    (tmp_path / "town.json").write_text("{")
    with pytest.raises(OddscapeError, match=r"town\.json is not readable"):
        make_town(tmp_path, size=SIZE, counts=COUNTS)


def test_an_interrupted_write_leaves_no_picture(tmp_path, monkeypatch):
    def fail(_image, path, **_how):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OddscapeError, match="No space left"):
        make_town(tmp_path, size=SIZE, counts=COUNTS, workers=1)
    assert _files(tmp_path) == {"town.json"}


def test_more_processes_give_the_same_files(town, tmp_path):
    make_town(tmp_path / "again", seed=1, size=SIZE, counts=COUNTS, workers=2)
    for name in _files(town):
        assert (tmp_path / "again" / name).read_bytes() == (town / name).read_bytes(), name


def test_negatives_have_the_layout_of_ade20k(tmp_path):
    made = []
    make_negatives(
        tmp_path,
        size=SIZE,
        counts=NegativeCounts(training=2, validation=1),
        workers=1,
        progress=lambda batches: (made.append(number) or number for number in batches),
    )
    stems = ["training/ADE_train_00000001", "training/ADE_train_00000002", "validation/ADE_val_00000001"]
    expected = {f"images/{stem}.jpg" for stem in stems} | {f"annotations/{stem}.png" for stem in stems}
    assert _files(tmp_path) == expected | {"town.json"}
    assert sum(made) == 3
    with Image.open(tmp_path / f"images/{stems[0]}.jpg") as image:
        assert image.size == (64, 36)
    ids = np.asarray(Image.open(tmp_path / f"annotations/{stems[0]}.png"))
    assert ids.min() >= 1
    assert ids.max() <= 150

"""Pictures without labels, wherever they lie."""

from pathlib import Path

import pytest
from PIL import Image

from oddscape.data.plain_pictures import plain_pictures
from oddscape.errors import OddscapeError

FILES = ("10.jpg", "9.png", "9.jpg", "b/a/1.png", ".hidden.png", ".thumbs/1.png", "notes.txt", "b/2.webp")


@pytest.fixture
def drives(tmp_path):
    for name in FILES:
        file = tmp_path / "drives" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".txt":
            file.write_text("no picture")
        else:
            Image.new("RGB", (6, 4), (9, 8, 7)).save(file)
    return tmp_path / "drives"


def names(*sources):
    return [entry.name for entry in plain_pictures(sources).entries]


def test_a_folder_is_looked_through_at_any_depth_in_natural_order(drives):
    assert names(drives) == ["9.jpg", "9.png", "10.jpg", "b/2.webp", "b/a/1.png"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.jpg", ["9.jpg", "10.jpg"]),
        ("b/*", ["2.webp"]),
        ("b/[ac]/*.png", ["a/1.png"]),
        ("**/1.*", ["b/a/1.png"]),
        ("*", ["9.jpg", "9.png", "10.jpg"]),
    ],
)
def test_a_pattern_chooses(drives, pattern, found):
    assert names(drives / pattern) == [
        name.removeprefix("b/") if "b/*" in pattern else name for name in found
    ]


def test_names_of_several_sources_stay_apart(drives):
    assert names(drives / "b", drives / "b" / "*.webp") == ["0/2.webp", "0/a/1.png", "1/2.webp"]


def test_scenes_have_a_picture_and_no_truth(drives):
    scene = plain_pictures([drives])[0]
    assert scene.size == (4, 6)
    assert scene.labels is None
    assert scene.anomaly is None


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "no folder .*nowhere; expected a folder of pictures, or a glob pattern"),
        ("nowhere/*.png", "no folder .*nowhere; expected"),
        ("b/*.jpg", r"no picture \(.png, .jpg, .jpeg, .webp\) in .*b/\*.jpg"),
        ("notes.txt", "no folder .*notes.txt"),
    ],
)
def test_nothing_to_find_is_said(drives, source, message):
    with pytest.raises(OddscapeError, match=message):
        plain_pictures([drives / Path(source)])

"""A folder of one's own."""

import numpy as np
import pytest
from PIL import Image

import oddscape.data
from oddscape.data.folder import folder
from oddscape.errors import OddscapeError


@pytest.fixture
def car_park(tmp_path):
    """Two winter pictures and a summer one, masks of 3 known, 7 anomaly, 9 ignored."""
    for name in ("winter_1", "winter_10", "summer_2"):
        for place, suffix, shape in (("pictures/a", "jpg", (4, 6, 3)), ("truth", "png", (4, 6))):
            (tmp_path / place).mkdir(parents=True, exist_ok=True)
            pixels = np.full(shape, 3, np.uint8)
            if suffix == "png":
                pixels[0, 0], pixels[0, 1] = 7, 9
            Image.fromarray(pixels).save(tmp_path / place / f"{name}.{suffix}")
    return tmp_path


OPTIONS = {"images": "**/*.jpg", "masks": "truth/{}.png", "known": "3", "anomaly": "7", "ignored": "9"}


def test_pictures_are_paired_with_masks_and_recordings(car_park):
    dataset = folder(car_park, **OPTIONS, recording="^([a-z]+)_")
    assert [entry.name for entry in dataset.entries] == ["summer_2", "winter_1", "winter_10"]
    assert [entry.sequence for entry in dataset.entries] == ["summer", "winter", "winter"]
    assert dataset[0].anomaly[0].tolist() == [1, 255, 0, 0, 0, 0]
    assert dataset[0].labels is None


def test_a_pattern_without_a_group_names_the_recording_whole(car_park):
    dataset = folder(car_park, **OPTIONS, recording="^[a-z]+")
    assert {entry.sequence for entry in dataset.entries} == {"summer", "winter"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"images": "*.webp"}, r"no picture '\*\.webp' in "),
        ({"masks": "truth/x.png"}, r"masks = 'truth/x\.png': expected \{\}"),
        ({"masks": "other/{}.png"}, r"summer_2\.jpg: no label file summer_2\.png in .*other \(and 2 more"),
        ({"known": "3,x"}, r"known = '3,x': expected values of 0 to 255"),
        ({"anomaly": "256"}, r"anomaly = '256': expected values of 0 to 255"),
        ({"ignored": "3"}, r"label value 3 is given twice among known, anomaly and ignored"),
        ({"recording": "("}, r"recording = '\(' is no regular expression"),
        ({"recording": "^w"}, r"summer_2\.jpg: no recording '\^w' in its name"),
    ],
)
def test_what_is_wrong_is_named(car_park, changed, message):
    with pytest.raises(OddscapeError, match=message):
        oddscape.data.open("folder", car_park, **OPTIONS | changed)


def test_pictures_of_one_name_are_refused(car_park):
    (car_park / "pictures/b").mkdir()
    (car_park / "pictures/b/summer_2.jpg").write_bytes((car_park / "pictures/a/summer_2.jpg").read_bytes())
    with pytest.raises(OddscapeError, match=r"2 pictures of '\*\*/\*\.jpg' in .* are called 'summer_2'"):
        folder(car_park, **OPTIONS)


def test_an_unknown_value_names_the_mask(car_park):
    with pytest.raises(OddscapeError, match=r"summer_2\.png: unknown label value \[9\]"):
        folder(car_park, **OPTIONS | {"ignored": ""})[0]

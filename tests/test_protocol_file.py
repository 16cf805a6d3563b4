"""Protocols of one's own, read from a file."""

import pytest

from oddscape.component_sizes import ComponentSizes
from oddscape.errors import OddscapeError
from oddscape.protocol_file import find_protocol, read_protocol
from oddscape.protocols import PROTOCOLS

CAR_PARK = """
title = "Our car park"
images = "pictures/*.jpg"
masks = "masks/{}.png"
known = [0, 2]
anomaly = [1]
ignored = [255]
recording = "^([a-z]+)_"
aggregation = "per picture"
fpr_rule = "nearest"
evaluation_size = "1024x512"
components = [500, 100]
"""


@pytest.fixture
def toml(tmp_path):
    def write(text):
        path = tmp_path / "car-park.toml"
        path.write_text(text)
        return path

    return write


def test_a_file_says_everything_that_changes_a_figure(toml):
    protocol = read_protocol(toml(CAR_PARK))
    assert (protocol.name, protocol.title) == ("car-park.toml", "Our car park")
    assert protocol.reader == {
        "images": "pictures/*.jpg",
        "masks": "masks/{}.png",
        "known": "0,2",
        "anomaly": "1",
        "ignored": "255",
        "recording": "^([a-z]+)_",
    }
    assert protocol.labels == "1 anomaly, 0,2 known, 255 ignored"
    assert (protocol.aggregation, protocol.fpr_rule) == ("per picture", "nearest")
    assert protocol.evaluation_size == (512, 1024)
    assert protocol.components == ComponentSizes(500, 100)


def test_an_empty_file_takes_the_usual_layout(toml):
    protocol = find_protocol(str(toml("")))
    assert protocol.title == "car-park"
    assert protocol.labels == "1 anomaly, 0 known, 255 ignored"
    assert protocol.components is None
    assert protocol.evaluation_size is None


def test_names_are_looked_up():
    assert find_protocol("town") is PROTOCOLS["town"]
    with pytest.raises(OddscapeError, match=r"unknown protocol 'twon'; known: roadanomaly21, .*\.toml"):
        find_protocol("twon")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("titel = 'x'", r"car-park\.toml: unknown key titel; known: title, .*masks"),
        ("title = 3", r"car-park\.toml: title = 3: expected a text"),
        ("known = [0.5]", r"known = \[0\.5\]: expected a text or a list of whole numbers"),
        ("aggregation = 'mean'", r"aggregation = 'mean': expected one of pooled, per picture"),
        ("fpr_rule = 'last'", r"fpr_rule = 'last': expected one of first_above, "),
        ("evaluation_size = 'big'", r"'big' is no size"),
        ("components = [500]", r"components = \[500\]: expected two sizes"),
        ("components = [-5, 3]", r"components = \[-5, 3\]: expected two sizes"),
        ("title =", r"cannot read a protocol from .*car-park\.toml"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(toml, text, message):
    with pytest.raises(OddscapeError, match=message) as error:
        read_protocol(toml(text))
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(OddscapeError, match=r"cannot read a protocol from .*none\.toml: No such file"):
        read_protocol(tmp_path / "none.toml")

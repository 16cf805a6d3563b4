"""Sizes: (H, W) in code, width×height for people."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from oddscape.errors import OddscapeError
from oddscape.sizes import format_size, parse_inference_size, parse_size, seen_size, size_text

sides = st.integers(1, 100_000)


def test_width_comes_first_for_people():
    assert parse_size("1024x512") == (512, 1024)
    assert format_size((512, 1024)) == "1024×512"
    assert size_text((512, 1024)) == "1024x512"


@given(st.tuples(sides, sides))
def test_what_is_written_is_read(size):
    assert parse_size(format_size(size)) == parse_size(size_text(size)) == size


@pytest.mark.parametrize("text", ["", "512", "512x", "0x512", "512x0", "-1x2", "1.5x2", "512,1024", "1x2x3"])
def test_anything_else_is_refused(text):
    with pytest.raises(OddscapeError, match="is no size: expected width x height, as in 1024x512"):
        parse_size(text)


def test_a_number_alone_is_the_shorter_side():
    assert parse_inference_size(" 432") == 432
    assert parse_inference_size("1024x512") == (512, 1024)
    assert (format_size(432), size_text(432)) == ("432 on the shorter side", "432")
    for text in ("", "0", "-5", "4.5", "432x"):
        with pytest.raises(OddscapeError, match=r"is no size: .* 1024x512, or the shorter side, as in 432"):
            parse_inference_size(text)


@given(st.tuples(sides, sides), st.integers(1, 5_000))
def test_the_shorter_side_is_as_asked_and_the_aspect_ratio_stays(picture, side):
    assume(side <= min(picture) or max(picture) <= 32 * min(picture))
    height, width = seen_size(picture, side)
    assert min(height, width) == side
    assert abs(height * picture[1] - width * picture[0]) <= max(picture) / 2 + min(picture) / 2


def test_what_a_network_sees():
    assert seen_size((720, 1280), 432) == (432, 768)
    assert seen_size((1280, 721), 432) == (767, 432)
    assert seen_size((720, 1280), (64, 64)) == (64, 64)
    assert seen_size((720, 1280), None) == (720, 1280)
    with pytest.raises(OddscapeError, match="0 pixels for a picture's shorter side: expected 1 or more"):
        seen_size((720, 1280), 0)
    assert seen_size((10_000, 100), 50) == (5_000, 50)
    with pytest.raises(OddscapeError, match="a picture of 300×1 is too narrow to be enlarged to 432 on its"):
        seen_size((1, 300), 432)

"""Sizes: (H, W) in code, width×height for people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddscape.errors import OddscapeError
from oddscape.sizes import format_size, parse_size, size_text

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

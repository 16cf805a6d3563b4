"""Maps and photographs as text."""

import base64
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from oddscape.packed_maps import pack_map, pack_photograph, sampled, shrunk_size, unpack_map


@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=20)))
def test_a_map_comes_back_as_it_was(values):
    assert unpack_map(pack_map(values), values.shape).tolist() == values.tolist()


def test_a_map_is_stored_as_differences_along_rows():
    packed = zlib.decompress(base64.b64decode(pack_map(np.array([[3, 5, 4], [9, 9, 0]], np.uint8))))
    assert list(packed) == [3, 2, 255, 9, 0, 247]


def test_a_photograph_is_shrunk_and_stays_what_it_was():
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, 40:] = (200, 100, 50)
    picture = Image.open(BytesIO(base64.b64decode(pack_photograph(pixels, (20, 40)))))
    assert (picture.format, picture.size) == ("WEBP", (40, 20))
    np.testing.assert_allclose(np.asarray(picture.convert("RGB"))[10, 30], (200, 100, 50), atol=12)


@pytest.mark.parametrize(
    ("size", "shown"), [((1080, 1920), (360, 640)), ((1, 9000), (1, 640)), ((30, 50), (30, 50))]
)
def test_wide_pictures_are_shrunk_and_others_kept(size, shown):
    assert shrunk_size(size, 640) == shown


@given(st.integers(1, 9), st.integers(1, 9))
def test_each_pixel_takes_the_one_at_its_centre(height, width):
    values = np.arange(12 * 17, dtype=np.uint8).reshape(12, 17)
    found = sampled(values, (height, width))
    for (row, column), value in np.ndenumerate(found):
        assert value == values[int((row + 0.5) * 12 / height), int((column + 0.5) * 17 / width)]

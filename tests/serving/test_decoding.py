"""Files from anyone become pixels, or one line that says why not."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

pytest.importorskip("starlette", reason="starlette is not installed (the extra 'serve')")

from starlette.exceptions import HTTPException

from oddscape.data import read_image
from oddscape.serving.decoding import KINDS, decode_picture

MOST = 100_000


def refused(data, most=MOST):
    with pytest.raises(HTTPException) as refusal:
        decode_picture(data, most)
    assert "\n" not in refusal.value.detail
    return refusal.value.status_code, refusal.value.detail


def png_of(width, height):
    """The beginning of a picture of any size, in a few bytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P"])
def test_as_read_image_does(tmp_path, image, kind, mode):
    if (kind, mode) in {("JPEG", "RGBA"), ("JPEG", "P")}:
        pytest.skip("JPEG has neither palettes nor transparency")
    path = tmp_path / f"picture.{kind.lower()}"
    Image.fromarray(image).convert(mode).save(path)
    np.testing.assert_array_equal(decode_picture(path.read_bytes(), MOST), read_image(path))


def test_the_rotation_that_a_camera_noted_is_carried_out(tmp_path, image):
    path, exif = tmp_path / "turned.jpg", Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(image).save(path, exif=exif)
    decoded = decode_picture(path.read_bytes(), MOST)
    assert decoded.shape == (48, 32, 3)
    np.testing.assert_array_equal(decoded, read_image(path))


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_of_several_frames_the_first_counts(image, kind):
    frames, file = [Image.fromarray(image), Image.fromarray(255 - image)], io.BytesIO()
    frames[0].save(file, kind, save_all=True, append_images=frames[1:], lossless=True)
    np.testing.assert_array_equal(decode_picture(file.getvalue(), MOST), image)


@pytest.mark.parametrize("size", [(1000, 101), (50_000, 50_000), (2**31 - 1, 2**31 - 1)])
def test_decompression_bombs_are_refused_before_they_go_off(size):
    status, said = refused(png_of(*size))
    assert status == 413
    assert said.endswith("million pixels; 0.1 million are the most")


def test_text_that_inflates_is_refused(encoded, image):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("comment", "x" * 3_000_000, zip=True)
    status, said = refused(encoded(image, pnginfo=info))
    assert status == 422
    assert said.startswith("the picture does not decode: ")


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PPM", "ICO"])
def test_other_kinds_are_refused_whatever_they_hold(encoded, image, kind):
    assert refused(encoded(image, kind)) == (415, "no picture: expected a file of JPEG, PNG, WEBP, BMP")


@pytest.mark.parametrize("data", [b"\x00", b"no picture", b"<svg/>", b"%!PS-Adobe", bytes(10_000)])
def test_what_is_no_picture_is_refused(data):
    assert refused(data)[0] == 415


def test_more_than_8_bits_are_refused():
    file = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(file, "PNG")
    assert refused(file.getvalue()) == (
        422,
        "the picture: expected 8 bits a channel, not a picture of mode 'I;16'",
    )


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_damaged_files_give_pixels_or_a_reason(kind, data):
    image = np.random.default_rng(0).integers(0, 256, (24, 16, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind)
    whole = bytearray(file.getvalue())
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        whole[place] = data.draw(st.integers(0, 255))
    part = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    decoded = pixels_or_none(part)
    assert decoded is None or (decoded.dtype == np.uint8 and decoded.ndim == 3)


def pixels_or_none(data):
    """Nothing but a refusal may come of a file."""
    try:
        return decode_picture(data, MOST)
    except HTTPException:
        return None

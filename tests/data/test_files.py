import io
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from oddscape.data import read_image, read_mask
from oddscape.errors import OddscapeError


def encoded(array, format, **options):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format, **options)
    return buffer.getvalue()


def test_picture_comes_back_as_saved_and_writable(save, picture):
    read = read_image(save("a.png", picture))
    np.testing.assert_array_equal(read, picture)
    assert read.dtype == np.uint8
    assert read.flags.writeable


def test_webp_reads(save, picture):
    np.testing.assert_array_equal(read_image(save("a.webp", picture, lossless=True)), picture)


def test_grey_transparent_and_palette_pictures_become_rgb(save, picture, tmp_path):
    grey = picture[..., 0]
    np.testing.assert_array_equal(read_image(save("grey.png", grey)), np.stack([grey] * 3, -1))
    transparent = np.dstack([picture, np.full(picture.shape[:2], 7, np.uint8)])
    np.testing.assert_array_equal(read_image(save("alpha.png", transparent)), picture)
    palette = Image.fromarray(picture).quantize(16)
    palette.save(tmp_path / "palette.png", transparency=bytes(range(16)))
    np.testing.assert_array_equal(read_image(tmp_path / "palette.png"), np.array(palette.convert("RGB")))


def test_noted_rotation_is_carried_out(save, picture):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    np.testing.assert_array_equal(read_image(save("phone.png", picture, exif=exif)), np.rot90(picture, k=-1))


def test_sixteen_bit_picture_is_refused(save):
    path = save("deep.png", np.full((4, 4), 40_000, np.uint16))
    with pytest.raises(OddscapeError, match=r"deep\.png: expected 8 bits"):
        read_image(path)


@pytest.mark.parametrize("read", [read_image, lambda path: read_mask(path, (6, 9))])
def test_missing_file_is_named(read, tmp_path):
    with pytest.raises(OddscapeError, match=r"none\.png: no such file$"):
        read(tmp_path / "none.png")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("share", [0, 0.02, 0.3, 0.6, 0.9])
def test_truncated_file_is_one_line(format, share, tmp_path):
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    whole = encoded(noise, format)
    path = tmp_path / "cut.bin"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(OddscapeError, match=r"cut\.bin: does not decode") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


def test_text_and_folders_do_not_decode(tmp_path):
    (tmp_path / "a.png").write_text("no picture")
    for path in (tmp_path / "a.png", tmp_path):
        with pytest.raises(OddscapeError, match="does not decode"):
            read_image(path)


def test_very_large_picture_is_an_error_in_one_line_and_a_large_one_is_silent(save, monkeypatch):
    path = save("big.png", np.zeros((10, 15, 3), np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # 150 pixels: Pillow warns
    assert read_image(path).shape == (10, 15, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)  # Pillow refuses
    with pytest.raises(OddscapeError, match=r"big\.png: does not decode"):
        read_image(path)


def test_warnings_of_others_are_as_ever_while_a_thread_reads(save, picture, monkeypatch):
    path, reading, go_on, opened = save("a.png", picture), threading.Event(), threading.Event(), Image.open

    def held(file):
        reading.set()
        assert go_on.wait(20)
        return opened(file)

    monkeypatch.setattr(Image, "open", held)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(read_image, path)
        assert reading.wait(20)
        try:
            with pytest.raises(UserWarning, match="of somebody else"):
                warnings.warn("of somebody else", stacklevel=1)
        finally:
            go_on.set()
        np.testing.assert_array_equal(read.result(), picture)


def test_threads_read_large_pictures_silently_whatever_was_said_of_warnings(save, monkeypatch):
    path = save("big.png", np.zeros((10, 15, 3), np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # 150 pixels: Pillow warns
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            warnings.simplefilter("error")  # comes before what was said earlier
            assert {image.shape for image in pool.map(read_image, [path] * 40)} == {(10, 15, 3)}
    with pytest.raises(UserWarning, match="mine"):
        warnings.warn("mine", stacklevel=1)


def test_mask_comes_back_as_stored(save):
    values = np.array([[0, 1, 255], [7, 0, 2]], np.uint8)
    np.testing.assert_array_equal(read_mask(save("m.png", values), (2, 3)), values)


def test_palette_mask_gives_its_indices(tmp_path):
    indices = np.array([[0, 3], [1, 2]], np.uint8)
    mask = Image.fromarray(indices).convert("P")
    mask.putdata(indices.ravel().tolist())
    mask.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0, 0, 0, 200])
    mask.save(tmp_path / "p.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "p.png", (2, 2)), indices)


def test_mask_of_another_size_names_both_as_width_x_height(save):
    path = save("m.png", np.zeros((4, 8), np.uint8))
    with pytest.raises(OddscapeError, match=r"m\.png: the mask is 8x4, but its picture is 9x6"):
        read_mask(path, (6, 9))


@pytest.mark.parametrize("shape", [(6, 9, 3), (6, 9, 4)])
def test_mask_of_several_channels_is_refused(save, shape):
    path = save("m.png", np.zeros(shape, np.uint8))
    with pytest.raises(OddscapeError, match=r"m\.png: a mask has one channel .*not mode 'RGB"):
        read_mask(path, (6, 9))


def test_sixteen_bit_mask_is_refused(save):
    path = save("m.png", np.zeros((6, 9), np.uint16))
    with pytest.raises(OddscapeError, match="not mode 'I;16'"):
        read_mask(path, (6, 9))


def test_paths_may_be_strings(save, picture):
    path = str(save("a.png", picture))
    assert read_image(path).shape == picture.shape

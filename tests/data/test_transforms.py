import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from oddscape.data import resize_image, resize_mask, transforms
from oddscape.data.tensors import to_tensor
from oddscape.errors import OddscapeError
from oddscape.scenes import Scene

PAD = (84, 88, 95)


def consistent(scene):
    """Whether picture, labels and truth of a ``coordinates`` scene still tell the same place."""
    return (scene.image[..., 0] == scene.labels).all() and (scene.image[..., 1] == scene.anomaly).all()


def test_resizing_is_pillows(picture):
    expected = np.array(Image.fromarray(picture).resize((4, 3), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(resize_image(picture, (3, 4)), expected)
    mask = picture[..., 0]
    expected = np.array(Image.fromarray(mask).resize((20, 13), Image.Resampling.NEAREST))
    np.testing.assert_array_equal(resize_mask(mask, (13, 20)), expected)


def test_shrinking_a_picture_averages_and_a_mask_picks():
    stripes = np.tile(np.array([0, 200], np.uint8), (8, 32))
    shrunk = resize_image(np.stack([stripes] * 3, -1), (2, 8))
    assert abs(shrunk.astype(int) - 100).max() < 30
    assert set(np.unique(resize_mask(stripes, (3, 9)))) <= {0, 200}


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 50))
def test_shorter_side(height, width, length):
    image = np.zeros((height, width, 3), np.uint8)
    new = transforms.resize_shorter_side(Scene("s", image, image[..., 0]), length)
    assert min(new.size) == length
    assert max(new.size) == max(height, width) * length // min(height, width)
    assert new.labels.shape == new.size
    assert new.anomaly is None


def test_random_scale_covers_its_range_and_keeps_to_it(coordinates):
    rng = np.random.default_rng(0)
    sides = [min(transforms.random_scale(coordinates(40, 60), rng, (0.5, 2.0)).size) for _ in range(200)]
    assert 20 <= min(sides) < 25
    assert 75 < max(sides) < 80


def test_random_scale_leaves_at_least_a_pixel(coordinates):
    assert transforms.random_scale(coordinates(3, 5), np.random.default_rng(0), (0.01, 0.02)).size == (1, 1)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 30), st.integers(1, 30), st.integers(0, 99))
def test_crop_is_a_part_and_the_rest_is_padding(height, width, crop_height, crop_width, seed):
    rows, columns = np.mgrid[:height, :width].astype(np.uint8)
    scene = Scene("s", np.stack([rows, columns, rows], -1), rows, columns)
    crop = transforms.random_crop(scene, np.random.default_rng(seed), (crop_height, crop_width), PAD)
    assert crop.size == crop.labels.shape == crop.anomaly.shape == (crop_height, crop_width)
    kept = np.s_[: min(height, crop_height), : min(width, crop_width)]
    top, left = crop.labels[0, 0], crop.anomaly[0, 0]
    inside = np.s_[top : top + crop_height, left : left + crop_width]
    np.testing.assert_array_equal(crop.image[kept], scene.image[inside])
    assert consistent(Scene("s", crop.image[kept], crop.labels[kept], crop.anomaly[kept]))
    padded = np.ones(crop.size, bool)
    padded[kept] = False
    assert (crop.image[padded] == PAD).all()
    assert (crop.labels[padded] == 255).all()
    assert (crop.anomaly[padded] == 255).all()


def test_every_place_of_a_crop_is_drawn(coordinates):
    rng, scene = np.random.default_rng(0), coordinates(4, 5)
    crops = (transforms.random_crop(scene, rng, (3, 3), PAD) for _ in range(200))
    assert {(int(crop.labels[0, 0]), int(crop.anomaly[0, 0])) for crop in crops} == {
        (row, column) for row in range(2) for column in range(3)
    }


def test_flip_mirrors_everything_and_twice_is_nothing(coordinates):
    scene = coordinates(3, 5)
    flipped = transforms.flip(scene)
    assert flipped.anomaly[0].tolist() == [4, 3, 2, 1, 0]
    assert consistent(flipped)
    np.testing.assert_array_equal(transforms.flip(flipped).image, scene.image)
    assert (flipped.name, flipped.fold) == (scene.name, scene.fold)


def test_half_of_the_random_flips_flip(coordinates):
    rng, scene = np.random.default_rng(0), coordinates(1, 2)
    flips = sum(int(transforms.random_flip(scene, rng).anomaly[0, 0]) for _ in range(400))
    assert 160 < flips < 240


def test_same_generator_same_result(coordinates):
    first, second = (
        transforms.random_crop(
            transforms.random_scale(coordinates(30, 50), rng, (0.5, 2.0)), rng, (20, 20), PAD
        )
        for rng in (np.random.default_rng((1, 2, 3)), np.random.default_rng((1, 2, 3)))
    )
    np.testing.assert_array_equal(first.image, second.image)


def test_tensor_is_a_batch_of_one_between_0_and_1(picture):
    tensor = to_tensor(picture)
    expected = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    assert tensor.is_contiguous()
    torch.testing.assert_close(tensor, expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    "wrong", [np.zeros((3, 4, 3)), np.zeros((3, 4), np.uint8), np.zeros((3, 4, 4), np.uint8)]
)
def test_only_pictures_become_tensors(wrong):
    with pytest.raises(OddscapeError, match=r"expected a picture uint8 \[H, W, 3\], not"):
        to_tensor(wrong)

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from oddscape.data import resize_image, resize_mask, transforms
from oddscape.data.tensors import to_tensor
from oddscape.data.transforms import View, jitter_colours
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


SIDES = st.tuples(st.integers(1, 40), st.integers(1, 40))


@given(st.tuples(st.integers(1, 60), st.integers(1, 60)), st.integers(1, 50))
def test_shorter_side(size, length):
    new = transforms.size_by_shorter_side(size, length)
    assert min(new) == length
    assert max(new) == max(size) * length // min(size)


def test_random_size_covers_its_range_and_keeps_to_it():
    rng = np.random.default_rng(0)
    sides = [min(transforms.random_size((40, 60), rng, (0.5, 2.0))) for _ in range(200)]
    assert 20 <= min(sides) < 25
    assert 75 < max(sides) < 80


def test_random_size_leaves_at_least_a_pixel():
    assert transforms.random_size((3, 5), np.random.default_rng(0), (0.01, 0.02)) == (1, 1)


def test_every_place_is_drawn():
    rng = np.random.default_rng(0)
    corners = {transforms.random_view((4, 5), rng, (3, 3)).corner for _ in range(200)}
    assert corners == {(row, column) for row in range(2) for column in range(3)}


def test_smaller_pictures_stay_in_the_corner_and_whole_ones_are_whole():
    rng = np.random.default_rng(0)
    view = transforms.random_view((4, 50), rng, (9, 8))
    assert (view.corner[0], view.shown) == (0, (4, 8))
    assert transforms.random_view((4, 50), rng, None) == View((4, 50), (0, 0), (4, 50))


def test_half_of_the_views_are_mirrored_where_asked_for():
    rng = np.random.default_rng(0)
    assert 160 < sum(transforms.random_view((1, 2), rng, None, flip=True).mirrored for _ in range(400)) < 240
    assert not any(transforms.random_view((1, 2), rng, None).mirrored for _ in range(20))


def test_chance_draws_the_scale_the_place_and_the_direction_in_this_order():
    size = transforms.random_size((30, 50), rng := np.random.default_rng((1, 2, 3)), (0.5, 2.0))
    view = transforms.random_view(size, rng, (12, 13), flip=True)
    again = np.random.default_rng((1, 2, 3))
    shorter = int(again.uniform(0.5, 2.0) * 30)
    assert view.scaled == (shorter, 50 * shorter // 30)
    assert view.corner == (again.integers(shorter - 12 + 1), again.integers(view.scaled[1] - 13 + 1))
    assert view.mirrored == (again.random() < 0.5)


# ── Against the plain way: resize the whole picture, cut, pad, mirror ───────────────────────────────────────


def plain_cut(whole, view, value):
    """``view`` of an array that was resized as a whole."""
    (top, left), (height, width) = view.corner, view.size
    part = whole[top : top + height, left : left + width]
    out = np.full((height, width, *whole.shape[2:]), value, np.uint8)
    out[: part.shape[0], : part.shape[1]] = part
    return out[:, ::-1] if view.mirrored else out


def nearest(have, scaled):
    """For each of ``scaled`` pixels in a row the one, of ``have``, that its centre lies in."""
    return [math.floor((i + Fraction(1, 2)) * Fraction(have, scaled)) for i in range(scaled)]


def noisy(size, seed):
    image = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    return Scene("s", image, image[..., 0], image[..., 1])


@given(SIDES, SIDES, SIDES, st.booleans(), st.integers(0, 99))
def test_cut_is_what_resizing_the_whole_picture_first_gives(size, scaled, crop, flip, seed):
    scene = noisy(size, seed)
    view = transforms.random_view(scaled, np.random.default_rng(seed), crop, flip=flip)
    out = transforms.cut(scene, view, PAD)
    rows, columns = nearest(size[0], scaled[0]), nearest(size[1], scaled[1])
    for mask, expected in ((out.labels, scene.labels), (out.anomaly, scene.anomaly)):
        np.testing.assert_array_equal(mask, plain_cut(expected[rows][:, columns], view, 255))
    expected = plain_cut(resize_image(scene.image, scaled), view, PAD)
    # Pillow rounds after either direction, and works with places of 24 bits.
    assert np.abs(out.image.astype(int) - expected).max() <= (2 if size != scaled else 0)


@given(SIDES, st.tuples(st.integers(1, 200), st.integers(1, 200)))
def test_labels_are_pillows_nearest_where_only_one_is(half, scaled):
    # Of an odd number of pixels no centre comes to lie between two, where Pillow takes either.
    scene = noisy((2 * half[0] + 1, 2 * half[1] + 1), 0)
    out = transforms.cut(scene, View(scaled, (0, 0), scaled), PAD)
    np.testing.assert_array_equal(out.labels, resize_mask(scene.labels, scaled))


@pytest.mark.parametrize("scaled", [(1, 3), (2, 1000), (1500, 3), (1100, 1300)])
def test_extreme_scales(scaled):
    scene = noisy((90, 110), 0)
    view = View(scaled, (scaled[0] // 2, scaled[1] // 3), (5, 7), mirrored=True)
    out = transforms.cut(scene, view, PAD)
    expected = plain_cut(resize_image(scene.image, scaled), view, PAD)
    assert np.abs(out.image.astype(int) - expected).max() <= 2


@given(st.integers(2, 250), st.integers(2, 250), st.floats(0.5, 2), st.integers(0, 99))
def test_picture_and_labels_show_the_same_place(height, width, scale, seed):
    rows, columns = np.mgrid[:height, :width].astype(np.uint8)
    scene = Scene("grid", np.stack([rows, columns, rows], -1), rows, columns)
    rng = np.random.default_rng(seed)
    size = transforms.random_size(scene.size, rng, (scale, scale))
    view = transforms.random_view(size, rng, tuple(min(side, 60) for side in size), flip=True)
    out = transforms.cut(scene, view, PAD)
    assert np.abs(out.image[..., 0].astype(int) - out.labels).max() <= 1
    assert np.abs(out.image[..., 1].astype(int) - out.anomaly).max() <= 1


def test_padding_changes_sides_with_the_picture(coordinates):
    out = transforms.cut(coordinates(2, 3), View((2, 3), (0, 0), (3, 5), mirrored=True), PAD)
    assert out.anomaly.tolist() == [[255, 255, 2, 1, 0]] * 2 + [[255] * 5]
    assert out.labels[:2, 2:].tolist() == [[0] * 3, [1] * 3]
    padded = out.labels == 255
    assert (out.image[padded] == PAD).all()
    assert consistent(Scene("s", *(array[:2, 2:] for array in (out.image, out.labels, out.anomaly))))


def test_what_is_cut_is_new_and_keeps_its_name(coordinates):
    scene = coordinates(4, 5)
    out = transforms.cut(scene, View((4, 5), (0, 0), (4, 5)), PAD)
    for cut, own in ((out.image, scene.image), (out.labels, scene.labels), (out.anomaly, scene.anomaly)):
        np.testing.assert_array_equal(cut, own)
        assert not np.shares_memory(cut, own)
        assert cut.flags.writeable
    assert (out.name, out.fold) == (scene.name, scene.fold)
    assert transforms.cut(Scene("s", scene.image), View((2, 2), (0, 0), (2, 2)), PAD).labels is None


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


def test_jitter_keeps_colours_where_its_strength_is_nothing():
    image = np.random.default_rng(0).integers(0, 256, (5, 6, 3), np.uint8)
    np.testing.assert_array_equal(jitter_colours(image, np.random.default_rng(1), 0.0), image)


def test_jitter_changes_brightness_within_its_range():
    """Of a grey picture without contrast, saturation is nothing and contrast nearly so."""
    grey = np.full((4, 4, 3), 100, np.uint8)
    values = [jitter_colours(grey, np.random.default_rng(seed), 0.3)[0, 0, 0] for seed in range(50)]
    assert 69 <= min(values) < 80
    assert 120 < max(values) <= 131

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddscape.data.pasting import draw_piece, paste, unmixed
from oddscape.errors import OddscapeError
from oddscape.scenes import Scene

HEIGHT, WIDTH = 40, 50


def training_scene(rng):
    """Values below 100 in the picture; void and held-out pixels strewn over it."""
    size = (HEIGHT, WIDTH)
    anomaly = rng.choice(np.array([0, 0, 0, 1, 255], np.uint8), size)
    labels = np.where(anomaly == 0, rng.integers(0, 5, size), 255).astype(np.uint8)
    return Scene("known", rng.integers(0, 100, (*size, 3), np.uint8), labels, anomaly)


def negative_scene(rng, size=(32, 36), ids=(0, 3, 150, 255)):
    """Values from 100 on in the picture."""
    blocks = rng.choice(np.array(ids, np.uint8), (size[0] // 4, size[1] // 4))
    segments = np.kron(blocks, np.ones((4, 4), np.uint8))
    return Scene("negative", rng.integers(100, 256, (*size, 3), np.uint8), segments)


@given(st.integers(0, 10_000))
def test_every_pixel_is_either_as_it_was_or_pasted(seed):
    rng = np.random.default_rng(seed)
    scene, negative = training_scene(rng), negative_scene(rng)
    before = scene.image.copy(), scene.labels.copy()
    sample = paste(scene, negative, rng)
    np.testing.assert_array_equal(scene.image, before[0])
    np.testing.assert_array_equal(scene.labels, before[1])
    np.testing.assert_array_equal(sample.pasted, (sample.image >= 100).all(-1))
    np.testing.assert_array_equal(sample.image[~sample.pasted], scene.image[~sample.pasted])
    np.testing.assert_array_equal(sample.labels[~sample.pasted], scene.labels[~sample.pasted])
    assert (sample.labels[sample.pasted] == 255).all()


@given(st.integers(0, 10_000))
def test_held_out_pixels_stay_as_they_are(seed):
    rng = np.random.default_rng(seed)
    scene, negative = training_scene(rng), negative_scene(rng)
    sample = paste(scene, negative, rng)
    held_out = scene.anomaly == 1
    np.testing.assert_array_equal(sample.left_out, held_out)
    assert not sample.pasted[held_out].any()
    np.testing.assert_array_equal(sample.image[held_out], scene.image[held_out])
    assert (sample.labels[held_out] == 255).all()


@given(st.integers(0, 10_000))
def test_pasted_pixels_keep_their_arrangement_and_come_from_pasteable_ones(seed):
    rng = np.random.default_rng(seed)
    size = (32, 36)
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.uint8)
    negative = negative_scene(rng, size)
    negative = Scene("negative", np.stack([rows, columns, np.full(size, 200, np.uint8)], -1), negative.labels)
    scene = Scene("known", np.zeros((HEIGHT, WIDTH, 3), np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8))
    sample = paste(scene, negative, rng)
    there = np.argwhere(sample.pasted)
    came_from = sample.image[sample.pasted][:, :2]
    assert len(np.unique(there - came_from, axis=0)) <= 1  # one shift for all
    assert (negative.labels[tuple(came_from.T)] != 255).all()


def test_piece_without_rectangles_is_one_or_two_whole_segments():
    segments = negative_scene(np.random.default_rng(0)).labels
    drawn = set()
    for seed in range(200):
        piece = draw_piece(segments, np.random.default_rng(seed), rectangle_probability=0)
        ids = tuple(np.unique(segments[piece]).tolist())
        np.testing.assert_array_equal(piece, np.isin(segments, ids))
        drawn.add(ids)
    assert drawn == {(0,), (3,), (150,), (0, 3), (0, 150), (3, 150)}


def test_rectangles_have_sides_of_16_24_and_so_on_below_the_shorter_side():
    sides = set()
    for seed in range(300):
        piece = draw_piece(np.zeros((40, 48), np.uint8), np.random.default_rng(seed), rectangle_probability=1)
        rows, columns = piece.any(1).sum(), piece.any(0).sum()
        assert piece.sum() == rows * columns
        sides.add((int(rows), int(columns)))
    assert sides == {(height, width) for height in (16, 24, 32) for width in (16, 24, 32)}


def test_half_of_the_pieces_are_rectangles():
    segments = np.zeros((40, 48), np.uint8)  # the segment is the whole patch
    whole = sum(draw_piece(segments, np.random.default_rng(seed)).all() for seed in range(400))
    assert 160 < whole < 240


def test_rectangle_brings_nothing_that_must_not_be_pasted():
    segments = np.full((40, 48), 255, np.uint8)
    segments[:, :20] = 7
    pieces = [draw_piece(segments, np.random.default_rng(seed), 1) for seed in range(50)]
    assert not any(piece[:, 20:].any() for piece in pieces)
    assert all(piece.any() for piece in pieces)
    assert len({int(piece.sum()) for piece in pieces}) > 5


def test_patch_too_small_for_a_rectangle_gives_segments():
    piece = draw_piece(np.zeros((16, 30), np.uint8), np.random.default_rng(0), rectangle_probability=1)
    assert piece.all()


def test_places_are_all_that_fit():
    scene = Scene("known", np.zeros((6, 7, 3), np.uint8), np.zeros((6, 7), np.uint8))
    segments = np.full((5, 5), 255, np.uint8)
    segments[1:4, 2:4] = 9  # 3x2 pixels, so 4·6 places
    negative = Scene("negative", np.full((5, 5, 3), 200, np.uint8), segments)
    places = set()
    for seed in range(400):
        pasted = paste(scene, negative, np.random.default_rng(seed)).pasted
        assert pasted.sum() == 6
        places.add(tuple(np.argwhere(pasted)[0].tolist()))
    assert places == {(row, column) for row in range(4) for column in range(6)}


def test_nothing_to_paste_leaves_the_picture_as_it_is():
    rng = np.random.default_rng(0)
    scene = training_scene(rng)
    sample = paste(scene, negative_scene(rng, ids=(255,)), rng)
    assert not sample.pasted.any()
    np.testing.assert_array_equal(sample.image, scene.image)


def test_scene_without_anomaly_truth_leaves_nothing_out():
    scene = Scene("known", np.zeros((2, 2, 3), np.uint8), np.array([[0, 1], [255, 2]], np.uint8))
    sample = unmixed(scene)
    assert not sample.left_out.any()
    np.testing.assert_array_equal(sample.labels, scene.labels)


def test_errors_say_what_is_missing_or_too_large():
    rng = np.random.default_rng(0)
    scene, negative = training_scene(rng), negative_scene(rng)
    with pytest.raises(OddscapeError, match="known: no class labels to train on"):
        unmixed(Scene("known", scene.image))
    with pytest.raises(OddscapeError, match="negative: a negative needs labels"):
        paste(scene, Scene("negative", negative.image), rng)
    with pytest.raises(OddscapeError, match="a negative of 36x44 does not fit into 50x40"):
        paste(scene, negative_scene(rng, (44, 36)), rng)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from oddscape.data.object_pasting import (
    SMALLEST_SEGMENT,
    KnownObjects,
    ObjectPasting,
    draw_object,
    paste_objects,
)
from oddscape.errors import OddscapeError
from oddscape.scenes import Scene

SIZE = (60, 80)
ALIKE = ObjectPasting(count=(1, 1), area=(0.05, 0.05), tint=0)


def known(rng, held_out=False):
    """A dark picture with all pixels known, or with some of held-out classes."""
    anomaly = (rng.random(SIZE) < 0.2).astype(np.uint8) if held_out else None
    image = rng.integers(0, 100, (*SIZE, 3), np.uint8)
    labels = rng.integers(0, 5, SIZE).astype(np.uint8)
    return Scene("known", image, labels if anomaly is None else np.where(anomaly, 255, labels), anomaly)


def negative(*boxes, size=(50, 70), value=200):
    """A bright picture with one segment, in as many connected parts as there are boxes."""
    segments = np.full(size, 255, np.uint8)
    for box in boxes:
        segments[box] = 3
    return Scene("negative", np.full((*size, 3), value, np.uint8), segments)


SOLID = negative(np.s_[5:35, 10:50])


@given(st.integers(0, 10_000), st.booleans())
def test_what_is_not_pasted_and_no_rim_is_as_it_was(seed, held_out):
    rng = np.random.default_rng(seed)
    scene = known(rng, held_out)
    before = scene.image.copy(), scene.labels.copy()
    sample = paste_objects(scene, [SOLID], rng, ObjectPasting(count=(0, 3), area=(0.001, 0.3)), 1.7)
    np.testing.assert_array_equal(scene.image, before[0])
    np.testing.assert_array_equal(scene.labels, before[1])
    as_before = sample.labels != 255
    np.testing.assert_array_equal(sample.image[as_before], scene.image[as_before])
    np.testing.assert_array_equal(sample.labels[as_before], scene.labels[as_before])
    assert not sample.pasted[as_before].any()
    assert not (sample.pasted & sample.left_out).any()
    np.testing.assert_array_equal(sample.image[sample.left_out], scene.image[sample.left_out])


@given(st.integers(0, 10_000), st.floats(0.01, 0.3))
def test_an_object_covers_the_share_that_was_drawn(seed, share):
    rng = np.random.default_rng(seed)
    pasting = ObjectPasting(count=(1, 1), area=(share, share))
    sample = paste_objects(known(rng), [SOLID], rng, pasting)
    # Sides are rounded to whole pixels: by half a pixel of the object's shorter side, 30 of 40.
    side = (share * SIZE[0] * SIZE[1] * 30 / 40) ** 0.5
    assert sample.pasted.mean() == pytest.approx(share, rel=1.2 / side)


def test_an_object_that_is_too_large_is_as_large_as_fits():
    long = negative(np.s_[10:30, 0:70])
    rng = np.random.default_rng(0)
    sample = paste_objects(known(rng), [long], rng, ObjectPasting(count=(1, 1), area=(0.9, 0.9)))
    rows, columns = np.nonzero(sample.pasted)
    assert np.ptp(columns) + 1 == SIZE[1]
    assert np.ptp(rows) + 1 == round(20 * SIZE[1] / 70)


def test_number_of_objects_comes_from_its_range_and_each_number_occurs():
    rng = np.random.default_rng(1)
    tiny = ObjectPasting(count=(0, 2), area=(0.005, 0.005))
    found = {round(paste_objects(known(rng), [SOLID], rng, tiny).pasted.mean() / 0.005) for _ in range(40)}
    assert found == {0, 1, 2}


def test_an_object_is_blurred_as_an_enlarged_picture_is():
    """Against Pillow: a checkerboard shrunk by the factor that the picture was enlarged by, and enlarged."""
    rng = np.random.default_rng(2)
    board = np.kron(np.indices((15, 20)).sum(0) % 2, np.ones((2, 2))).astype(np.uint8) * 255
    scene = Scene("board", np.stack([board] * 3, -1), np.zeros(board.shape, np.uint8))
    sample = paste_objects(known(rng), [scene], rng, ObjectPasting((1, 1), (0.25, 0.25), tint=0), 2.0)
    shrunk = Image.fromarray(board).resize((20, 15), Image.Resampling.BILINEAR)
    expected = np.array(shrunk.resize((40, 30), Image.Resampling.BILINEAR))
    shown = sample.image[sample.pasted].reshape(30, 40, 3)[..., 0]
    assert any(np.array_equal(shown, one) for one in (expected, expected[:, ::-1]))


def test_parts_that_are_too_small_are_passed_over():
    scene = negative(np.s_[0:16, 0:16], np.s_[20:23, 20:23])
    rng = np.random.default_rng(3)
    for _ in range(20):
        assert np.count_nonzero(draw_object([scene], rng).cover) == SMALLEST_SEGMENT
    assert draw_object([negative(np.s_[0:3, 0:3])], rng) is None
    sample = paste_objects(known(rng), [negative(np.s_[0:3, 0:3])], rng, ALIKE)
    assert not sample.pasted.any()


def test_only_one_connected_part_is_cut_out():
    scene = negative(np.s_[0:20, 0:20], np.s_[30:50, 30:70])
    sizes = {draw_object([scene], np.random.default_rng(seed)).cover.shape for seed in range(20)}
    assert sizes == {(20, 20), (20, 40)}


def test_tint_changes_an_objects_colours_and_no_others():
    rng = np.random.default_rng(4)
    scene = known(rng)
    sample = paste_objects(scene, [SOLID], rng, ObjectPasting((1, 1), (0.1, 0.1), tint=0.2))
    inside = sample.image[sample.pasted]
    assert (np.abs(inside.max(0).astype(int) - 200) <= 40).all()
    assert len(set(inside.max(0))) > 1


def test_colours_come_near_the_pictures():
    """Half of an object is 150, half 250; the picture's colours are near 50, with a deviation of 29."""
    rng = np.random.default_rng(8)
    image = np.repeat(np.where(np.arange(70) < 30, 150, 250)[None, :, None], 50, 0).repeat(3, -1)
    two_tone = Scene("negative", image.astype(np.uint8), SOLID.labels)
    scene = known(rng)
    means = []
    for seed in range(30):
        pasting = ObjectPasting((1, 1), (0.2, 0.2), tint=0, likeness=1.0)
        sample = paste_objects(scene, [two_tone], np.random.default_rng(seed), pasting)
        means.append(sample.image[sample.pasted].mean())
    assert scene.image.mean() - 5 < min(means) < 80
    assert 170 < max(means) < 205


def test_objects_of_known_classes_have_their_class_and_lie_below_negatives():
    rng = np.random.default_rng(9)
    scene = known(rng)
    objects = KnownObjects([negative(np.s_[5:35, 10:50], value=120)], {3: 4}, count=(1, 1))
    sample = paste_objects(scene, [SOLID], rng, ObjectPasting((1, 1), (0.3, 0.3), tint=0), known=objects)
    pasted_known = (sample.image == 120).all(-1)
    assert pasted_known.any()
    assert (sample.labels[pasted_known] == 4).all()
    assert not sample.pasted[pasted_known].any()
    np.testing.assert_array_equal(sample.pasted, (sample.image == 200).all(-1))
    assert sample.pasted.mean() == pytest.approx(0.3, rel=0.1)
    assert (sample.labels[sample.pasted] == 255).all()


def test_the_same_seed_gives_the_same_sample():
    one, other = (
        paste_objects(known(np.random.default_rng(5)), [SOLID], np.random.default_rng(6)) for _ in range(2)
    )
    np.testing.assert_array_equal(one.image, other.image)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": (3, 1)}, "objects 3 to 1: expected two numbers, the smaller one first"),
        ({"count": (-1, 1)}, "objects -1 to 1"),
        ({"area": (0.0, 0.1)}, "object_area 0 to 0.1: expected shares of a picture above 0 and up to 1"),
        ({"area": (0.2, 0.1)}, "object_area 0.2 to 0.1"),
        ({"area": (0.2, 1.1)}, "object_area 0.2 to 1.1"),
    ],
)
def test_ranges_that_cannot_be_are_refused(options, message):
    with pytest.raises(OddscapeError, match=message):
        ObjectPasting(**options)


def test_negatives_without_segments_are_refused():
    rng = np.random.default_rng(7)
    with pytest.raises(OddscapeError, match="plain: a negative needs labels"):
        paste_objects(known(rng), [Scene("plain", np.zeros((9, 9, 3), np.uint8))], rng, ALIKE)

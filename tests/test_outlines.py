"""Outlines against the masks that they were traced from."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from oddscape.outlines import enclosed, outlines

MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=7))


def signed_area(ring):
    """By the shoelace formula; positive where the ring runs clockwise as one sees it."""
    (xs, ys), (next_xs, next_ys) = zip(*ring, strict=True), zip(*ring[1:], ring[0], strict=True)
    return (np.dot(xs, next_ys) - np.dot(ys, next_xs)) / 2


@given(MASKS)
def test_they_enclose_the_mask_and_nothing_else(mask):
    rings = outlines(mask)
    np.testing.assert_array_equal(enclosed(rings, mask.shape), mask)
    assert sum(map(signed_area, rings)) == mask.sum()


@given(MASKS)
def test_there_is_one_a_region_and_one_a_hole(mask):
    regions = ndimage.label(mask, np.ones((3, 3)))[1]
    holes = ndimage.label(np.pad(~mask, 1, constant_values=True))[1] - 1
    areas = [signed_area(ring) for ring in outlines(mask)]
    assert (sum(area > 0 for area in areas), sum(area < 0 for area in areas)) == (regions, holes)


@given(MASKS, st.integers(-3, 3), st.integers(-3, 3))
def test_corners_alone_in_the_place_that_is_told(mask, left, top):
    moved = outlines(mask, left, top)
    assert moved == tuple(tuple((x + left, y + top) for x, y in ring) for ring in outlines(mask))
    for ring in moved:
        steps = np.array((*ring[1:], ring[0])) - ring
        assert ((steps == 0).sum(1) == 1).all()  # across or down
        assert ((steps == 0) != np.roll(steps == 0, 1, 0)).all()  # and in turn


def test_what_they_look_like():
    ring = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)
    assert outlines(ring) == (
        ((3, 0), (3, 3), (0, 3), (0, 0)),
        ((1, 2), (2, 2), (2, 1), (1, 1)),
    )
    touching = np.array([[1, 0], [0, 1]], bool)
    assert len(outlines(touching)) == 1
    assert outlines(np.zeros((2, 2), bool)) == ()

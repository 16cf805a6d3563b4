"""Hashes of what pictures look like, against naive loops, made-up bits and real drives."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from oddscape.data import read_image
from oddscape.mining import near_duplicates
from oddscape.mining.near_duplicates import DISTANCE, picture_hash, repeated


def _bits(picture_hash):
    return [int(bit) for bit in f"{int(picture_hash, 16):0128b}"]


def _distance(one, other):
    return sum(a != b for a, b in zip(_bits(one), _bits(other), strict=True))


def test_a_bit_for_each_pair_of_neighbours():
    rng = np.random.default_rng(0)
    cells = rng.integers(0, 256, (8, 9), np.uint8)  # 9x8 cells of 8x9 pixels: averages are exact across
    grey = cells.repeat(9, 0).repeat(8, 1)
    image = np.stack([grey] * 3, -1)
    across = [int(cells[y, x + 1] > cells[y, x]) for y in range(8) for x in range(8)]
    down_cells = np.array(Image.fromarray(grey).resize((8, 9), Image.Resampling.BOX)).tolist()
    down = [int(down_cells[y + 1][x] > down_cells[y][x]) for y in range(8) for x in range(8)]
    assert _bits(picture_hash(image)) == across + down


def test_light_contrast_size_and_noise_change_little():
    rng = np.random.default_rng(1)
    image = np.array(
        Image.fromarray(rng.integers(0, 256, (8, 12, 3), np.uint8)).resize(
            (240, 160), Image.Resampling.BICUBIC
        )
    )
    darker = (image * 0.6 + 20).astype(np.uint8)
    smaller = np.array(Image.fromarray(image).resize((120, 80)))
    noisy = (image + rng.normal(0, 8, image.shape)).clip(0, 255).astype(np.uint8)
    other = np.ascontiguousarray(image[:, ::-1])
    for alike in (darker, smaller, noisy):
        assert _distance(picture_hash(image), picture_hash(alike)) <= 4
    assert _distance(picture_hash(image), picture_hash(other)) > 30


def _naive(hashes, distance):
    """Go through all pictures; compare each with every one that was kept."""
    kept, result = [], []
    for number, it in enumerate(hashes):
        earlier = next((k for k in kept if _distance(hashes[k], it) <= distance), None)
        result.append(earlier)
        if earlier is None:
            kept.append(number)
    return result


# Few bits are set, so that many of the hashes are alike.
HASHES = st.lists(
    st.sets(st.integers(0, 127), max_size=4).map(lambda bits: f"{sum(1 << bit for bit in bits):032x}")
)


@given(HASHES, st.integers(-1, 8))
def test_repetitions_are_those_of_plain_loops(hashes, distance):
    whole = near_duplicates._BLOCK
    for block in (3, whole):
        near_duplicates._BLOCK = block
        try:
            assert list(repeated(iter(hashes), distance)) == _naive(hashes, distance)
        finally:
            near_duplicates._BLOCK = whole


def test_many_hashes_over_several_blocks():
    rng = np.random.default_rng(0)
    originals = rng.integers(0, 256, (300, 16), np.uint8)
    copies = originals[rng.integers(0, 300, 2200)].copy()
    copies[np.arange(2200), rng.integers(0, 16, 2200)] ^= 1 << rng.integers(0, 8, 2200).astype(np.uint8)
    hashes = [bytes(it).hex() for it in np.concatenate([originals, copies])]
    found = list(repeated(hashes))
    assert found[:300] == [None] * 300
    assert all(_distance(hashes[n], hashes[earlier]) == 1 for n, earlier in enumerate(found) if n >= 300)


def test_below_nought_nothing_is_alike_and_at_nought_what_is_equal():
    hashes = ["0" * 32, "0" * 32, "0" * 31 + "1"]
    assert list(repeated(hashes, -1)) == [None, None, None]
    assert list(repeated(hashes, 0)) == [None, 0, None]
    assert list(repeated([], 12)) == []


def test_real_frames_of_a_moment_are_alike_and_real_scenes_are_not(shared_data):
    frames = sorted((shared_data / "camvid" / "val").glob("*.*"))[:12]  # 1/15 of a second apart
    hashes = [picture_hash(read_image(frame)) for frame in frames]
    apart = [_distance(a, b) for a, b in pairwise(hashes)]
    assert max(apart) <= DISTANCE
    others = sorted((shared_data / "RoadAnomaly21" / "images").glob("*.jpg"))
    others = [picture_hash(read_image(picture)) for picture in others]
    pairs = [_distance(a, b) for n, a in enumerate([*others, hashes[0]]) for b in others[:n]]
    assert min(pairs) > 2 * DISTANCE

"""Sketches against counts of the pixels themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddscape.metrics.score_sketch import pooled_counts, share_at_least, sketch, sketch_of_counts


def made_scores(seed, known=20_000, anomalous=700):
    rng = np.random.default_rng(seed)
    return (
        np.sort(rng.standard_normal(anomalous).astype(np.float32) + 1),
        np.sort(np.round(rng.standard_normal(known), 3).astype(np.float32)),
    )


@pytest.mark.parametrize("parts", [1, 3])
def test_counts_at_a_sketch_s_scores_are_exact(parts):
    anomalous, known = made_scores(0)
    chunks = [np.sort(chunk) for chunk in np.array_split(np.random.default_rng(0).permutation(known), parts)]
    found = sketch([anomalous], chunks)
    for row, kind in enumerate((known, anomalous)):
        assert found.totals[row] == kind.size
        assert found.at_least[row].tolist() == [np.count_nonzero(kind >= v) for v in found.values]
        assert found.above[row].tolist() == [np.count_nonzero(kind > v) for v in found.values]
    assert found.values.size <= 4 * 128
    assert found.values[0] == known[0]
    assert found.values[-1] == max(known[-1], anomalous[-1])
    assert (np.diff(found.values) > 0).all()


def test_a_sketch_leaves_out_little_between_its_scores():
    anomalous, known = made_scores(1)
    found = sketch([anomalous], [known])
    between = found.above[:, :-1] - found.at_least[:, 1:]
    assert between[0].max() < known.size / 100
    assert between[1].max() < anomalous.size / 100
    # Of the highest known scores, which set the precision, a few in a hundred of those above at most.
    ahead = found.at_least[0, 1:]
    assert (between[0][ahead > 50] < 0.1 * ahead[ahead > 50]).all()


def test_a_histogram_s_sketch_is_that_of_its_pixels():
    anomalous, known = (np.sort(np.round(kind, 2)) for kind in made_scores(2))
    values = np.unique(np.concatenate((anomalous, known, [np.float32(99)])))
    counts = [
        np.bincount(np.searchsorted(values, kind), minlength=values.size) for kind in (anomalous, known)
    ]
    found, expected = sketch_of_counts(values, *counts), sketch([anomalous], [known])
    for name in ("values", "at_least", "above"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_common_bins_hold_every_pixel_of_every_picture(seed):
    pictures = [made_scores(seed + number, 2000, 50 * number) for number in range(4)]
    counts = pooled_counts([sketch([anomalous], [known]) for anomalous, known in pictures])
    totals = [[known.size, anomalous.size] for anomalous, known in pictures]
    np.testing.assert_allclose(counts.sum(axis=2), totals)
    assert counts.min() > -1e-9
    assert counts.shape[2] <= 2047


def test_ties_stay_in_bins_of_their_own():
    high, low = np.full(30, 1.0), np.linspace(-1, 0, 5000)
    counts = pooled_counts([sketch([high], [np.append(low, [1.0, 2.0])])])[0]
    assert counts[:, :3].tolist() == [[1, 0, 1], [0, 0, 30]]
    assert counts[1, 3:].sum() == 0


def test_the_share_above_a_threshold_is_near_the_counted_one_and_exact_at_its_scores():
    anomalous, known = made_scores(2)
    found = sketch([anomalous], [known])
    for threshold in found.values[::20]:
        assert share_at_least(found, float(threshold)) == (known >= threshold).mean()
    for threshold in np.linspace(-5, 5, 101):
        counted = np.count_nonzero(known >= threshold)
        assert abs(share_at_least(found, threshold) * known.size - counted) <= max(1, 0.06 * counted)
    assert share_at_least(found, np.inf) == 0
    assert np.isnan(share_at_least(sketch([anomalous], []), 0.0))

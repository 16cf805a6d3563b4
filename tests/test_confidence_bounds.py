"""Bounds against scipy.stats, and how often they hold."""

import numpy as np
import pytest
from scipy import stats

from oddscape.confidence_bounds import bootstrap_upper, expanded_level, poisson_interval, poisson_upper


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
def test_the_poisson_bound_is_where_so_few_become_unlikely(confidence):
    counts = np.array([0, 1, 7, 300])
    bound = poisson_upper(counts, confidence)
    np.testing.assert_allclose(stats.poisson.cdf(counts, bound), 1 - confidence)
    np.testing.assert_allclose(bound, stats.chi2.ppf(confidence, 2 * counts + 2) / 2)


@pytest.mark.parametrize("count", [0, 1, 40])
def test_the_poisson_interval_is_garwoods(count):
    low, high = poisson_interval(count)
    assert stats.poisson.cdf(count, high) == pytest.approx(0.025)
    assert (low == 0) if count == 0 else stats.poisson.sf(count - 1, low) == pytest.approx(0.025)


def test_few_units_ask_for_a_higher_percentile():
    for units in (2, 5, 20):
        t = np.sqrt(units / (units - 1)) * stats.t.ppf(0.95, units - 1)
        assert expanded_level(units, 0.95) == pytest.approx(stats.norm.cdf(t))
    assert expanded_level(10**6, 0.95) == pytest.approx(0.95, abs=1e-5)


def test_a_bound_never_rises_where_every_share_falls():
    rng = np.random.default_rng(0)
    whole, units = rng.integers(10, 100, 9), list("aabbbcdef")
    part = np.minimum.accumulate(rng.integers(0, whole[:, None] + 1, (9, 30)), axis=1)
    bounds = bootstrap_upper(part, whole, units, 0.9)
    assert (np.diff(bounds) <= 1e-12).all()
    assert (bounds >= part.sum(axis=0) / whole.sum()).all()
    assert bounds[0] <= 1


@pytest.mark.parametrize(("units", "least"), [(20, 0.87), (100, 0.9)])
def test_how_often_the_bound_holds_for_skewed_shares(units, least):
    # Shares of false pixels: most pictures have next to none, a few have many.
    rng, names = np.random.default_rng(1), [str(n) for n in range(units)]
    shares = rng.lognormal(-8, 1, (units, 400))
    bounds = bootstrap_upper(shares, np.ones(units), names, 0.95)
    assert least < np.mean(bounds >= np.exp(-8 + 0.5)) < 0.98

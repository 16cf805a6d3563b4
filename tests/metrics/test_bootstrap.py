"""Bootstrap against replicates made plainly: pictures repeated, all pixels pooled, scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from oddscape.errors import OddscapeError
from oddscape.interval import interval, paired_difference, undefined_replicates
from oddscape.metrics.bootstrap import (
    bootstrap_means,
    bootstrap_scores,
    bootstrap_sums,
    resample,
)
from oddscape.metrics.fpr_rules import FPR_RULES
from oddscape.metrics.score_sketch import sketch


def made_pictures(seed, count, known=3000, anomalous=80):
    """(anomalous, known) scores of pictures that differ as real ones do; every fourth has no anomaly."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        shift, spread = rng.normal(1.5, 0.7), rng.uniform(0.5, 1.5)
        size = 0 if number % 4 == 3 else int(anomalous * rng.lognormal(0, 1))
        yield (
            np.sort(shift + spread * rng.standard_normal(size)).astype(np.float32),
            np.sort(rng.normal(0, 0.3) + rng.standard_normal(known)).astype(np.float32),
        )


def names(pictures):
    return [f"{number:04}" for number in range(len(pictures))]


def replicated(pictures, weights, **options):
    return bootstrap_scores([sketch([a], [k]) for a, k in pictures], weights, **options)


def plain_fpr(truth, score, rule):
    alarms, recall, _ = sklearn.roc_curve(truth, score, drop_intermediate=False)
    if rule == "interpolated":
        return np.interp(0.95, recall, alarms)
    if rule == "nearest":
        return alarms[plain_nearest(recall)]
    return alarms[np.argmax(recall >= 0.95 if rule == "first_at_least" else recall > 0.95)]


def plain_nearest(recall):
    distance = np.abs(recall - 0.95)
    closest = np.flatnonzero(distance == distance.min())
    closest = closest[recall[closest] == recall[closest].max()]
    return closest[0] if recall[closest[0]] == 1 else closest[-1]


def plain_figures(pictures, weights, rule):
    """The figures of one replicate from all its pixels."""
    drawn = np.repeat(np.arange(len(pictures)), weights.astype(int))
    anomalous, known = (np.concatenate([pictures[i][kind] for i in drawn]) for kind in (0, 1))
    score = np.concatenate((anomalous, known))
    truth = np.repeat([1, 0], [anomalous.size, known.size])
    precision, recall, _ = sklearn.precision_recall_curve(truth, score)
    return {
        "average_precision": sklearn.average_precision_score(truth, score),
        "auroc": sklearn.roc_auc_score(truth, score),
        "fpr95": plain_fpr(truth, score, rule),
        "best_f1": np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12)),
    }


TRANSFORMS = {
    "continuous": lambda scores: scores,
    "ties": lambda scores: np.round(4 * scores) / 4,
    "saturated": lambda scores: np.clip(scores, -1, 2),
    "probability": lambda scores: 1 / (1 + np.exp(-10 * scores)),
}


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("rule", ["first_at_least", "interpolated"])
def test_replicates_equal_pictures_repeated(transform, rule):
    pictures = [tuple(map(TRANSFORMS[transform], kinds)) for kinds in made_pictures(0, 12)]
    weights = resample(names(pictures), 12)
    found = replicated(pictures, weights, fpr_rule=rule)
    plain = [plain_figures(pictures, row, rule) for row in weights]
    for name, tolerance in (
        ("average_precision", 5e-4),
        ("auroc", 1e-4),
        ("fpr95", 5e-3),
        ("best_f1", 3e-3),
    ):
        np.testing.assert_allclose(found[name], [p[name] for p in plain], rtol=0, atol=tolerance)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(FPR_RULES)))
def test_few_pixels_give_exact_replicates(seed, rule):
    rng = np.random.default_rng(seed)
    pictures = [
        tuple(np.sort(rng.integers(0, 30, size) / 8) for size in rng.integers(1, 25, 2)) for _ in range(5)
    ]
    weights = resample(names(pictures), 5, seed)
    found = replicated(pictures, weights, fpr_rule=rule)
    plain = [plain_figures(pictures, row, rule) for row in weights]
    for name in found:
        np.testing.assert_allclose(found[name], [p[name] for p in plain], rtol=0, atol=1e-12)


def test_only_the_order_of_scores_matters():
    pictures = list(made_pictures(1, 8))
    infinite = [tuple(np.clip(kind, -1, 2) for kind in kinds) for kinds in pictures]
    for kinds in infinite:
        for kind in kinds:
            kind[kind == -1], kind[kind == 2] = -np.inf, np.inf
    finite = [tuple(np.clip(kind, -1, 2) for kind in kinds) for kinds in pictures]
    weights = resample(names(pictures), 30)
    for name, figure in replicated(infinite, weights).items():
        np.testing.assert_array_equal(figure, replicated(finite, weights)[name])


def test_replicates_lie_about_the_exact_figure():
    pictures = list(made_pictures(2, 10))
    weights, plain = np.ones((1, 10)), plain_figures(pictures, np.ones(10), "first_at_least")
    found = replicated(pictures, weights, fpr_rule="first_at_least", exact=plain)
    assert {name: figure[0] for name, figure in found.items()} == pytest.approx(plain, abs=1e-12)
    assert np.isnan(replicated(pictures, weights, exact={"auroc": np.nan})["auroc"]).all()


def test_moved_replicates_stay_fractions():
    pictures = [(np.array([2.0, 3.0]), np.array([0.0, 1.0]))] * 2
    found = replicated(pictures, np.ones((3, 2)), exact={"auroc": 0.9, "fpr95": 0.1})
    moved = replicated(pictures, np.ones((3, 2)), exact={"auroc": 1.1, "fpr95": -0.1})
    assert (found["auroc"][0], found["fpr95"][0]) == pytest.approx((0.9, 0.1))
    assert (moved["auroc"].tolist(), moved["fpr95"].tolist()) == ([1.0] * 3, [0.0] * 3)


def test_replicates_without_both_kinds_are_left_out_and_counted():
    pictures = list(made_pictures(3, 3))
    pictures = [(kinds[0] if number == 1 else np.empty(0), kinds[1]) for number, kinds in enumerate(pictures)]
    weights = resample(names(pictures), 200)
    found = replicated(pictures, weights)
    without = weights[:, 1] == 0
    assert 20 < np.count_nonzero(without) < 120
    for figure in found.values():
        np.testing.assert_array_equal(np.isnan(figure), without)
        assert undefined_replicates(figure) == np.count_nonzero(without)
        assert not np.isnan(interval(figure)).any()


def test_pictures_without_pixels_and_no_pictures_give_nothing():
    nothing = sketch([], [])
    assert nothing.totals == [0, 0]
    for sketches in ([nothing, nothing], []):
        figures = bootstrap_scores(sketches, np.ones((4, len(sketches))))
        assert all(np.isnan(figure).all() and figure.shape == (4,) for figure in figures.values())


def test_unknown_rule_lists_the_rules():
    with pytest.raises(OddscapeError, match="unknown FPR rule 'last': expected one of first_above, "):
        bootstrap_scores([], np.ones((1, 0)), "last")


def test_a_draw_depends_on_the_units_and_the_seed_alone():
    expected = [[0, 2, 1, 1, 1], [0, 1, 2, 1, 1], [1, 0, 1, 1, 2]]
    assert resample(list("abcde"), 3).tolist() == expected
    shuffled = resample(list("dbace"), 3)
    np.testing.assert_array_equal(shuffled, np.array(expected)[:, [3, 1, 0, 2, 4]])
    assert not np.array_equal(resample(list("abcde"), 3, seed=1), expected)


def test_as_many_units_as_there_are_and_each_as_often():
    weights = resample([str(number) for number in range(30)], 4000)
    assert (weights.sum(axis=1) == 30).all()
    # A unit is drawn once on average, with variance 29/30: the mean of 4000 lies within five deviations.
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=5 / np.sqrt(4000))
    assert weights.var(axis=0).mean() == pytest.approx(29 / 30, rel=0.05)


def test_pictures_of_one_unit_are_drawn_together():
    weights = resample(["town 1", "town 2", "town 1", "town 3", "town 2"], 100)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    np.testing.assert_array_equal(weights[:, 1], weights[:, 4])
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_one_unit_gives_no_interval():
    weights = resample(["only"] * 4)
    assert weights.shape == (0, 4)
    pictures = list(made_pictures(4, 4))
    assert np.isnan(interval(replicated(pictures, weights)["auroc"])).all()
    assert np.isnan(interval(bootstrap_means(np.ones(4), weights))).all()
    assert np.isnan(interval(bootstrap_sums(np.ones((4, 2)), weights, lambda sums: sums[:, 0]))).all()


def test_means_leave_undefined_pictures_out():
    weights = np.array([[1, 1, 1], [0, 2, 1], [0, 3, 0], [2, 1, 0]])
    found = bootstrap_means(np.array([0.2, np.nan, 0.8]), weights)
    np.testing.assert_allclose(found, [0.5, 0.8, np.nan, 0.2])


def test_sums_equal_a_loop_over_replicates():
    rng = np.random.default_rng(5)
    counts = rng.integers(0, 9, (7, 3, 3))
    weights = resample(names(counts), 150)
    found = bootstrap_sums(counts, weights, lambda sums: np.trace(sums, axis1=1, axis2=2) / sums.sum((1, 2)))
    for row, figure in zip(weights, found, strict=True):
        total = sum(times * matrix for times, matrix in zip(row, counts, strict=True))
        assert figure == pytest.approx(np.trace(total) / total.sum())


def test_interval_of_a_mean_is_that_of_the_normal_distribution():
    values = np.random.default_rng(6).standard_normal(400)
    found = interval(bootstrap_means(values, resample(names(values), 4000)))
    half = 1.96 * values.std() / 20
    assert found == pytest.approx((values.mean() - half, values.mean() + half), abs=0.01)


def test_methods_are_compared_replicate_by_replicate():
    pictures = list(made_pictures(7, 12))
    weights = resample(names(pictures), 300)
    noisy = [(a - np.float32(0.2), k) for a, k in pictures]
    better, worse = replicated(pictures, weights)["auroc"], replicated(noisy, weights)["auroc"]
    found = paired_difference(better, worse)
    assert found.mean == pytest.approx((better - worse).mean())
    assert 0 < found.interval.low < found.mean < found.interval.high
    assert found.interval.width < interval(better).width / 2
    assert paired_difference(better, better.copy()) == (0, (0, 0))

"""Rules for thresholds against sorting all scores and going through all thresholds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats

from oddscape.confidence_bounds import expanded_level
from oddscape.errors import OddscapeError
from oddscape.metrics.bootstrap import resample
from oddscape.regions import RegionRules
from oddscape.scored_pictures import ScoredPictures, scored_picture
from oddscape.threshold_rules import BestF1, FalseAlarms, FalseRegions, Recall, candidates, lowest_accepted

NO_RULES = RegionRules()
# Ties, both zeros, tiny, huge and infinite scores.
SCORES = st.sampled_from([-np.inf, -3.5, -1e-40, -0.0, 0.0, 1e-40, 0.25, 1.0, 1.0000001, 7.0, 1e30])
MAPS = st.lists(st.lists(SCORES, min_size=12, max_size=12), min_size=3, max_size=6)


def pictures(scores, truths=None, recordings=None):
    found = ScoredPictures()
    for number, score in enumerate(scores):
        truth = np.zeros(score.shape, np.uint8) if truths is None else truths[number]
        recording = "" if recordings is None else recordings[number]
        found.add(scored_picture(score, truth, f"{number:02}", recording))
    return found


def random_pictures(count=12, seed=0, shape=(16, 20), labelled=False):
    rng = np.random.default_rng(seed)
    blobs = [ndimage.gaussian_filter(rng.normal(size=shape), 1.2) for _ in range(count)]
    scores = [(4 * blob + rng.normal(0, 0.4)).astype(np.float32) for blob in blobs]
    truths = [rng.choice(np.array([0, 1, 255], np.uint8), shape, p=(0.8, 0.1, 0.1)) for _ in scores]
    return scores, truths if labelled else [np.zeros(shape, np.uint8)] * count


def naive_upper(parts, wholes, units, confidence=0.95):
    """Replicate by replicate: units, and the worst once more at the size of a mean one."""
    drawn = {}
    for part, whole, unit in zip(parts, wholes, units, strict=True):
        before = drawn.get(unit, (0, 0))
        drawn[unit] = (before[0] + part, before[1] + whole)
    drawn = [drawn[unit] for unit in sorted(drawn)]
    size, level = np.mean([whole for _, whole in drawn]), expanded_level(len(drawn), confidence)
    drawn.append((max(part / whole for part, whole in drawn) * size, size))
    names = [f"{n:03}" for n in range(len(drawn))]
    replicates = sorted(
        sum(w * part for w, (part, _) in zip(row, drawn, strict=True))
        / sum(w * whole for w, (_, whole) in zip(row, drawn, strict=True))
        for row in resample(names).tolist()
    )
    return max(replicates[int(np.ceil(level * (len(replicates) - 1)))], sum(parts) / sum(wholes))


def naive_share_bound(scores, truths, units, threshold):
    above = [int(np.sum(s[t == 0] > threshold)) for s, t in zip(scores, truths, strict=True)]
    return naive_upper(above, [int(np.sum(t == 0)) for t in truths], units)


@pytest.mark.parametrize("recordings", [None, list("aaabbbcccddd")])
@pytest.mark.parametrize("labelled", [False, True])
def test_the_lowest_threshold_within_the_budget_of_pixels(recordings, labelled):
    scores, truths = random_pictures(labelled=labelled)
    units = recordings or [f"{n:02}" for n in range(len(scores))]
    found = FalseAlarms(0.05).choose(pictures(scores, truths, recordings), NO_RULES)
    values = np.unique(np.concatenate([s[t == 0] for s, t in zip(scores, truths, strict=True)]))
    at = int(np.searchsorted(values, np.float32(found.threshold)))
    assert values[at] == np.float32(found.threshold)
    for threshold in [*values[::200], *values[at - 2 : at + 3]]:
        within = naive_share_bound(scores, truths, units, threshold) <= 0.05
        assert within == (threshold >= np.float32(found.threshold))
    assert found.bound == pytest.approx(naive_share_bound(scores, truths, units, found.threshold))


@given(MAPS, st.floats(0.01, 0.99), st.floats(0.01, 0.99))
@settings(max_examples=20)
def test_budgets_of_pixels_are_kept_and_order_thresholds(maps, one, other):
    given_ = pictures([np.array(m, np.float32).reshape(3, 4) for m in maps])
    thresholds = []
    for share in sorted((one, other)):
        try:
            found = FalseAlarms(share).choose(given_, NO_RULES)
        except OddscapeError as error:  # none can be promised, or any can
            thresholds.append(-np.inf if "would be -inf" in str(error) else np.inf)
            continue
        above = sum(np.count_nonzero(picture.score > found.threshold) for picture in given_)
        assert above <= found.bound * 12 * len(maps) + 1e-9
        assert found.bound <= share * (1 + 1e-12)
        thresholds.append(found.threshold)
    assert thresholds == sorted(thresholds, reverse=True)


@given(st.integers(0, 500), st.sampled_from([1e-45, 1.0, 3e38]))
@settings(max_examples=30)
def test_every_float32_can_be_found(steps, scale):
    target = np.float32(scale)
    for _ in range(steps % 7):
        target = np.nextafter(target, np.float32(-np.inf))
    for sought in (target, -target):
        assert lowest_accepted(lambda t: t >= sought, -np.inf, np.inf) == sought  # noqa: B023


def naive_false_regions(score, truth, threshold, rules):
    score = np.where(truth == 255, -np.inf, score)
    labels, count = ndimage.label(score > (threshold if rules.low is None else rules.low), np.ones((3, 3)))
    regions = [labels == number for number in range(1, count + 1)]
    return sum(
        region.sum() >= rules.min_region and score[region].max() > threshold and not truth[region].any()
        for region in regions
    )


@pytest.mark.parametrize("rules", [NO_RULES, RegionRules(4), RegionRules(3, 0.5)])
@pytest.mark.parametrize("labelled", [False, True])
def test_regions_stay_within_the_budget_at_every_candidate_above(rules, labelled):
    scores, truths = random_pictures(labelled=labelled)
    given_, rule = pictures(scores, truths), FalseRegions(1500, 0.5)
    found, units = rule.choose(given_, rules), [f"{n:02}" for n in range(12)]

    def bound(threshold):
        counts = [naive_false_regions(*maps, threshold, rules) for maps in zip(scores, truths, strict=True)]
        poisson = stats.chi2.ppf(0.95, 2 * sum(counts) + 2) / 24
        return max(naive_upper(counts, [1] * 12, units), poisson) * 1800

    falling = candidates(given_, rules)
    at = falling.index(found.threshold)
    assert 0 < at < len(falling) - 1
    assert max(map(bound, falling[max(0, at - 20) : at + 1])) <= 1500 < bound(falling[at + 1])
    assert found.bound == pytest.approx(bound(found.threshold))


def test_a_greater_budget_of_regions_is_no_higher_threshold():
    given_ = pictures(random_pictures()[0])
    thresholds = [FalseRegions(n, 0.1).choose(given_, NO_RULES).threshold for n in (100, 200, 500, 5000)]
    assert thresholds == sorted(thresholds, reverse=True)
    assert len(set(thresholds)) > 2


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95, 1.0])
def test_the_highest_threshold_of_a_recall(share):
    scores, truths = random_pictures(labelled=True)
    threshold = Recall(share).choose(pictures(scores, truths), NO_RULES).threshold
    anomalous = np.concatenate([s[t == 1] for s, t in zip(scores, truths, strict=True)])
    assert np.mean(anomalous > np.float32(threshold)) >= share
    assert np.mean(anomalous > np.nextafter(np.float32(threshold), np.float32(np.inf))) < share


def test_best_f1_is_that_of_all_thresholds():
    scores, truths = random_pictures(labelled=True)
    threshold = BestF1().choose(pictures(scores, truths), NO_RULES).threshold
    score, truth = np.concatenate(scores).ravel(), np.concatenate(truths).ravel()
    score, truth = score[truth < 255], truth[truth < 255]

    def f1(called):
        return 2 * np.sum(called & (truth == 1)) / (called.sum() + truth.sum())

    assert f1(score > np.float32(threshold)) == pytest.approx(max(f1(score >= s) for s in np.unique(score)))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (FalseAlarms(1e-6), r"a share of 1e-06 false pixels cannot .* by 12 pictures: the lowest"),
        (FalseRegions(1, 10), r"1 false regions an hour .* 12 pictures at 10 a second: the lowest that can "
         r"is 8\.99e\+03; even without a false region it takes 107847 pictures"),
        (Recall(0.9), "no anomalous pixel in 12 pictures: a recall and F1 need anomalies"),
        (BestF1(), "no anomalous pixel in 12 pictures"),
    ],
)  # fmt: skip
def test_what_pictures_cannot_give(rule, message):
    with pytest.raises(OddscapeError, match=message):
        rule.choose(pictures(random_pictures()[0]), NO_RULES)


def test_the_best_that_is_named_can_be_had():
    given_ = pictures(random_pictures()[0])
    with pytest.raises(OddscapeError) as error:
        FalseAlarms(1e-6).choose(given_, NO_RULES)
    best = float(str(error.value).rpartition(" ")[2])
    assert FalseAlarms(best).choose(given_, NO_RULES).bound <= best


def test_too_few_pictures():
    two = pictures(random_pictures(2)[0])
    with pytest.raises(
        OddscapeError, match=r"2 pictures or recordings with known pixels .* expected 3 or more"
    ):
        FalseAlarms(0.5).choose(two, NO_RULES)
    one = pictures(random_pictures(3)[0], recordings=["a"] * 3)
    with pytest.raises(OddscapeError, match="1 picture or recording bounds no false regions"):
        FalseRegions(1, 1).choose(one, NO_RULES)


def test_scores_that_no_threshold_parts():
    score, truth = np.full((2, 2), -np.inf, np.float32), np.array([[0, 1], [0, 1]], np.uint8)
    with pytest.raises(OddscapeError, match="the threshold would be -inf: the scores"):
        Recall(0.5).choose(pictures([score], [truth]), NO_RULES)
    with pytest.raises(OddscapeError, match="all scores are infinite"):
        FalseRegions(1, 1).choose(pictures([score] * 2), NO_RULES)
    with pytest.raises(OddscapeError, match="no known pixel in 2 pictures"):
        FalseRegions(1, 1).choose(pictures([score] * 2, [np.ones((2, 2), np.uint8)] * 2), NO_RULES)


@pytest.mark.parametrize(
    "make",
    [
        lambda: FalseAlarms(0),
        lambda: FalseAlarms(1),
        lambda: FalseAlarms(0.1, confidence=0.999),
        lambda: FalseRegions(0, 10),
        lambda: FalseRegions(1, float("inf")),
        lambda: Recall(0),
        lambda: Recall(1.1),
    ],
)
def test_rules_out_of_range(make):
    with pytest.raises(OddscapeError, match="expected"):
        make()

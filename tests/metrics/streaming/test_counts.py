"""The streaming engine: its intervals against the exact engine, its figures in other orders, its memory."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn

import oddscape as odd
from oddscape.errors import OddscapeError
from oddscape.inference import run_network
from oddscape.metrics import FPR_RULES, auroc, average_precision, count_operating_points, fpr
from oddscape.metrics.streaming import DEFAULT_MEMORY, StreamingCounts
from oddscape.metrics.streaming import counts as counts_module
from oddscape.metrics.streaming import heavy_values as heavy_module

TINY = 64 * 128  # bytes for 128 cells, four extreme scores at either end and two heavy ones


@pytest.fixture(scope="module", autouse=True)
def _small_sizes():
    # So few cells that a handful of pixels already have to share them.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counts_module, "_LEAST_MEMORY", TINY)
        patch.setattr(heavy_module, "_HEAVY_LEAST", 5)
        yield


def exact(score, truth, rule):
    points = count_operating_points(score, truth)
    called = points.true_positives + points.false_positives
    best_f1 = np.max(2 * points.true_positives / (points.positives + called))
    return average_precision(points), auroc(points), fpr(points, rule)[0], best_f1


def streamed(*pictures, memory=TINY):
    counts = StreamingCounts(memory)
    for score, truth in pictures:
        counts.update(score, truth)
    return counts


def figures(counts):
    """All that the four rules give, in one array."""
    results = [counts.compute(rule) for rule in FPR_RULES]
    rows = [
        [
            *(one.average_precision, one.auroc, one.fpr95, one.threshold, one.best_f1, one.best_f1_threshold),
            *(one.positives, one.negatives),
            *(one.bounds.average_precision + one.bounds.auroc + one.bounds.fpr95 + one.bounds.best_f1),
        ]
        for one in results
    ]
    return np.array(rows)


def assert_certified(counts, score, truth):
    """Compare with the exact engine by every rule; give the widths, [rules, figures]."""
    found = []
    for rule in FPR_RULES:
        result = counts.compute(rule)
        bounds = result.bounds
        intervals = bounds.average_precision, bounds.auroc, bounds.fpr95, bounds.best_f1
        values = result.average_precision, result.auroc, result.fpr95, result.best_f1
        for interval, value, wanted in zip(intervals, values, exact(score, truth, rule), strict=True):
            assert interval.low <= value <= interval.high, rule
            assert interval.low <= wanted <= interval.high, rule
        found.append([interval.width for interval in intervals])
    return np.array(found)


KINDS = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "ties": lambda rng, n: np.round(rng.standard_normal(n), 1),
    "saturated": lambda rng, n: np.clip(rng.standard_normal(n), -0.7, 0.9),
    "a heavy score": lambda rng, n: np.where(rng.random(n) < 0.3, 0.31, rng.standard_normal(n)),
    "two heavy scores": lambda rng, n: np.where(
        rng.random(n) < 0.5, rng.choice([0.31, 0.32], n), rng.random(n) * 0.1 + 0.26
    ),
    "tiny range": lambda rng, n: 1 + 1e-5 * rng.random(n),
    "huge range": lambda rng, n: np.exp(rng.uniform(-80, 80, n)) * rng.choice([-1, 1], n),
    "near zero": lambda rng, n: rng.choice([-1, 1], n) * 10.0 ** rng.uniform(-45, -30, n),
    "infinite": lambda rng, n: np.where(
        rng.random(n) < 0.2, rng.choice([np.inf, -np.inf], n), rng.standard_normal(n)
    ),
    "an outlier": lambda rng, n: np.append(rng.standard_normal(n - 1), 1e30),
}


def picture(kind, seed, pixels=150, share=0.3):
    rng = np.random.default_rng(seed)
    truth = rng.choice([0, 1, 255], pixels, p=[0.9 - share, share, 0.1]).astype(np.uint8)
    truth[:2] = 0, 1
    score = KINDS[kind](rng, pixels)
    better = (truth == 1) & (rng.random(pixels) < 0.5) & np.isfinite(score)
    score[better] += 0.3 * np.abs(score[better])
    return score, truth


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.sampled_from([0.02, 0.3, 0.6]), pixels=st.integers(20, 250))
def test_intervals_contain_the_exact_figures(kind, dtype, seed, share, pixels):
    score, truth = picture(kind, seed, pixels, share)
    score = score.astype(dtype)
    parts = zip(np.array_split(score, 3), np.array_split(truth, 3), strict=True)
    assert_certified(streamed(*parts), score[None], truth[None])


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(allow_nan=False, width=64), min_size=12, max_size=60),
    st.randoms(use_true_random=False),
)
def test_any_float64_scores(values, random):
    score = np.array(values)
    truth = np.array([random.randint(0, 1) for _ in values], np.uint8)
    truth[:2] = 0, 1
    assert_certified(streamed((score, truth)), score[None], truth[None])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_half_and_single_precision_in_one(seed):
    (half, half_truth), (single, single_truth) = picture("ties", seed), picture("normal", seed + 1)
    counts = streamed((half.astype(np.float16), half_truth), (single.astype(np.float32), single_truth))
    score = np.concatenate((half.astype(np.float16).astype(np.float32), single.astype(np.float32)))
    assert_certified(counts, score[None], np.concatenate((half_truth, single_truth))[None])


@pytest.mark.parametrize("step", [(1, 1), (2, 3)])
def test_a_run_of_equal_steps_is_bounded_where_scikit_learn_drops_points(step):
    # Equal steps all the way: the point taken lies far below the first with R > 0.95.
    score = np.repeat(np.arange(1000.0), sum(step))
    truth = np.tile(np.repeat([0, 1], step), 1000)
    counts = streamed((score, truth))
    assert exact(score[None], truth[None], "first_above")[2] == 1
    assert_certified(counts, score[None], truth[None])


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_neither_order_nor_parting_matters(kind, seed):
    pictures = [picture(kind, seed + i, 40 + 30 * i) for i in range(4)]
    whole = figures(streamed(*pictures))
    np.testing.assert_array_equal(figures(streamed(*pictures[::-1])), whole)
    first, second, third = streamed(pictures[2]), streamed(pictures[0], pictures[3]), streamed(pictures[1])
    second.merge(third)
    first.merge(second)
    np.testing.assert_array_equal(figures(first), whole)
    order = np.random.default_rng(seed).permutation(len(pictures[3][0]))
    shuffled = [*pictures[:3], tuple(maps[order] for maps in pictures[3])]
    np.testing.assert_array_equal(figures(streamed(*shuffled)), whole)


def widths(bounds):
    intervals = bounds.average_precision, bounds.auroc, bounds.fpr95, bounds.best_f1
    return [interval.width for interval in intervals]


@pytest.mark.parametrize("rule", FPR_RULES)
def test_half_precision_is_exact_in_any_memory(rule):
    rng = np.random.default_rng(3)
    truth = rng.choice([0, 1, 255], (3, 200, 300), p=[0.8, 0.1, 0.1]).astype(np.uint8)
    score = (rng.standard_normal(truth.shape) + (truth == 1)).astype(np.float16)
    score[0, :9] = [[np.inf], [-np.inf], [0.0], [-0.0], [6e-8], [-6e-8], [65504], [-65504], [1.0]]
    result = streamed((score, truth)).compute(rule)
    values = result.average_precision, result.auroc, result.fpr95, result.best_f1
    assert values == pytest.approx(exact(score, truth, rule), abs=1e-13)
    assert widths(result.bounds) == [0, 0, 0, 0]
    kept = truth != 255
    assert (result.positives, result.negatives) == (np.sum(truth == 1), np.sum(truth == 0))
    finite = np.clip(score[kept].astype(np.float64), -1e6, 1e6)
    assert result.average_precision == pytest.approx(
        sklearn.average_precision_score(truth[kept], finite), abs=1e-12
    )


def large_picture(seed, pixels=200_000):
    rng = np.random.default_rng(seed)
    truth = (rng.random(pixels) < 0.1).astype(np.uint8)
    return rng.standard_normal(pixels, dtype=np.float32) + truth, truth


def squashed(score):
    return (1 / (1 + np.exp(-score.astype(np.float64)))).astype(np.float32)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s,
        squashed,
        lambda s: squashed(30 * s - 20),  # saturates at 0 and at 1
        lambda s: np.where(np.abs(s - 0.5) < 0.2, np.float32(0.4321), s),
        lambda s: np.append(s[:-1], np.float32(1e30)),
        lambda s: np.where(np.arange(s.size) % 7 == 0, np.float32(-np.inf), s),
        lambda s: np.exp(10 * s),
        lambda s: np.round(squashed(s) * 65535) / np.float32(65535),
        lambda s: s.astype(np.float64) * 1e-200,
        lambda s: 1e6 + s.astype(np.float64) * 1e-6,
    ],
    ids=[
        *("logits", "probabilities", "saturated", "a heavy score", "an outlier", "infinite"),
        *("many magnitudes", "16 bits", "beyond float32", "far from zero"),
    ],
)
def test_intervals_are_narrow(change):
    score, truth = large_picture(0)
    score = change(score)
    halves = zip(np.array_split(score, 2), np.array_split(truth, 2), strict=True)
    found = assert_certified(streamed(*halves, memory=DEFAULT_MEMORY), score[None], truth[None])
    # The pixels are few, so each weighs more than in real score maps.
    assert (found < [1e-4, 1e-4, 2e-3, 1e-4]).all()


def test_the_threshold_has_the_rate_and_reaches_the_f1():
    score, truth = large_picture(1)
    result = streamed((score, truth), memory=4 * 2**20).compute("first_at_least")
    assert widths(result.bounds)[2] > 0
    assert np.mean(score[truth == 0] >= result.threshold) == result.fpr95
    called = score >= result.best_f1_threshold
    assert sklearn.f1_score(truth, called) >= result.best_f1 - 1e-12


def test_memory_stays_within_the_budget_however_many_pixels():
    counts = StreamingCounts()
    pictures = [large_picture(seed, 2**19) for seed in range(4)]
    tracemalloc.start()
    for i in range(12):
        counts.update(pictures[i % 4][0] * np.float32(1 + i // 4), pictures[i % 4][1])
    counts.compute()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    held = StreamingCounts().nbytes  # allocated before the record began
    assert counts.nbytes <= DEFAULT_MEMORY
    assert held + peak <= DEFAULT_MEMORY
    half = StreamingCounts(4 * 2**20)
    half.update(pictures[0][0].astype(np.float16), pictures[0][1])
    assert half.nbytes <= 4 * 2**20


def test_operating_points_give_the_figures_of_cells_as_ties():
    score, truth = large_picture(2)
    counts = streamed((score, truth), memory=4 * 2**20)
    points, result = counts.operating_points(), counts.compute()
    assert (np.diff(points.thresholds) < 0).all()
    low, high = result.bounds.average_precision
    assert low <= average_precision(points) <= high
    assert auroc(points) == pytest.approx(result.auroc, abs=1e-9)
    assert (points.positives, points.negatives) == (result.positives, result.negatives)
    assert counts.counts().counts.sum() == score.size


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_counted_nan_is_an_error_and_nothing_is_added(dtype):
    score, truth = np.zeros((2, 3, 4), dtype), np.zeros((2, 3, 4), np.uint8)
    score[1, 1, :3] = np.nan
    truth[1, 1, 0] = 255
    counts = StreamingCounts()
    with pytest.raises(OddscapeError, match="score is NaN at 2 pixels that count"):
        counts.update(score, truth)
    result = counts.compute()
    assert (result.positives, result.negatives) == (0, 0)
    truth[1, 1] = 255
    counts.update(score, truth)
    assert counts.compute().negatives == 20


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@given(anything=st.sampled_from([np.nan, np.inf, -np.inf, 1e30, 7.0]))
def test_ignored_pixels_never_matter(dtype, anything):
    score, truth = picture("normal", 5)
    other = np.where(truth == 255, anything, score)
    with np.errstate(over="ignore"):
        one, two = streamed((score.astype(dtype), truth)), streamed((other.astype(dtype), truth))
    np.testing.assert_array_equal(figures(one), figures(two))


@pytest.mark.parametrize(
    ("kinds", "reason"),
    [([], "no pixel counts"), ([0, 0, 255], "no anomalous pixel"), ([1, 255], "no known pixel")],
)
def test_undefined_figures_are_nan_and_say_why(kinds, reason):
    truth = np.array([kinds], np.uint8)
    result = streamed((truth.astype(np.float32), truth)).compute()
    assert reason in result.undefined
    assert np.isnan([result.average_precision, result.auroc, result.fpr95, result.threshold]).all()
    assert np.isnan([result.best_f1, result.best_f1_threshold, *widths(result.bounds)]).all()


def test_what_cannot_be_counted_is_an_error():
    truth = np.zeros((3, 4), np.uint8)
    with pytest.raises(OddscapeError, match="score is int64: expected floating-point numbers"):
        StreamingCounts().update(truth.astype(np.int64), truth)
    with pytest.raises(OddscapeError, match="shapes differ: score"):
        StreamingCounts().update(np.zeros((4, 4), np.float16), truth)
    with pytest.raises(OddscapeError, match="truth holds"):
        StreamingCounts().update(np.zeros((3, 4), np.float16), truth + 3)
    with pytest.raises(OddscapeError, match="unknown FPR rule"):
        StreamingCounts().compute("last")
    with pytest.raises(OddscapeError, match="memory is 1000 bytes: expected at least"):
        StreamingCounts(1000)
    with pytest.raises(OddscapeError, match="different memory"):
        StreamingCounts().merge(StreamingCounts(2**23))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors_are_counted_as_arrays(dtype):
    score, truth = picture("ties", 8)
    tensor = torch.tensor(score).to(dtype)
    array = (tensor.float() if dtype == torch.bfloat16 else tensor).numpy()
    found = figures(streamed((tensor.requires_grad_(), torch.tensor(truth))))
    np.testing.assert_array_equal(found, figures(streamed((array, truth))))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["msp", "max_logit", "energy", "entropy", "void"])
def test_real_score_maps(shared_data, name):
    net = odd.create_model("erfnet", num_classes=19, void=True).eval()
    odd.load_checkpoint(net, shared_data / "weights" / "erfnet_city20.pth")
    scenes = odd.data.open("roadanomaly21", shared_data / "RoadAnomaly21")
    counts, maps, truths = StreamingCounts(), [], []
    for i in range(6):
        scene = scenes[i]
        out = run_network(
            net, scene.image, {name: odd.SCORES[name]}, size=(512, 1024), output_size=(512, 1024)
        )
        maps.append(out.scores[name][0].numpy())
        truths.append(odd.data.resize_mask(scene.anomaly, (512, 1024)))
        counts.update(maps[-1], truths[-1])
    found = assert_certified(counts, np.stack(maps), np.stack(truths))
    assert (found < [1e-5, 1e-5, 1e-4, 1e-5]).all()

"""Open-mIoU against given figures and a plain computation on full maps."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn import metrics as sklearn

from oddscape.errors import OddscapeError
from oddscape.metrics import OpenSetMetrics
from oddscape.metrics.bootstrap import bootstrap_sums, resample
from oddscape.metrics.calibration import CalibrationMetrics, expected_calibration_error
from oddscape.metrics.fpr_rules import FPR_RULES, fpr
from oddscape.metrics.open_set import bootstrap_open_set
from oddscape.metrics.operating_points import count_operating_points

STREETHAZARDS_KNOWN = [1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13]  # raw ids of the 12-class reading


def test_reference_figures(shared_reference):
    frames = np.load(shared_reference / "open_set/open_set.npz")
    expected = json.loads((shared_reference / "open_set/open_set.json").read_text())
    to_train, to_anomaly = np.full(256, 255, np.uint8), np.full(256, 255, np.uint8)
    to_train[STREETHAZARDS_KNOWN] = range(12)
    to_anomaly[STREETHAZARDS_KNOWN] = 0
    to_anomaly[14] = 1
    metrics = OpenSetMetrics(12)
    for key in (name.removesuffix("_raw_labels") for name in frames.files if name.endswith("_raw_labels")):
        logits = torch.tensor(frames[f"{key}_logits"]).float()
        outlier = torch.tensor(frames[f"{key}_outlier_logits"]).float()
        score = outlier.log_softmax(0)[1] - logits.logsumexp(0)
        raw = frames[f"{key}_raw_labels"]
        metrics.update(score, logits.argmax(0), to_train[raw], to_anomaly[raw], fold=key[0])
    result = metrics.compute()

    assert result.undefined is None
    assert 100 * result.closed_miou == pytest.approx(expected["closed_miou"], abs=1e-9)
    assert 100 * result.open_miou == pytest.approx(expected["open_miou"], abs=1e-9)
    assert result.gap == result.closed_miou - result.open_miou
    for fold, other, pictures in (("a", "b", 5), ("b", "a", 4)):
        figures = result.folds[fold]
        assert figures.pictures == pictures
        assert figures.threshold == pytest.approx(expected[f"threshold_{fold}_from_{other}"], abs=1e-6)
        assert 100 * figures.open_miou == pytest.approx(expected[f"open_miou_{fold}"], abs=1e-9)
        assert 100 * figures.anomaly_iou == pytest.approx(expected[f"anomaly_iou_{fold}"], abs=1e-9)


K = 3


def made_pictures(seed, folds, size=(11, 14)):
    """(score, predicted, labels, anomaly, fold) of small pictures that hold every kind of pixel."""
    rng = np.random.default_rng(seed)
    for fold in folds:
        kind = rng.choice(K + 2, size)  # K: anomaly, K + 1: ignored
        labels = np.where(kind < K, kind, 255).astype(np.uint8)
        anomaly = np.select([kind < K, kind == K], [0, 1], 255).astype(np.uint8)
        score = np.round(rng.standard_normal(size) + (kind == K), 1).astype(np.float32)
        predicted = np.where(rng.random(size) < 0.6, kind, rng.integers(0, K, size)) % K
        yield score, predicted.astype(np.uint8), labels, anomaly, fold


def measured(pictures, **options):
    metrics = OpenSetMetrics(K, **options)
    for picture in pictures:
        metrics.update(*picture)
    return metrics.compute()


def plain_threshold(pictures, shrink, tpr):
    scores, truths = [], []
    for score, _, _, anomaly, _ in pictures:
        maps = torch.tensor(score)[None, None]
        scores.append(F.interpolate(maps, scale_factor=shrink, mode="bilinear", align_corners=False).numpy())
        truths.append(F.interpolate(torch.tensor(anomaly)[None, None], scale_factor=shrink).numpy())
    score, truth = (np.concatenate([maps.ravel() for maps in kind]) for kind in (scores, truths))
    _, recall, thresholds = sklearn.roc_curve(truth[truth < 2], score[truth < 2])
    return thresholds[np.argmax(recall > tpr)]


def plain_ious(pictures, threshold):
    """IoU of each known class and of the anomaly, class by class over full maps."""
    hits, unions = np.zeros(K + 1), np.zeros(K + 1)
    for score, predicted, labels, anomaly, _ in pictures:
        truth = np.where(anomaly == 1, K, np.where(anomaly == 0, labels, 255))
        called = np.where(score > threshold, K, predicted)
        for k in range(K + 1):
            hits[k] += np.sum((called == k) & (truth == k))
            unions[k] += np.sum(((called == k) | (truth == k)) & (truth != 255))
    return hits / np.maximum(unions, 1)


@pytest.mark.parametrize("folds", ["ab", "aabab", "abcacb"])
@pytest.mark.parametrize(("shrink", "tpr"), [(0.5, 0.95), (1.0, 0.8)])
def test_any_number_of_folds_equals_the_plain_computation(folds, shrink, tpr):
    pictures = list(made_pictures(len(folds), folds))
    result = measured(pictures, shrink=shrink, tpr=tpr)
    expected = []
    for fold in dict.fromkeys(folds):
        own = [picture for picture in pictures if picture[-1] == fold]
        threshold = plain_threshold([p for p in pictures if p[-1] != fold], shrink, tpr)
        ious = plain_ious(own, threshold)
        assert result.folds[fold].threshold == threshold
        np.testing.assert_allclose(result.folds[fold].class_iou, ious, rtol=0, atol=1e-12)
        assert result.folds[fold].open_miou == pytest.approx(ious[:K].mean(), abs=1e-12)
        expected += [(ious[:K].mean(), ious[K])] * len(own)
    assert (result.open_miou, result.anomaly_iou) == pytest.approx(np.mean(expected, axis=0), abs=1e-12)
    known = [(*maps[:3], np.where(maps[3] == 0, 0, 255), maps[4]) for maps in pictures]
    assert result.closed_miou == pytest.approx(plain_ious(known, np.inf)[:K].mean(), abs=1e-12)


@pytest.mark.parametrize("rule", FPR_RULES)
def test_thresholds_follow_the_rule_from_all_other_folds_together(rule):
    pictures = list(made_pictures(1, "abc"))
    result = measured(pictures, shrink=1.0, tpr=0.8, fpr_rule=rule)
    scores, truths = (np.stack([picture[i] for picture in pictures[1:]]) for i in (0, 3))
    expected = fpr(count_operating_points(scores, truths), rule, 0.8)[1]
    assert result.folds["a"].threshold == expected


def test_figures_of_each_picture_add_up():
    folds = "abacb"
    pictures = list(made_pictures(2, folds))
    result = measured(pictures)
    assert result.each_fold == tuple(folds)
    for name, fold in result.folds.items():
        own = [matrix for matrix, of in zip(result.each_matrix, folds, strict=True) if of == name]
        np.testing.assert_array_equal(sum(own), fold.matrix)
    np.testing.assert_array_equal(result.each_closed_matrix.sum(axis=0), result.closed.matrix)
    for picture, matrix in zip(pictures, result.each_closed_matrix, strict=True):
        known = picture[3] == 0
        expected = sklearn.confusion_matrix(picture[2][known], picture[1][known], labels=range(K))
        np.testing.assert_array_equal(matrix, expected)


def with_confidence(pictures, seed=0):
    rng = np.random.default_rng(seed)
    return [(*picture, rng.beta(3, 1, picture[0].shape).astype(np.float32)) for picture in pictures]


def test_calibration_is_that_of_the_pixels_accepted_as_known():
    pictures = with_confidence(made_pictures(3, "abacb"))
    result = measured(pictures)
    plain = CalibrationMetrics()
    for score, predicted, labels, anomaly, fold, confidence in pictures:
        truth = np.where(anomaly == 1, K, np.where(anomaly == 0, labels, 255))
        accepted = (score <= result.folds[fold].threshold) & (truth != 255)
        plain.update(confidence, predicted == truth, accepted)
    expected, found = plain.compute(), result.calibration
    assert found.undefined is None
    np.testing.assert_array_equal(found.bin_pixels, expected.bin_pixels)
    np.testing.assert_array_equal(found.bin_accuracy, expected.bin_accuracy)
    np.testing.assert_allclose(found.bin_confidence, expected.bin_confidence, rtol=0, atol=1 / 131070)
    assert found.expected_error == pytest.approx(expected.expected_error, abs=1 / 131070)
    np.testing.assert_array_equal(found.each[:, :2], expected.each[:, :2])
    weights = resample(list("abcde"), 3)
    replicates = bootstrap_sums(found.each, weights, expected_calibration_error)
    assert replicates == pytest.approx(
        bootstrap_sums(expected.each, weights, expected_calibration_error), abs=1e-5
    )


def test_confidence_changes_no_other_figure():
    pictures = list(made_pictures(4, "abab"))
    without, with_it = measured(pictures), measured(with_confidence(pictures))
    np.testing.assert_array_equal(without.each_matrix, with_it.each_matrix)
    assert (without.open_miou, without.closed_miou) == (with_it.open_miou, with_it.closed_miou)
    assert without.calibration is None
    assert measured([*pictures[:2], *with_confidence(pictures[2:])]).calibration is None
    assert OpenSetMetrics(K).compute().calibration is None


def test_confidence_of_half_precision_is_that_of_its_values():
    half = [
        (*picture[:5], picture[5].astype(np.float16)) for picture in with_confidence(made_pictures(3, "ab"))
    ]
    single = [(*picture[:5], picture[5].astype(np.float32)) for picture in half]
    np.testing.assert_array_equal(measured(half).calibration.each, measured(single).calibration.each)


def test_calibration_without_thresholds_says_why():
    found = measured(with_confidence(made_pictures(5, "aa"))).calibration
    assert np.isnan(found.expected_error)
    assert found.undefined == "there is no other fold to take a threshold from"


def test_replicates_equal_the_folds_figures_of_repeated_pictures():
    folds = "abacbb"
    pictures = list(made_pictures(6, folds))
    result = measured(pictures)
    weights = resample(list("uvwxyz"), 40)
    found = bootstrap_open_set(result, weights)
    assert (weights[:, 3] == 0).any(), "some replicate must lack fold c"
    for number, row in enumerate(weights.astype(int)):
        drawn = [picture for picture, times in zip(pictures, row, strict=True) for _ in range(times)]
        expected = []
        for name, fold in result.folds.items():
            own = [picture for picture in drawn if picture[4] == name]
            if own:
                ious = plain_ious(own, fold.threshold)
                expected += [(ious[:K].mean(), ious[K])] * len(own)
        open_miou, anomaly_iou = np.mean(expected, axis=0)
        known = [(*maps[:3], np.where(maps[3] == 0, 0, 255), maps[4]) for maps in drawn]
        closed_miou = plain_ious(known, np.inf)[:K].mean()
        assert found["open_miou"][number] == pytest.approx(open_miou)
        assert found["anomaly_iou"][number] == pytest.approx(anomaly_iou)
        assert found["closed_miou"][number] == pytest.approx(closed_miou)
        assert found["gap"][number] == pytest.approx(closed_miou - open_miou)


def test_without_thresholds_only_the_closed_set_is_replicated():
    found = bootstrap_open_set(measured(made_pictures(7, "aa")), resample(["u", "v"], 10))
    assert np.isnan(found["open_miou"]).all()
    assert not np.isnan(found["closed_miou"]).any()


def test_closed_miou_leaves_anomalous_and_ignored_pixels_out():
    zeros = np.zeros((1, 4), np.float32)
    picture = zeros, np.array([[0, 1, 1, 1]]), np.array([[0, 1, 0, 0]]), np.array([[0, 0, 1, 255]]), "a"
    assert measured([picture], shrink=1.0).closed_miou == 1.0


def test_the_threshold_counts_what_it_ties_but_calls_only_what_exceeds_it():
    labels, classes = np.array([[255, 255, 0]]), np.zeros((1, 3), np.uint8)
    anomaly = np.array([[1, 1, 0]])
    setting = np.array([[2.0, 2.0, 0.0]], np.float32), classes, labels, anomaly, "sets"
    judged = np.array([[2.0, 3.0, 2.0]], np.float32), classes, labels, anomaly, "judged"
    fold = measured([setting, judged], shrink=1.0).folds["judged"]
    assert fold.threshold == 2.0
    assert fold.matrix.tolist() == [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1]]
    assert (fold.anomaly_iou, fold.open_miou) == (0.5, 0.5)


def test_a_threshold_from_float64_scores_is_not_rounded_to_those_it_judges():
    labels, classes, anomaly = np.array([[255, 0]]), np.zeros((1, 2), np.uint8), np.array([[1, 0]])
    below = 1.0 - 1e-12  # 1 in float32
    setting = np.array([[below, 0.0]]), classes, labels, anomaly, "sets"
    for dtype in (np.float16, np.float32):
        judged = np.array([[1.0, 0.0]], dtype), classes, labels, anomaly, "judged"
        fold = measured([setting, judged], shrink=1.0).folds["judged"]
        assert (fold.threshold, fold.matrix[K, K]) == (below, 1)
        judged[0][0, 0] = np.nextafter(dtype(1), dtype(0))
        assert measured([setting, judged], shrink=1.0).folds["judged"].matrix[K, K] == 0


@pytest.mark.parametrize("shrink", [0.5, 1.0])
def test_infinite_scores_are_the_highest(shrink):
    pictures = list(made_pictures(9, "ab", (12, 14)))
    finite = [(np.where(s == s.max(), 1e9, s), *rest) for s, *rest in pictures]
    infinite = [(np.where(s == s.max(), np.inf, s), *rest) for s, *rest in pictures]
    one, two = (measured(maps, shrink=shrink, tpr=0.5) for maps in (finite, infinite))
    np.testing.assert_array_equal(one.each_matrix, two.each_matrix)


@pytest.mark.parametrize(
    "way", [lambda a: a[::-1, ::-1], np.asfortranarray, np.asarray], ids=["reversed", "F", "C"]
)
def test_maps_may_lie_in_memory_in_any_way(way):
    pictures = list(made_pictures(10, "ab", (12, 14)))
    laid = [(*map(way, maps), fold) for *maps, fold in pictures]
    for picture in laid:
        for array in picture[:4]:
            array.flags.writeable = False
    copied = [(*(array.copy("C") for array in maps), fold) for *maps, fold in laid]
    np.testing.assert_array_equal(measured(laid).each_matrix, measured(copied).each_matrix)


def test_merged_parts_equal_the_whole():
    pictures = list(made_pictures(7, "aabab"))
    first, second = OpenSetMetrics(K), OpenSetMetrics(K)
    for picture in pictures[:2]:
        first.update(*picture)
    for picture in pictures[2:]:
        second.update(*picture)
    first.merge(second)
    merged, whole = first.compute(), measured(pictures)
    assert (merged.open_miou, merged.anomaly_iou, merged.gap) == (
        whole.open_miou,
        whole.anomaly_iou,
        whole.gap,
    )
    assert [fold.pictures for fold in merged.folds.values()] == [3, 2]


def test_a_batch_equals_its_pictures_one_by_one():
    pictures = list(made_pictures(8, "aab"))
    metrics = OpenSetMetrics(K)
    metrics.update(*(torch.tensor(np.stack(maps)) for maps in list(zip(*pictures[:2], strict=True))[:4]), "a")
    metrics.update(*pictures[2])
    assert metrics.compute().open_miou == measured(pictures).open_miou


def test_one_fold_alone_has_no_threshold_and_says_so():
    result = measured(made_pictures(0, "aa"))
    assert np.isnan([result.open_miou, result.anomaly_iou, result.gap, result.folds["a"].threshold]).all()
    assert result.undefined == "fold 'a': there is no other fold to take a threshold from"
    assert result.closed_miou > 0
    assert OpenSetMetrics(K).compute().undefined == "no picture"


def test_folds_without_anomaly_give_no_threshold_and_say_so():
    a, b = made_pictures(0, "ab")
    b[3][b[3] == 1] = 255
    result = measured([a, b])
    assert result.folds["a"].undefined.startswith("no threshold from the other folds: no anomalous pixel")
    assert np.isnan(result.open_miou)
    assert result.folds["b"].open_miou > 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({0: np.full((2, 2), np.nan)}, "score is NaN at 4 pixels"),
        ({1: np.full((2, 2), K)}, "predicted: classes 3 to 3 where 0 to 2 are expected"),
        ({2: np.full((2, 2), K)}, "labels: classes 3 to 3 where 0 to 2 are expected"),
        ({3: np.full((2, 2), 7)}, r"anomaly holds \[7\]"),
        ({3: np.zeros((2, 1))}, "shapes differ: .* anomaly"),
        ({5: np.full((2, 2), 1.5)}, r"confidence from 1.5 to 1.5: expected numbers in \[0, 1\]"),
        ({5: np.zeros((2, 1))}, "shapes differ: .* confidence"),
    ],
)
def test_bad_input_is_one_clear_line_and_adds_nothing(changed, message):
    maps = [np.zeros((2, 2)), *np.zeros((3, 2, 2), np.uint8)]
    metrics = OpenSetMetrics(K)
    with pytest.raises(OddscapeError, match=message):
        metrics.update(*(changed.get(i, values) for i, values in enumerate(maps)), "a", changed.get(5))
    assert not metrics.compute().folds


def test_other_settings_do_not_merge():
    with pytest.raises(
        OddscapeError, match=r"cannot merge .* \(3, 0.9, 0.5, 'nearest'\) into \(3, 0.95, 0.5, '"
    ):
        OpenSetMetrics(3).merge(OpenSetMetrics(3, tpr=0.9, fpr_rule="nearest"))
    with pytest.raises(OddscapeError, match="unknown FPR rule 'last': expected one of"):
        OpenSetMetrics(3, fpr_rule="last")

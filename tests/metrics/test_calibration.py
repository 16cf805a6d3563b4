"""Calibration against a plain loop over bins and torchmetrics."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oddscape.errors import OddscapeError
from oddscape.metrics.bootstrap import bootstrap_sums
from oddscape.metrics.calibration import CalibrationMetrics, expected_calibration_error


def made_maps(seed, pictures=3, size=(20, 30), dtype=np.float32):
    rng = np.random.default_rng(seed)
    confidence = rng.beta(4, 1, (pictures, *size)).astype(dtype)
    correct = rng.random(confidence.shape) < confidence**2
    return confidence, correct, rng.random(confidence.shape) < 0.9


def measured(*maps, bins=15):
    metrics = CalibrationMetrics(bins)
    metrics.update(*maps)
    return metrics.compute()


@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.sampled_from([np.float16, np.float32, np.float64]))
def test_figures_follow_their_definitions(seed, bins, dtype):
    confidence, correct, counted = made_maps(seed, dtype=dtype)
    result = measured(confidence, correct, counted, bins=bins)
    gaps, shares = [], []
    for number in range(bins):
        low, high = result.edges[number : number + 2]
        own = counted & (confidence.astype(float) > low) & (confidence.astype(float) <= high)
        assert result.bin_pixels[number] == own.sum()
        if own.any():
            assert result.bin_accuracy[number] == pytest.approx(correct[own].mean())
            assert result.bin_confidence[number] == pytest.approx(confidence[own].mean(dtype=float))
            gaps.append(abs(correct[own].mean() - confidence[own].mean(dtype=float)))
            shares.append(own.sum() / counted.sum())
        else:
            assert np.isnan([result.bin_accuracy[number], result.bin_confidence[number]]).all()
    assert result.expected_error == pytest.approx(np.dot(gaps, shares))
    assert result.maximum_error == pytest.approx(max(gaps))
    assert result.accuracy == pytest.approx(correct[counted].mean())
    assert result.confidence == pytest.approx(confidence[counted].mean(dtype=float))


@pytest.mark.parametrize("bins", [10, 15])
def test_torchmetrics_agrees(bins):
    reference = pytest.importorskip(
        "torchmetrics.functional.classification", reason="torchmetrics is not installed"
    ).multiclass_calibration_error
    rng = np.random.default_rng(0)
    posterior = torch.tensor(rng.dirichlet([0.3] * 5, 2000), dtype=torch.float32)
    labels = torch.tensor(rng.integers(0, 5, 2000))
    labels[::2] = posterior[::2].argmax(1)
    confidence, predicted = posterior.max(1)
    result = measured(confidence[None], (predicted == labels)[None], torch.ones(1, 2000), bins=bins)
    for norm, found in (("l1", result.expected_error), ("max", result.maximum_error)):
        expected = reference(posterior, labels, num_classes=5, n_bins=bins, norm=norm).item()
        assert found == pytest.approx(expected, abs=1e-5)


def test_a_bin_holds_its_upper_edge():
    confidence = np.array([[0.0, 0.25, 0.5, 0.75, 1.0]])
    result = measured(confidence, np.ones((1, 5)), np.ones((1, 5)), bins=4)
    assert result.bin_pixels.tolist() == [2, 1, 1, 1]


def test_pixels_that_do_not_count_never_matter():
    confidence, correct, counted = made_maps(1)
    changed = np.where(counted, confidence, np.nan)
    result = measured(changed, np.where(counted, correct, ~correct), counted)
    assert result.expected_error == measured(confidence, correct, counted).expected_error


def test_merged_parts_equal_the_whole():
    maps = made_maps(2)
    first, second = CalibrationMetrics(), CalibrationMetrics()
    first.update(*(values[0] for values in maps))
    second.update(*(torch.tensor(values[1:]) for values in maps))
    first.merge(second)
    merged, whole = first.compute(), measured(*maps)
    np.testing.assert_array_equal(merged.each, whole.each)
    assert merged.expected_error == whole.expected_error
    with pytest.raises(OddscapeError, match="cannot merge 10 bins of confidence into 15"):
        first.merge(CalibrationMetrics(10))


def test_counts_of_pictures_give_the_error_of_any_choice_of_them():
    maps = made_maps(3)
    result = measured(*maps)
    weights = np.array([[1, 1, 1], [0, 2, 1], [0, 0, 0]])
    found = bootstrap_sums(result.each, weights, expected_calibration_error)
    twice = measured(*(values[[1, 1, 2]] for values in maps))
    np.testing.assert_allclose(found, [result.expected_error, twice.expected_error, np.nan])


def test_no_pixel_gives_no_figure_and_says_so():
    confidence, correct, counted = made_maps(4)
    for result in (CalibrationMetrics().compute(), measured(confidence, correct, np.zeros_like(counted))):
        assert result.undefined == "no pixel counts"
        figures = (result.expected_error, result.maximum_error, result.accuracy, result.confidence)
        assert np.isnan(figures).all()


@pytest.mark.parametrize(
    ("confidence", "message"),
    [
        ([[0.5, 1.5]], r"confidence from 0.5 to 1.5: expected numbers in \[0, 1\]"),
        ([[-0.5, 0.5]], "confidence from -0.5 to 0.5"),
        ([[np.nan, 0.5]], "confidence from nan to nan"),
        ([[0.5]], r"shapes differ: confidence \(1, 1, 1\), correct \(1, 1, 2\)"),
    ],
)
def test_bad_input_is_one_clear_line_and_adds_nothing(confidence, message):
    metrics = CalibrationMetrics()
    with pytest.raises(OddscapeError, match=message):
        metrics.update(np.array(confidence), np.ones((1, 2), bool), np.ones((1, 2), bool))
    assert metrics.compute().each.shape == (0, 3, 15)

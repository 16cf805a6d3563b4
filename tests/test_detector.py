"""One object for people with a picture."""

import numpy as np
import pytest
import torch
from PIL import Image

from oddscape.data.tensors import to_tensor
from oddscape.detector import Detector, Prediction
from oddscape.errors import OddscapeError
from oddscape.labels import ANOMALY_COLOUR, CITYSCAPES, label_space_of
from oddscape.regions import RegionRules, anomaly_mask, find_regions
from oddscape.scores import SCORES


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)


def test_path_pillow_picture_and_array_are_alike(tiny_network, image, tmp_path):
    Image.fromarray(image).save(tmp_path / "street.png")
    detector = Detector(tiny_network(5), "energy", threshold=0.0)
    given = (tmp_path / "street.png", str(tmp_path / "street.png"), Image.fromarray(image), image)
    predictions = [detector.predict(picture) for picture in given]
    for prediction in predictions:
        np.testing.assert_array_equal(prediction.image, image)
        np.testing.assert_array_equal(prediction.score, predictions[0].score)
        np.testing.assert_array_equal(prediction.classes, predictions[0].classes)


def test_a_picture_with_transparency_loses_it(tiny_network, image):
    transparent = Image.fromarray(image).convert("RGBA")
    np.testing.assert_array_equal(Detector(tiny_network(5)).predict(transparent).image, image)


@torch.inference_mode()
def test_maps_are_those_of_the_plain_computation(tiny_network, image):
    net = tiny_network(5)
    prediction = Detector(net, "msp").predict(image)
    out = net(to_tensor(image))
    assert (prediction.classes.dtype, prediction.score.dtype) == (np.uint8, np.float32)
    np.testing.assert_array_equal(prediction.classes, out.logits.argmax(1)[0])
    np.testing.assert_allclose(prediction.score, SCORES["msp"](out)[0], atol=1e-6)


def test_maps_have_the_pictures_size_whatever_the_network_sees(tiny_network, image):
    prediction = Detector(tiny_network(5), size=(64, 64)).predict(image)
    assert prediction.score.shape == prediction.classes.shape == (32, 48)


def test_the_shorter_side_of_pictures_of_any_shape(tiny_network, image):
    by_side, net = Detector(tiny_network(5), size=24), tiny_network(5)
    for picture, size in ((image, (24, 36)), (image.transpose(1, 0, 2), (36, 24)), (image[:, :32], (24, 24))):
        expected = Detector(net, size=size).predict(picture)
        np.testing.assert_array_equal(by_side.predict(picture).score, expected.score)


def test_the_one_that_comes_with_oddscape(street_lite, image):
    detector = Detector.shipped()
    assert (detector.size, detector.threshold, detector.score.name) == (64, 0.5, "densehybrid")
    assert detector.label_space.classes[3] == "road"
    assert detector.predict(image).open_set.max() <= 11
    street_lite.unlink()
    with pytest.raises(
        OddscapeError, match=r"street-lite, which comes with Oddscape, is missing: no .*; give"
    ):
        Detector.shipped()


def test_the_network_is_put_into_evaluation_mode(tiny_network):
    net = tiny_network(5).train()
    Detector(net)
    assert not net.training


@pytest.fixture
def prediction():
    """One row: below, at and above the threshold."""
    return Prediction(
        image=np.full((1, 3, 3), 100, np.uint8),
        classes=np.array([[0, 1, 2]], np.uint8),
        score=np.array([[0.25, 0.5, 0.75]], np.float32),
        threshold=0.5,
        label_space=label_space_of(3),
    )


def test_only_what_exceeds_the_threshold_is_anomalous(prediction):
    assert prediction.anomaly.tolist() == [[False, False, True]]
    assert prediction.open_set.tolist() == [[0, 1, 3]]
    assert prediction.open_set.dtype == np.uint8


def test_the_overlay_blends_the_open_set_result_over_the_picture(prediction):
    assert np.array(prediction.overlay(1.0))[0, 2].tolist() == list(ANOMALY_COLOUR)
    assert np.array(prediction.overlay(1.0))[0, 1].tolist() == list(prediction.label_space.colours[1])
    assert np.array(prediction.overlay(0.0)).tolist() == prediction.image.tolist()
    half = np.array(prediction.overlay())[0, 2]
    np.testing.assert_allclose(half, (100 + np.array(ANOMALY_COLOUR)) / 2, atol=1)


def test_the_overlay_has_a_box_around_each_region_where_asked_for():
    score = np.zeros((60, 80), np.float32)
    score[30:40, 20:50] = 2.5
    grey = np.full((60, 80, 3), 100, np.uint8)
    prediction = Prediction(grey, np.zeros((60, 80), np.uint8), score, 1.0, label_space_of(3))
    plain, boxed = (np.array(prediction.overlay(0.0, boxes=boxes)) for boxes in (False, True))
    np.testing.assert_array_equal(plain, grey)
    drawn = (boxed == ANOMALY_COLOUR).all(2)
    assert drawn[29, 19:51].all()
    assert drawn[40, 19:51].all()
    assert drawn[29:41, 19].all()
    assert drawn[29:41, 50].all()
    assert not drawn[30:40, 20:50].any()
    assert (boxed[15:28] != grey[15:28]).any()  # the mean score above it


def test_rules_for_regions_go_into_all_decisions(tiny_network, image):
    rules = RegionRules(min_region=6, low=-1.55)
    plain = Detector(tiny_network(5), threshold=-1.5)
    ruled = plain.deciding_by(-1.5, rules)
    prediction = ruled.predict(image)
    expected = anomaly_mask(prediction.score, -1.5, rules)
    assert (expected != plain.predict(image).anomaly).any()
    np.testing.assert_array_equal(prediction.anomaly, expected)
    np.testing.assert_array_equal(prediction.open_set == 5, expected)
    assert prediction.regions == find_regions(prediction.score, expected)
    assert (plain.rules, Detector(plain.net, threshold=0.0, rules=rules).rules) == (RegionRules(), rules)


@pytest.mark.parametrize(
    ("threshold", "rules", "message"),
    [
        (None, RegionRules(2), r"rules for regions \(regions ≥ 2 px\) need a threshold"),
        (1.0, RegionRules(low=2.0), "low threshold of hysteresis, 2, is above the threshold, 1"),
    ],
)
def test_rules_that_the_threshold_does_not_allow(tiny_network, threshold, rules, message):
    with pytest.raises(OddscapeError, match=message):
        Detector(tiny_network(5), threshold=threshold, rules=rules)
    with pytest.raises(OddscapeError, match=message):
        Detector(tiny_network(5), threshold=0.0).deciding_by(threshold, rules)


def test_several_pictures_at_once(tiny_network, image):
    detector = Detector(tiny_network(5), threshold=0.0, size=24)
    images = [image, image[::-1].copy(), 255 - image]
    for one, picture in zip(detector.predict_batch(images), images, strict=True):
        alone = detector.predict(picture)
        np.testing.assert_array_equal(one.image, picture)
        np.testing.assert_allclose(one.score, alone.score, atol=1e-5)
        np.testing.assert_array_equal(one.classes, alone.classes)
    for wrong in ([], [image, image[:16]]):
        with pytest.raises(OddscapeError, match="expected pictures of one size"):
            detector.predict_batch(wrong)


def test_the_fingerprint_is_that_of_what_predictions_depend_on(tiny_network):
    detector = Detector(tiny_network(5), "msp", 0.5)
    assert detector.fingerprint == Detector(tiny_network(5), "msp", 0.5).fingerprint
    others = [
        Detector(tiny_network(5), "energy", 0.5),
        Detector(tiny_network(5), "msp@temperature=2", 0.5),
        Detector(tiny_network(5), "msp", 0.6),
        Detector(tiny_network(5), "msp", 0.5, size=24),
        detector.deciding_by(0.5, RegionRules(2)),
        Detector(tiny_network(5), "msp+smoothing", 0.5),
    ]
    torch.nn.init.zeros_(others[-1].net.classifier.bias)
    others.append(Detector(others[-1].net, "msp", 0.5))
    assert len({detector.fingerprint, *(other.fingerprint for other in others)}) == 1 + len(others)


def test_without_a_threshold_there_is_no_decision_and_the_overlay_shows_classes(tiny_network, image):
    prediction = Detector(tiny_network(5)).predict(image)
    for decision in ("anomaly", "open_set", "regions"):
        with pytest.raises(
            OddscapeError, match=r"no threshold: make it with Detector\(net, score=…, threshold"
        ):
            getattr(prediction, decision)
    painted = prediction.label_space.paint(prediction.classes)
    np.testing.assert_array_equal(prediction.overlay(1.0), painted)


def test_nineteen_classes_are_cityscapes(tiny_network):
    assert Detector(tiny_network(19)).label_space is CITYSCAPES
    assert Detector(tiny_network(5)).label_space.classes[4] == "class 4"


def test_a_label_space_of_other_classes_is_refused(tiny_network):
    with pytest.raises(OddscapeError, match=r"^the network knows 5 classes, the label space names 19$"):
        Detector(tiny_network(5), label_space=CITYSCAPES)


@pytest.mark.parametrize(
    ("score", "message"),
    [("void", "score 'void' needs void_logits"), ("enegry", "unknown score 'enegry'; known: ")],
)
def test_a_score_that_cannot_be_had_fails_at_once(tiny_network, score, message):
    with pytest.raises(OddscapeError, match=message):
        Detector(tiny_network(5), score)


def test_a_score_of_ones_own(tiny_network, image):
    energy = SCORES["energy"]
    prediction = Detector(tiny_network(5), energy).predict(image)
    np.testing.assert_array_equal(prediction.score, Detector(tiny_network(5), "energy").predict(image).score)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        ("nowhere.png", "no such file"),
        (np.zeros((4, 4), np.uint8), r"expected a picture uint8 \[H, W, 3\], not uint8 \[4, 4\]"),
        (np.zeros((4, 4, 3), np.float32), "not float32"),
    ],
)
def test_what_is_no_picture_is_refused(tiny_network, picture, message):
    with pytest.raises(OddscapeError, match=message):
        Detector(tiny_network(5)).predict(picture)


def test_a_network_of_nan_says_so(tiny_network, image, tmp_path):
    net = tiny_network(4)
    torch.nn.init.constant_(net.classifier.bias, torch.nan)
    file = tmp_path / "street.png"
    Image.fromarray(image).save(file)
    with pytest.raises(OddscapeError, match=r"street\.png: the score 'energy' of this network is not"):
        Detector(net).predict(file)

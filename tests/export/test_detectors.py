"""Whole detectors as files: they say what the detector says, at any size."""

import json

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from oddscape.detector import Detector
from oddscape.errors import OddscapeError
from oddscape.export import export_detector
from oddscape.export.detectors import METADATA, DetectorGraph
from oddscape.export.parity import compare_classes, compare_maps
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.regions import RegionRules
from oddscape.sizes import seen_size

THRESHOLD = -2.75
SIZES = [(54, 81), (40, 33)]


def picture(size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def agrees(prediction, classes, score, anomaly):
    # A value of a resized picture may be a grey level away.
    assert np.mean(classes != prediction.classes) < 0.01
    np.testing.assert_allclose(score, prediction.score, atol=0.05 * prediction.score.std())
    assert np.mean(np.abs(score - prediction.score) > 1e-3) < 0.2
    np.testing.assert_array_equal(anomaly, score > np.float32(prediction.threshold))
    assert 0 < anomaly.mean() < 1


@pytest.mark.parametrize("size", [(64, 96), (120, 90), (27, 27), (31, 200)])
def test_an_onnx_file_predicts_what_the_detector_does(detector, exported, size):
    session = onnxruntime.InferenceSession(exported)
    (image,) = session.get_inputs()
    assert (image.name, image.type, image.shape) == (
        "image",
        "tensor(uint8)",
        ["batch", "height", "width", 3],
    )
    batch = np.stack([picture(size), picture(size, seed=1)])
    classes, score, anomaly = session.run(["classes", "score", "anomaly"], {"image": batch})
    assert (classes.dtype, score.dtype, anomaly.dtype) == (np.uint8, np.float32, np.bool_)
    for number in range(2):
        agrees(detector.predict(batch[number]), classes[number], score[number], anomaly[number])


def test_its_metadata_say_what_one_needs_to_know(detector, exported):
    said = onnxruntime.InferenceSession(exported).get_modelmeta().custom_metadata_map
    assert json.loads(said["classes"]) == list(detector.label_space.classes)
    assert json.loads(said["colours"]) == [list(colour) for colour in detector.label_space.colours]
    assert (said["score"], said["size"], said["precision"]) == ("densehybrid", "27", "float32")
    assert (float(said["threshold"]), said["threshold_input"]) == (THRESHOLD, "false")
    assert said["licence"] == "for tests"


def test_a_program_with_the_threshold_as_an_input(detector, tmp_path):
    path = tmp_path / "detector.pt2"
    detector = Detector(detector.net, detector.score, detector.threshold)
    export_detector(detector, path, threshold_input=True, sizes=SIZES)
    extra = {METADATA: ""}
    program = torch.export.load(path, extra_files=extra).module()
    image = picture((66, 50))
    for threshold in (THRESHOLD, -2.8):
        with torch.no_grad():
            maps = program(torch.from_numpy(image)[None], torch.tensor([threshold]))
        wanted = detector.deciding_by(threshold).predict(image)
        agrees(wanted, *(maps[name][0].numpy() for name in ("classes", "score", "anomaly")))
    assert json.loads(extra[METADATA])["threshold_input"] == "true"


def test_without_a_threshold_there_are_classes_and_a_score(detector):
    graph = DetectorGraph(detector.deciding_by(None))
    assert list(graph(torch.zeros(1, 20, 30, 3, dtype=torch.uint8))) == ["classes", "score"]


def test_rules_for_regions_are_not_in_the_graph(detector):
    image = torch.from_numpy(picture((40, 50)))[None]
    ruled = DetectorGraph(detector.deciding_by(THRESHOLD, RegionRules(min_region=9)))(image)
    assert torch.equal(ruled["anomaly"], ruled["score"] > THRESHOLD)


class Turncoat(nn.Module):
    """A network whose logits are others at widths above 90."""

    def __init__(self):
        super().__init__()
        self.classifier = nn.Conv2d(3, 4, 1)

    def forward(self, image):
        logits = self.classifier(image)
        narrow = torch.clamp(torch.scalar_tensor(91 - image.shape[-1]), 0, 1)
        exported = 1 if not torch.compiler.is_exporting() else narrow
        return DenseOutput(NativeMaps(logits * exported), (image.shape[-2], image.shape[-1]))


def test_a_file_that_disagrees_is_not_written(tmp_path):
    path = tmp_path / "detector.pt2"
    path.write_text("as before")
    with pytest.raises(OddscapeError, match=r"^the file, at 130×40, gives classes that differ .* pixels$"):
        export_detector(Detector(Turncoat(), "energy"), path, sizes=[(40, 60), (50, 40), (40, 130)])
    assert [file.read_text() for file in tmp_path.iterdir()] == ["as before"]


def test_classes_may_differ_where_two_logits_are_as_good_as_equal():
    logits = torch.tensor([[1.0, 5.0], [1.0 + 1e-5, -5.0]])[None, :, None]
    for first in (0, 1):
        compare_classes(torch.tensor([[[first, 0]]]), logits, "classes")
    with pytest.raises(OddscapeError, match=r"^classes that differ from the network's at 1 of 2 pixels$"):
        compare_classes(torch.tensor([[[0, 1]]]), logits, "classes")
    with pytest.raises(OddscapeError, match=r"of shape \[1, 2\]"):
        compare_classes(torch.tensor([[0, 1]]), logits, "classes")


def without_averaging(image, asked):
    """Resized as Pillow does it where it enlarges; where it shrinks, values are left out."""
    planes = image.permute(0, 3, 1, 2).float()
    height, width = seen_size(image.shape[1:3], asked)
    return F.interpolate(planes, (height, width), mode="bilinear").add(0.5).floor() / 255


def test_a_file_that_resizes_otherwise_than_predict_is_not_written(detector, tmp_path, monkeypatch):
    monkeypatch.setattr("oddscape.export.detectors.seen_by_network", without_averaging)
    fixed = Detector(detector.net, "densehybrid", THRESHOLD, size=(27, 40))
    with pytest.raises(OddscapeError, match=r"^the file, at 80×27, gives classes that differ .* pixels$"):
        export_detector(fixed, tmp_path / "detector.pt2", sizes=[(20, 30)])
    assert not any(tmp_path.iterdir())


def test_a_detector_whose_scores_are_no_numbers_is_refused_for_that(tmp_path):
    net = Turncoat()
    with torch.no_grad():
        net.classifier.bias.fill_(torch.nan)
    with pytest.raises(OddscapeError, match=r"^the score 'energy' of this network is not a number \(NaN\)$"):
        export_detector(Detector(net, "energy"), tmp_path / "detector.pt2", sizes=[(20, 30)])


def test_maps_that_are_not_finite_cannot_be_compared():
    infinite = torch.tensor([[[1.0, torch.inf]]])
    with pytest.raises(OddscapeError, match=r"^a score that cannot be compared: the network's own holds NaN"):
        compare_maps(infinite, infinite, "a score")


def test_what_predict_refuses_to_enlarge_a_file_enlarges_and_its_metadata_say_so(detector, exported):
    session = onnxruntime.InferenceSession(exported)
    assert session.get_modelmeta().custom_metadata_map["most_elongated"] == "32"
    narrow = picture((2, 70))
    with pytest.raises(OddscapeError, match="too narrow"):
        detector.predict(narrow)
    assert session.run(["score"], {"image": narrow[None]})[0].shape == (1, 2, 70)

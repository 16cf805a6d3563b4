"""What cannot be exported is refused in one line, and what can is not."""

import pytest
import torch
from torch import nn

from oddscape.detector import Detector
from oddscape.errors import OddscapeError
from oddscape.export import export_detector
from oddscape.export.conversion import traced
from oddscape.export.detectors import DetectorGraph
from oddscape.export.exportable import require_exportable
from oddscape.models import probe
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.scores import FITTED
from oddscape.wrappers.mc_dropout import mc_dropout
from oddscape.wrappers.multi_scale import MultiScaleFlip
from oddscape.wrappers.odin import odin
from oddscape.wrappers.windows import SlidingWindows


class Network(nn.Module):
    """One convolution; its maps are logits and features."""

    def __init__(self, classes=3):
        super().__init__()
        torch.manual_seed(0)
        self.dropout, self.classifier = nn.Dropout(0.5), nn.Conv2d(3, classes, 3, stride=2, padding=1)

    def forward(self, image):
        logits = self.dropout(self.classifier(image))
        return DenseOutput(NativeMaps(logits, features=logits), (image.shape[-2], image.shape[-1]))


def fitted(name):
    """A detector whose score has learnt from noise."""
    net = Network().eval()
    statistics = FITTED[name].function(probe(net))
    with torch.no_grad():
        statistics.update(net(torch.rand(2, 3, 32, 48)))
    return Detector(net, FITTED[name].score(statistics.fit()))


@pytest.mark.parametrize(
    ("wrapped", "message"),
    [
        (lambda net: odin(net, 0.001, 1000), "ODIN, epsilon 0.001, temperature 1000, takes gradients"),
        (lambda net: mc_dropout(net, 2, seed=0), "MC dropout, 2 passes, seed 0, draws by chance"),
        (lambda net: SlidingWindows(net, (64, 64)), "windows of 64×64 overlapping by 25 %: how many"),
        (lambda net: MultiScaleFlip(net, (0.5, 1)), "mean over scales 0.5, 1 and mirror images: no exported"),
        (lambda net: MultiScaleFlip(net, (0.75,), flip=False), "mean over scales 0.75: no exported graph"),
    ],
)
@pytest.mark.parametrize("ending", [".onnx", ".pt2"])
def test_wrappers_that_no_graph_can_carry_are_named_with_what_to_do_instead(
    wrapped, message, ending, tmp_path
):
    wrapped = Detector(wrapped(Network().eval()), "energy")
    with pytest.raises(OddscapeError) as caught:
        export_detector(wrapped, tmp_path / f"x{ending}")
    assert str(caught.value).startswith(message)
    assert ": export " in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not any(tmp_path.iterdir())


def test_neighbours_are_refused_and_every_other_fitted_score_is_exported(tmp_path):
    with pytest.raises(OddscapeError, match=r"^knn compares .* such as mahalanobis or gmm, and choose its"):
        require_exportable(fitted("knn"), tmp_path / "x.onnx")
    for name in FITTED.keys() - {"knn"}:
        graph = DetectorGraph(detector := fitted(name))
        require_exportable(detector, tmp_path / "x.onnx")
        with torch.no_grad():
            image = torch.randint(0, 256, (2, 32, 48, 3), dtype=torch.uint8)
            program = traced(graph, (image,), [(0, 1, 2)], name).module()
            other = torch.randint(0, 256, (3, 40, 30, 3), dtype=torch.uint8)
            torch.testing.assert_close(program(other)["score"], graph(other)["score"])


@pytest.mark.parametrize("wrapped", [MultiScaleFlip, lambda net: odin(net, 0, 1000)])
def test_mirror_images_and_a_temperature_are_no_hindrance(wrapped, tmp_path):
    require_exportable(Detector(wrapped(Network().eval()), "energy"), tmp_path / "x.onnx")


def test_a_class_map_has_room_for_255_classes(tmp_path):
    require_exportable(Detector(Network(255), "energy"), tmp_path / "x.onnx")
    many = Detector(Network(256), "energy")
    message = r"^the network knows 256 classes; a class map, uint8 with 255 for ignored, holds 255 at most$"
    with pytest.raises(OddscapeError, match=message):
        require_exportable(many, tmp_path / "x.onnx")
    with pytest.raises(OddscapeError, match=message):
        many.predict(torch.zeros(8, 8, 3, dtype=torch.uint8).numpy())


def test_what_and_where_is_checked_first(tmp_path):
    detector = Detector(Network(), "energy")
    with pytest.raises(OddscapeError, match=r"x\.tflite: expected a file that ends in \.onnx or \.pt2"):
        require_exportable(detector, tmp_path / "x.tflite")
    (tmp_path / "x.onnx").mkdir()
    with pytest.raises(OddscapeError, match=r"x\.onnx is a folder"):
        require_exportable(detector, tmp_path / "x.onnx")
    detector.net.double()
    with pytest.raises(OddscapeError, match=r"^the network is in float64; .* detector\.net\.float\(\)$"):
        require_exportable(detector, tmp_path / "x.pt2")
    detector.net.float().to("meta")
    with pytest.raises(OddscapeError, match=r"^the detector is on meta; .* detector\.net\.cpu\(\)$"):
        require_exportable(detector, tmp_path / "x.pt2")

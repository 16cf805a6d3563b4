"""A small detector and its files, made once for all tests of exports."""

import pytest
import torch
from torch import nn

from oddscape.detector import Detector
from oddscape.export import export_detector
from oddscape.models.adapters import wrap
from oddscape.models.outlier_head import with_outlier_head


def small_network():
    """Three convolutions with an outlier head."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()]
    net = nn.Sequential(*layers, nn.Conv2d(8, 6, 3, stride=2, padding=1))
    with torch.no_grad():
        for weight in net.parameters():
            weight.mul_(2)  # so that scores differ from pixel to pixel
    return with_outlier_head(wrap(net, features="3", normalise=([0.5] * 3, [0.2] * 3)), on="net.3").eval()


@pytest.fixture(scope="session")
def detector():
    """Its network sees pictures with a shorter side of 27, so that 96×64 ones end at a half."""
    net = small_network()
    return Detector(net, "densehybrid", threshold=-2.75, size=27)


@pytest.fixture(scope="session")
def exported(detector, tmp_path_factory):
    """The detector as an ONNX file."""
    path = tmp_path_factory.mktemp("exported") / "detector.onnx"
    export_detector(detector, path, about={"licence": "for tests"})
    return path

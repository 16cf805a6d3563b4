"""What tells one mining from another."""

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch import nn

from oddscape.detector import Detector
from oddscape.errors import OddscapeError
from oddscape.fitting import fit_scores
from oddscape.mining.settings import MiningSettings
from oddscape.models import create_model
from oddscape.regions import RegionRules
from oddscape.scenes import Scene
from oddscape.wrappers.windows import SlidingWindows


def test_settings_come_back_from_json(detector):
    settings = MiningSettings.of(detector, [Path("drives"), Path("list.txt")])
    assert settings.pictures == ("drives", "list.txt")
    assert MiningSettings.from_json(json.loads(json.dumps(asdict(settings)))) == settings


def test_names_that_are_no_text_are_told_as_text(detector):
    assert MiningSettings.of(detector, [Path(os.fsdecode(b"odd\xff"))]).pictures == ("odd\\xff",)


def test_the_same_detector_has_the_same_settings_and_others_have_others(tiny_network):
    def of(net=None, score="energy", threshold=-3.0, **options):
        made = Detector(net or tiny_network(5), score, threshold, **options)
        return MiningSettings.of(made, [Path("drives")])

    moved = tiny_network(5)
    with torch.no_grad():
        moved.classifier.bias[0] += 1e-3
    ours = of()
    assert of() == ours
    for field, other in {
        "detector": of(moved),
        "wrappers": of(SlidingWindows(tiny_network(5), (64, 64))),
        "score": of(score="msp"),
        "threshold": of(threshold=-2.0),
        "size": of(size=16),
        "regions": of(rules=RegionRules(min_region=5)),
    }.items():
        with pytest.raises(OddscapeError, match=rf"^mined was begun with {field} .+, not .+another --out$"):
            ours.require(other, "mined")


def test_detectors_are_told_apart_as_predict_does(tiny_network):
    net, other = tiny_network(5), tiny_network(5)
    other.classifier = type("OtherLayer", (nn.Conv2d,), {})(3, 5, 1)
    other.load_state_dict(net.state_dict())  # the same names, shapes and numbers
    detectors = [Detector(it, "energy", -3.0) for it in (net, other)]
    settings = [MiningSettings.of(detector, []) for detector in detectors]
    assert [it.detector for it in settings] == [it.fingerprint for it in detectors]
    with pytest.raises(OddscapeError, match="mined was begun with detector"):
        settings[0].require(settings[1], "mined")


def test_what_a_fitted_score_learnt_counts():
    torch.manual_seed(0)
    net = create_model("small_ladder", 3)
    settings = []
    for seed in (0, 0, 1):
        generator = torch.Generator().manual_seed(seed)
        image = torch.randint(256, (32, 32, 3), generator=generator, dtype=torch.uint8).numpy()
        score = fit_scores(net, [Scene("a", image)], ["sml"])["sml"]
        settings.append(MiningSettings.of(Detector(net, score, threshold=0.0), []))
    assert settings[0] == settings[1]
    assert settings[0].detector != settings[2].detector
    assert replace(settings[0], detector="") == replace(settings[2], detector="")


def test_a_detector_without_a_threshold_is_refused(tiny_network):
    with pytest.raises(OddscapeError, match="no threshold, and regions need one: give --threshold, or"):
        MiningSettings.of(Detector(tiny_network(5), "energy"), [])

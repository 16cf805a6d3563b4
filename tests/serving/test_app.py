"""What the server answers to those who ask rightly, and to those who do not."""

import io
import json
import weakref

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette", reason="starlette is not installed (the extra 'serve')")

from safetensors.numpy import load

from oddscape.detector import Detector
from oddscape.labels import ANOMALY_COLOUR
from oddscape.predicting.region_files import encode_regions
from oddscape.regions import RegionRules
from oddscape.report.heat import HEAT
from oddscape.serving.answers import as_json


def test_the_page_comes_with_all_that_it_refers_to(client):
    page = client.get("/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"http" not in page.body.replace(b"http-equiv", b"")  # nothing from elsewhere
    for name, kind in (
        ("page.css", "text/css"),
        ("page.js", "text/javascript"),
        ("icon.svg", "image/svg+xml"),
    ):
        assert f'"{name}"'.encode() in page.body
        assert client.get(f"/{name}").headers["content-type"].startswith(kind)
    imported = [
        line.split('"')[1].removeprefix("./")
        for line in client.get("/page.js").body.decode().splitlines()
        if " from " in line
    ]
    assert {client.get(f"/{name}").status for name in imported} == {200}


def test_nothing_beside_the_page_is_served(client):
    for path in ("/app.py", "/../pyproject.toml", "/%2e%2e/cli.py", "/predict", "/predict.exe", "/page.html"):
        assert client.get(path).status == 404


def test_health(client):
    assert client.get("/health").json == {"status": "ok"}


def test_choices(client, detector):
    choices = client.get("/detectors").json
    about = choices["detectors"]["tiny"]
    assert (about["score"], about["threshold"]) == ("energy", -1.5)
    assert {"energy", "msp", "entropy"} <= set(about["scores"])
    assert "densehybrid" not in about["scores"]  # this network has no outlier head
    assert [each["name"] for each in about["classes"]] == list(detector.label_space.classes)
    assert choices["heat"] == HEAT.tolist()
    assert choices["limits"]["upload"] == 20 * 2**20


def test_facts_are_those_of_the_detector(client, detector, image, picture):
    facts, expected = client.post("/predict.json", picture).json, detector.predict(image)
    assert (facts["width"], facts["height"], facts["threshold"]) == (48, 32, -1.5)
    assert facts["anomalous"] == pytest.approx(expected.anomaly.mean())
    assert 0 < facts["anomalous"] < 1
    shares = [(expected.classes == k).mean() for k in range(5)]
    assert list(facts["classes"].values()) == pytest.approx(shares)
    extremes = {"lowest": expected.score.min(), "highest": expected.score.max()}
    assert facts["score"] == {name: pytest.approx(score, rel=1e-6) for name, score in extremes.items()}


def test_regions_are_those_that_predict_writes(client, detector, image, picture):
    facts, expected = client.post("/predict.json", picture).json, detector.predict(image)
    written = json.loads(encode_regions(expected, "street.png"))
    assert len(facts["regions"]) == len(expected.regions) > 1
    assert {"picture": "street.png", **facts}.items() >= written.items()


def test_infinite_scores_are_json(detector, image):
    prediction = detector.predict(image)
    prediction.score[0, 0] = np.inf
    facts = json.loads(as_json(prediction).body, parse_constant=pytest.fail)
    assert facts["score"]["highest"] is facts["regions"][0]["max_score"] is None


def test_maps_are_those_of_the_detector_to_the_bit(client, detector, image, picture):
    maps, expected = load(client.post("/predict.safetensors", picture).body), detector.predict(image)
    np.testing.assert_array_equal(maps["score"], expected.score)
    np.testing.assert_array_equal(maps["classes"], expected.classes)
    score = np.load(io.BytesIO(client.post("/predict.npy", picture).body))
    np.testing.assert_array_equal(score, expected.score)


def test_maps_for_the_page_are_thinned(client, detector, image, picture):
    reply, expected = client.post("/predict.safetensors?side=12", picture), detector.predict(image)
    maps = load(reply.body)
    np.testing.assert_array_equal(maps["score"], expected.score[2::4, 2::4])  # the pixels at the centres
    np.testing.assert_array_equal(maps["classes"], expected.classes[2::4, 2::4])
    assert b'"width":"48"' in reply.body


def test_the_class_map_holds_train_ids_and_the_anomaly(client, detector, image, picture):
    reply, expected = client.post("/predict.png", picture), detector.predict(image)
    drawn = Image.open(io.BytesIO(reply.body))
    assert (reply.headers["content-type"], drawn.mode) == ("image/png", "P")
    np.testing.assert_array_equal(np.asarray(drawn), expected.open_set)
    painted = np.asarray(drawn.convert("RGB"))
    assert set(map(tuple, painted[expected.anomaly])) == {ANOMALY_COLOUR}


@pytest.mark.parametrize("threshold", [-1e9, -1.55, 1e9])
def test_another_threshold(client, detector, image, picture, threshold):
    facts = client.post(f"/predict.json?threshold={threshold}", picture).json
    assert facts["anomalous"] == pytest.approx((detector.predict(image).score > threshold).mean())


def test_rules_for_regions_hold_at_any_threshold(start, make_net, image, picture):
    rules = RegionRules(min_region=20, low=-1.52)
    detector = Detector(make_net(5), threshold=-1.5, rules=rules)
    client = start({"tiny": lambda: detector})
    assert client.get("/detectors").json["detectors"]["tiny"]["rules"] == {"min_region": 20, "low": -1.52}
    facts = client.post("/predict.json", picture).json
    assert facts["anomalous"] == pytest.approx(detector.predict(image).anomaly.mean())
    lower = client.post("/predict.json?threshold=-1.55", picture).json
    without = Detector(detector.net, threshold=-1.55, rules=RegionRules(min_region=20)).predict(image)
    assert lower["anomalous"] == pytest.approx(without.anomaly.mean())


def test_another_score_has_no_threshold_of_its_own(client, detector, image, picture):
    facts = client.post("/predict.json?score=msp", picture).json
    assert facts["threshold"] is None
    assert "anomalous" not in facts
    expected = Detector(detector.net, "msp").predict(image)
    assert facts["score"]["highest"] == pytest.approx(expected.score.max(), rel=1e-6)
    drawn = Image.open(io.BytesIO(client.post("/predict.png?score=msp", picture).body))
    np.testing.assert_array_equal(np.asarray(drawn), expected.classes)
    assert client.post("/predict.json?score=msp&threshold=0.5", picture).json["anomalous"] > 0


def test_of_several_detectors_one_is_in_memory(start, make_net, picture):
    loaded, most = [], []

    def loader(classes):
        def load():
            most.append(sum(each() is not None for each in loaded))
            net = make_net(classes)
            loaded.append(weakref.ref(net))
            return Detector(net, threshold=0.0)

        return load

    client = start({"five": loader(5), "seven": loader(7)})
    for name, classes in (("five", 5), ("seven", 7), ("seven", 7)):
        assert len(client.post(f"/predict.json?detector={name}", picture).json["classes"]) == classes
    assert len(loaded) == 2 + 2  # looked at once, then loaded when another is asked for
    assert max(most) == 0  # the one before is gone when the next is made


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("detector=other", "unknown detector 'other'; there are: tiny"),
        ("score=densehybrid", "detector 'tiny' has no score 'densehybrid'; it has: energy, msp"),
        ("score=energy@temperature=2", "has no score 'energy@temperature=2'"),
        ("threshold=high", "threshold is 'high': expected a number"),
        ("threshold=nan", "threshold is 'nan': expected a number"),
        ("side=0", "side is 0: expected 1 or more pixels"),
    ],
)
def test_what_there_is_not(client, picture, query, said):
    reply = client.post(f"/predict.json?{query}", picture)
    assert reply.status == 422
    assert said in reply.error


def test_predicting_takes_a_post(client):
    assert client.get("/predict.json").status == 405


def test_a_network_that_fails_costs_one_answer(client, encoded, picture):
    reply = client.post("/predict.json", encoded(np.zeros((1, 1, 3), np.uint8)))  # smaller than its pooling
    assert reply.status == 500
    assert reply.error.startswith("the server failed (RuntimeError: ")
    assert "content-security-policy" in reply.headers
    assert client.post("/predict.json", picture).status == 200


def test_a_narrow_picture_is_not_enlarged_beyond_measure(start, make_net, encoded):
    detector = Detector(make_net(5), threshold=0.0, size=64)
    client = start({"tiny": lambda: detector}, pixels=100_000)
    reply = client.post("/predict.json", encoded(np.zeros((2, 60, 3), np.uint8)))
    assert reply.status == 413
    assert reply.error == "the picture is too narrow: the network would see it at 1920×64"

"""One pass over known data: pictures as they are read, several scores, real ones where they are at hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from oddscape import data
from oddscape.advance import scenes as told
from oddscape.data import resize_mask
from oddscape.detector import Detector
from oddscape.errors import OddscapeError
from oddscape.fitting import fit_scores
from oddscape.inference import run_network
from oddscape.models import create_model, load_checkpoint
from oddscape.scenes import Scene
from oddscape.scores import read_score
from oddscape.scores.fitted import FITTED

K = 5


@pytest.fixture
def net():
    torch.manual_seed(0)
    return create_model("small_ladder", K)


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    size = (64, 96)
    return [
        Scene(str(n), rng.integers(0, 256, (*size, 3), np.uint8), rng.integers(0, K, size, np.uint8))
        for n in range(5)
    ]


def test_fits_all_that_the_network_can_carry(net, pictures, tiny_network):
    fitted = fit_scores(net, pictures)
    assert list(fitted) == list(FITTED)
    assert fitted["vim"].formula == FITTED["vim"].formula + "; fitted to 5 pictures"
    for name, score in fitted.items():
        prediction = Detector(net, score).predict(pictures[0].image)
        assert prediction.score.shape == (64, 96)
        assert np.isfinite(prediction.score).all()
        alone = fit_scores(net, pictures, [name])[name]
        assert (Detector(net, alone).predict(pictures[0].image).score == prediction.score).all()
    assert list(fit_scores(tiny_network(K), pictures)) == ["sml"]


def test_goes_by_labels_where_asked(net, pictures):
    ignored = replace(pictures[0], labels=np.full((64, 96), 255, np.uint8))
    with_labels = fit_scores(net, pictures[1:], ["mahalanobis"], labels="truth")["mahalanobis"]
    more = fit_scores(net, [ignored, *pictures[1:]], ["mahalanobis"], labels="truth")["mahalanobis"]
    own = fit_scores(net, pictures[1:], ["mahalanobis"])["mahalanobis"]
    torch.testing.assert_close(more.function.means, with_labels.function.means)
    assert with_labels.formula.endswith("fitted to 4 pictures by their labels")
    assert own.function.means.shape != with_labels.function.means.shape or not torch.allclose(
        own.function.means, with_labels.function.means
    )


def test_pictures_are_seen_at_the_size_asked_for(net, pictures):
    seen = []
    net.register_forward_pre_hook(lambda _, given: seen.append(tuple(given[0].shape[-2:])))
    score = fit_scores(net, pictures, ["sml"], size=(32, 64), labels="truth")["sml"]
    assert seen == [(64, 64)] + 5 * [(32, 64)]  # the probe is of another size
    fit_scores(net, pictures[:1], ["sml"], size=32)
    assert seen[-1] == (32, 48)
    assert score.formula.endswith("5 pictures at 64×32 by their labels")


def test_takes_some_pictures_evenly_spread(net, pictures, streethazards_folder):
    shown = []

    def progress(chosen):
        shown.extend(scene.name for scene in chosen)
        return iter(chosen)

    fit_scores(net, pictures, ["sml"], max_pictures=3, progress=progress)
    assert shown == ["0", "2", "4"]
    known = data.open("streethazards", streethazards_folder, split="training")
    steps = []
    advance = told(lambda done, total: steps.append((done, total)))
    score = fit_scores(net, known, ["sml"], max_pictures=2, progress=advance)["sml"]
    assert steps == [(1, 2), (2, 2)]
    assert score.formula.endswith("; fitted to 2 pictures of streethazards")
    with pytest.raises(OddscapeError, match="0 pictures to fit to"):
        fit_scores(net, pictures, ["sml"], max_pictures=0)


def test_bad_scenes_are_named(net, pictures):
    with pytest.raises(OddscapeError, match=r"^1: has no labels to fit by"):
        fit_scores(net, [pictures[0], replace(pictures[1], labels=None)], labels="truth")
    foreign = replace(pictures[1], labels=np.full((64, 96), K, np.uint8))
    with pytest.raises(OddscapeError, match=r"^1: labels hold class 5, but the network knows 5"):
        fit_scores(net, [pictures[0], foreign], labels="truth")
    with pytest.raises(OddscapeError, match="nothing to fit a score to"):
        fit_scores(net, [])


@pytest.fixture(scope="module")
def erfnet(shared_data):
    net = create_model("erfnet", 19, void=True)
    load_checkpoint(net, shared_data / "weights" / "erfnet_city20.pth")
    return net.eval()


def test_real_scores_tell_real_anomalies(erfnet, shared_data):
    size = (128, 256)
    known = data.open("camvid", shared_data / "camvid", split="train")
    fitted = fit_scores(erfnet, known, size=size, max_pictures=12)
    test = data.open("roadobstacle21", shared_data / "RoadObstacle21")
    scores = fitted | {"post": read_score("sml+boundaries+smoothing", fitted)}
    truths, maps = [], {name: [] for name in scores}
    for number in range(0, 30, 5):
        scene = test[number]
        truth = resize_mask(scene.anomaly, size)
        result = run_network(erfnet, scene.image, scores, size=size, output_size=size)
        truths.append(truth[truth != 255])
        for name in scores:
            maps[name].append(result.scores[name][0].numpy()[truth != 255])
    for name, values in maps.items():
        assert roc_auc_score(np.concatenate(truths), np.concatenate(values)) > 0.7, name

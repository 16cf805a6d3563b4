"""The run of an evaluation; the figures themselves are tested in tests/metrics."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from oddscape.data import open as open_dataset
from oddscape.data import resize_image, resize_mask
from oddscape.data.tensors import to_tensor
from oddscape.errors import OddscapeError
from oddscape.evaluation import evaluate
from oddscape.metrics import ConfusionMatrix, OpenSetMetrics, PixelMetrics
from oddscape.models import create_model, load_checkpoint
from oddscape.protocols import PROTOCOLS
from oddscape.scores import SCORES


@torch.inference_mode()
def by_hand(net, folder, protocol, score, size=None, out_size=None):
    """All scenes with the plain full-size score and class map.

    The fused path's scores differ in the last bit, which breaks ties; hence the figures' tolerances.
    """
    for scene in open_dataset(protocol.data, folder, **protocol.reader):
        seen = scene.image if size is None else resize_image(scene.image, size)
        out = replace(net.eval()(to_tensor(seen)), size=out_size or scene.image.shape[:2])
        yield scene, SCORES[score](out)[0].numpy(), out.logits.argmax(1)[0].numpy().astype(np.uint8)


@pytest.mark.parametrize("score", ["msp", "energy"])
@pytest.mark.parametrize("size", [None, (64, 64)])
def test_pixel_figures_are_those_of_the_metrics_at_full_size(masks_folder, tiny_network, score, size):
    net, protocol = tiny_network(5), PROTOCOLS["masks"]
    metrics = PixelMetrics(protocol.fpr_rule)
    for scene, map_, _ in by_hand(net, masks_folder, protocol, score, size):
        metrics.update(map_, scene.anomaly)
    wanted = metrics.compute()
    results = evaluate(net, protocol, masks_folder, [score], size=size)
    found = results.of(score)
    assert found.pooled.average_precision == pytest.approx(wanted.average_precision, rel=1e-3)
    assert found.pooled.auroc == pytest.approx(wanted.auroc, rel=1e-3)
    assert found.pooled.fpr95 == pytest.approx(wanted.fpr95, abs=2e-3)
    assert found.per_picture.average_precision == pytest.approx(
        wanted.per_picture.average_precision, rel=1e-3
    )
    assert results.pictures == ["a", "b", "c", "d"]
    assert results.left_out == ["d"]
    assert (results.known_pixels, results.anomalous_pixels) == (wanted.negatives, wanted.positives)
    assert results.inference_size == size
    assert math.isnan(results.closed_miou)
    assert found.open_set is None
    assert found.headline(protocol) == found.pooled


def test_class_figures_are_those_of_the_metrics_at_full_size(streethazards_folder, tiny_network):
    net, protocol = tiny_network(12), PROTOCOLS["streethazards"]
    open_set, closed = OpenSetMetrics(12), ConfusionMatrix(12)
    for scene, map_, classes in by_hand(net, streethazards_folder, protocol, "energy"):
        open_set.update(map_, classes, scene.labels, scene.anomaly, scene.fold)
        closed.update(classes, scene.labels)
    wanted = open_set.compute()
    results = evaluate(net, protocol, streethazards_folder, ["energy"])
    found = results.of("energy")
    assert results.closed_miou == pytest.approx(closed.compute().miou, abs=1e-3)
    assert list(results.class_iou.values()) == pytest.approx(closed.compute().class_iou.tolist(), abs=1e-3)
    assert found.open_set.open_miou == pytest.approx(wanted.open_miou, abs=1e-3)
    assert found.open_set.gap == pytest.approx(wanted.gap, abs=1e-3)
    assert {fold.fold: fold.pictures for fold in found.open_set.folds} == {"t5": 4, "t6": 4}
    for fold in found.open_set.folds:
        assert fold.threshold == pytest.approx(wanted.folds[fold.fold].threshold, rel=1e-5)
    assert found.headline(protocol) == found.per_picture


def test_scores_and_labels_meet_at_the_evaluation_size_and_the_override_is_said(masks_folder, tiny_network):
    net, size = tiny_network(5), (16, 24)
    metrics = PixelMetrics("first_above")
    for scene, map_, _ in by_hand(net, masks_folder, PROTOCOLS["masks"], "energy", out_size=size):
        metrics.update(map_, resize_mask(scene.anomaly, size))
    results = evaluate(net, PROTOCOLS["masks"], masks_folder, ["energy"], evaluation_size=size)
    wanted = metrics.compute()
    assert results.of("energy").pooled.average_precision == pytest.approx(wanted.average_precision, rel=1e-3)
    assert results.known_pixels + results.anomalous_pixels <= 4 * 16 * 24
    assert results.overrides == ["evaluation size 24×16 instead of the labels' size"]
    assert results.protocol.evaluation_size == size


def test_a_changed_reader_is_said(masks_folder, tiny_network):
    results = evaluate(tiny_network(5), PROTOCOLS["masks"], masks_folder, reader={"frames": "[ab]*"})
    assert results.overrides == ["frames = [ab]* instead of the default"]
    assert results.pictures == ["a", "b"]


def test_nothing_is_said_where_nothing_is_changed(masks_folder, tiny_network):
    protocol = replace(PROTOCOLS["masks"], evaluation_size=(16, 24))
    results = evaluate(tiny_network(5), protocol, masks_folder, ["msp"], evaluation_size=(16, 24))
    assert results.overrides == []


def test_all_stands_for_the_scores_that_the_network_can_carry(masks_folder, tiny_network):
    results = evaluate(tiny_network(5), PROTOCOLS["masks"], masks_folder)
    assert [result.score for result in results.scores] == ["msp", "max_logit", "entropy", "energy"]
    assert not any(result.saw_outliers for result in results.scores)
    assert results.model == "TinyNetwork"


def test_every_score_of_a_network_with_an_outlier_head_saw_outliers(masks_folder):
    net = create_model("densehybrid_small_ladder", 5)
    results = evaluate(net, PROTOCOLS["masks"], masks_folder, ["msp", "densehybrid"])
    assert all(result.saw_outliers for result in results.scores)


@pytest.mark.parametrize(
    ("score", "message"),
    [("densehybrid", "needs outlier_logits"), ("enegry", "unknown score 'enegry'; known: msp")],
)
def test_a_score_that_cannot_be_had_fails_before_the_first_picture(
    masks_folder, tiny_network, score, message
):
    (masks_folder / "images" / "a.png").write_bytes(b"no picture")
    with pytest.raises(OddscapeError, match=message):
        evaluate(tiny_network(5), PROTOCOLS["masks"], masks_folder, [score])


def test_classes_that_do_not_fit_fail_before_the_first_picture(streethazards_folder, tiny_network):
    for picture in streethazards_folder.rglob("test/images/**/*.png"):
        picture.write_bytes(b"no picture")
    with pytest.raises(OddscapeError, match="knows 19 classes, 'streethazards-12' has 12: background"):
        evaluate(tiny_network(19), PROTOCOLS["streethazards"], streethazards_folder)


def test_a_picture_that_does_not_decode_is_named(masks_folder, tiny_network):
    (masks_folder / "images" / "c.png").write_bytes(b"no picture")
    with pytest.raises(OddscapeError, match=r"c\.png: does not decode"):
        evaluate(tiny_network(5), PROTOCOLS["masks"], masks_folder)


def test_progress_wraps_the_scenes(masks_folder, tiny_network):
    seen = []

    def progress(dataset):
        for scene in dataset:
            seen.append(scene.name)
            yield scene

    evaluate(tiny_network(5), PROTOCOLS["masks"], masks_folder, ["msp"], progress=progress)
    assert seen == ["a", "b", "c", "d"]


def test_erfnet_with_its_weights_on_photographs(shared_data):
    net, folder, size = create_model("erfnet", 19, void=True), shared_data / "RoadAnomaly21", (128, 256)
    load_checkpoint(net, shared_data / "weights" / "erfnet_city20.pth")
    protocol = replace(PROTOCOLS["roadanomaly21"], reader={"frames": "[01].jpg"}, evaluation_size=size)
    metrics = PixelMetrics("first_at_least")
    for scene, map_, _ in by_hand(net, folder, protocol, "max_logit", size, size):
        metrics.update(map_, resize_mask(scene.anomaly, size))
    results = evaluate(net, protocol, folder, ["max_logit"], size=size)
    wanted, found = metrics.compute(), results.of("max_logit").pooled
    assert results.pictures == ["0", "1"]
    assert found.average_precision == pytest.approx(wanted.average_precision, abs=1e-4)
    assert found.fpr95 == pytest.approx(wanted.fpr95, abs=1e-4)

"""The run of an evaluation; the figures themselves are tested in tests/metrics."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from oddscape.component_sizes import ComponentSizes
from oddscape.data import open as open_dataset
from oddscape.data import resize_image, resize_mask
from oddscape.data.tensors import to_tensor
from oddscape.errors import OddscapeError
from oddscape.evaluation import evaluate, evaluate_scores
from oddscape.fitting import fit_scores
from oddscape.metrics import (
    CalibrationMetrics,
    ComponentMetrics,
    ConfusionMatrix,
    OpenSetMetrics,
    PixelMetrics,
    SmiycPixelMetrics,
)
from oddscape.models import create_model, load_checkpoint
from oddscape.protocols import PROTOCOLS, Protocol
from oddscape.score_files import write_score
from oddscape.scores import FITTED, SCORES, fitting_scores
from oddscape.wrappers.ensemble import ensemble
from oddscape.wrappers.multi_scale import MultiScaleFlip
from oddscape.wrappers.windows import SlidingWindows


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
    assert results.left_out == {"d": "no anomalous pixel"}
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


def test_what_wrappers_do_is_recorded_and_the_network_below_gives_its_name(masks_folder, tiny_network):
    net = tiny_network(5)
    seen = MultiScaleFlip(SlidingWindows(net, (64, 96), 0.5), (0.5, 1.0), flip=False)
    results = evaluate(seen, PROTOCOLS["masks"], masks_folder, ["msp"])
    assert results.inference == ["mean over scales 0.5, 1", "windows of 96×64 overlapping by 50 %"]
    assert results.model == "TinyNetwork"
    assert evaluate(net, PROTOCOLS["masks"], masks_folder, ["msp"]).inference == []


def test_nothing_is_said_where_nothing_is_changed(masks_folder, tiny_network):
    protocol = replace(PROTOCOLS["masks"], evaluation_size=(16, 24))
    results = evaluate(tiny_network(5), protocol, masks_folder, ["msp"], evaluation_size=(16, 24))
    assert results.overrides == []


def test_all_stands_for_the_scores_that_the_network_can_carry(masks_folder, tiny_network):
    results = evaluate(tiny_network(5), PROTOCOLS["masks"], masks_folder)
    assert [result.score for result in results.scores] == list(fitting_scores(frozenset({"logits"})))
    assert not any(result.saw_outliers for result in results.scores)
    assert results.model == "TinyNetwork"


def test_all_scores_share_one_pass_of_the_network(masks_folder):
    net, protocol = create_model("small_ladder", 5), PROTOCOLS["masks"]
    fitted = fit_scores(net, open_dataset(protocol.data, masks_folder), ["all"])
    seen = []
    net.register_forward_pre_hook(lambda _, images: seen.append(tuple(images[0].shape)))
    results = evaluate(net, protocol, masks_folder, ["all", "energy+smoothing"], fitted=fitted)
    assert set(FITTED) | {"msp", "energy+smoothing"} <= {result.score for result in results.scores}
    assert seen.count((1, 3, 32, 48)) == len(results.pictures) == 4
    assert set(seen) == {(1, 3, 32, 48), (1, 3, 64, 64)}  # the latter when it is asked what it gives


def test_every_score_of_a_network_with_an_outlier_head_saw_outliers(masks_folder):
    net = create_model("densehybrid_small_ladder", 5)
    results = evaluate(net, PROTOCOLS["masks"], masks_folder, ["msp", "densehybrid"])
    assert all(result.saw_outliers for result in results.scores)


def test_a_member_with_an_outlier_head_makes_every_score_of_an_ensemble_one_that_saw_outliers(masks_folder):
    closed_set, saw = create_model("small_ladder", 5), create_model("densehybrid_small_ladder", 5)
    for mixed in (ensemble([closed_set, saw]), ensemble([ensemble([closed_set, saw]), closed_set])):
        for net in (mixed, MultiScaleFlip(mixed)):
            results = evaluate(net, PROTOCOLS["masks"], masks_folder, ["msp"])
            assert all(result.saw_outliers for result in results.scores)
    results = evaluate(ensemble([closed_set, closed_set]), PROTOCOLS["masks"], masks_folder, ["msp"])
    assert not any(result.saw_outliers for result in results.scores)


def test_what_is_around_the_members_of_an_ensemble_is_recorded(masks_folder, tiny_network):
    plain, flipped = tiny_network(5), MultiScaleFlip(tiny_network(5))
    results = evaluate(ensemble([plain, flipped]), PROTOCOLS["masks"], masks_folder, ["msp"])
    assert results.inference == [
        "ensemble of 2 networks (a single pass | mean over the picture and its mirror image)"
    ]
    assert results.model == "Ensemble"


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


def infinite_as_text(results):
    """What two evaluations of the same scores must share, as text, since NaN does not equal itself."""
    return repr([replace(result, score="", formula="", saw_outliers=None) for result in results.scores])


@pytest.fixture
def with_components():
    return replace(PROTOCOLS["masks"], components=ComponentSizes(predicted=4, true=4))


def test_score_files_give_the_figures_of_the_network_that_wrote_them(
    masks_folder, tmp_path, tiny_network, with_components
):
    net = tiny_network(5)
    for scene, map_, _ in by_hand(net, masks_folder, with_components, "energy"):
        write_score(tmp_path / "mine", scene.name, np.asarray(map_))
    read = evaluate_scores(tmp_path / "mine", with_components, masks_folder)
    again = evaluate_scores(
        tmp_path / "mine", with_components, masks_folder, method="theirs", saw_outliers=True
    )
    run = evaluate(net, with_components, masks_folder, ["energy"])
    assert read.fingerprint == run.fingerprint
    assert read.pictures == run.pictures
    for name in ("pooled.average_precision", "smiyc.best_f1", "components.f1", "per_picture.auroc"):
        assert read.scores[0].figure(name) == pytest.approx(run.scores[0].figure(name), abs=2e-3)
    assert (read.model, read.scores[0].score, read.scores[0].formula) == ("mine", "files", "npy files")
    assert (again.model, again.scores[0].saw_outliers) == ("theirs", True)
    assert infinite_as_text(again) == infinite_as_text(read)


def test_score_files_of_another_size_are_brought_to_the_labels_and_that_is_said(masks_folder, tmp_path):
    for name in "abcd":
        write_score(tmp_path / "scores", name, np.random.default_rng(0).random((16, 24), np.float32))
    results = evaluate_scores(tmp_path / "scores", PROTOCOLS["masks"], masks_folder)
    assert results.overrides == ["scores of 24×16 brought to the labels' size, bilinear"]


def test_exchanged_rows_and_columns_are_refused(masks_folder, tmp_path):
    for name in "abcd":
        write_score(tmp_path / "scores", name, np.random.default_rng(0).random((48, 32), np.float32))
    message = "a: rows and columns of the scores are exchanged: they are 32×48, the labels 48×32"
    with pytest.raises(OddscapeError, match=message):
        evaluate_scores(tmp_path / "scores", PROTOCOLS["masks"], masks_folder)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_score_is_told_with_its_picture(masks_folder, tmp_path, with_components, bad):
    scores = tmp_path / "scores"
    scores.mkdir()
    for name in "abcd":
        score = np.random.default_rng(0).random((32, 48), np.float32)
        score[5] = bad if name == "c" else 0
        np.save(scores / f"{name}.npy", score)
    with pytest.raises(OddscapeError, match=r"c\.npy: 48 of 1,536 scores are NaN|^c: score is infinite"):
        evaluate_scores(scores, with_components, masks_folder)


def test_a_networks_nan_is_told_with_its_picture(masks_folder, tiny_network):
    class Broken(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = tiny_network(5)

        def forward(self, image):
            return self.net(image * torch.nan)

    with pytest.raises(OddscapeError, match=r"^a: .*NaN"):
        evaluate(Broken(), PROTOCOLS["masks"], masks_folder, ["energy"])


def test_score_files_say_that_they_are(masks_folder, tmp_path, tiny_network):
    for name in "abcd":
        write_score(tmp_path / "mine", name, np.random.default_rng(0).random((32, 48), np.float32))
    assert evaluate_scores(tmp_path / "mine", PROTOCOLS["masks"], masks_folder).source == "score files"
    assert evaluate(tiny_network(5), PROTOCOLS["masks"], masks_folder, ["msp"]).source == "network"


def test_pictures_without_a_score_file_are_named_first(masks_folder, tmp_path):
    write_score(tmp_path / "scores", "a", np.zeros((32, 48), np.float32))
    (masks_folder / "images" / "a.png").write_bytes(b"no picture")
    with pytest.raises(OddscapeError, match=r"no npy score file for 3 of 4 pictures: b, c, d"):
        evaluate_scores(tmp_path / "scores", PROTOCOLS["masks"], masks_folder)


def test_both_engines_agree_and_streaming_certifies(masks_folder, tiny_network, with_components):
    net = tiny_network(5)
    exact = evaluate(net, with_components, masks_folder, ["msp"])
    streaming = evaluate(net, with_components, masks_folder, ["msp"], engine="streaming")
    assert (exact.engine, streaming.engine) == ("exact", "streaming")
    assert exact.of("msp").certified == {}
    for name, certified in streaming.of("msp").certified.items():
        assert certified.low - 1e-12 <= exact.of("msp").figure(name) <= certified.high + 1e-12
    assert streaming.of("msp").per_picture == exact.of("msp").per_picture
    assert exact.of("msp").sizes
    assert streaming.of("msp").sizes == []


def test_smiyc_figures_are_those_of_the_accumulators(masks_folder, tiny_network, with_components):
    net, pixels, maps = tiny_network(5), SmiycPixelMetrics(), []
    for scene, map_, _ in by_hand(net, masks_folder, with_components, "energy"):
        pixels.update(map_, scene.anomaly)
        maps.append((map_, scene.anomaly))
    wanted = pixels.compute()
    components = ComponentMetrics(wanted.threshold, with_components.components)
    for pair in maps:
        components.update(*pair)
    found = evaluate(net, with_components, masks_folder, ["energy"]).of("energy")
    assert found.smiyc.average_precision == pytest.approx(wanted.average_precision, abs=1e-3)
    assert found.components.f1 == pytest.approx(components.compute().mean_f1, abs=1e-2)
    assert found.components.siou == pytest.approx(components.compute().mean_siou, abs=1e-2)
    assert len(found.components.counts) == 11


def test_every_pooled_figure_has_an_interval_and_its_replicates(streethazards_folder, tiny_network):
    found = evaluate(tiny_network(12), PROTOCOLS["streethazards"], streethazards_folder, ["msp"])
    result = found.of("msp")
    names = {
        *("pooled.average_precision", "pooled.auroc", "pooled.fpr95", "pooled.best_f1"),
        *("per_picture.average_precision", "per_picture.auroc", "per_picture.fpr95"),
        *(
            "open_set.open_miou",
            "open_set.anomaly_iou",
            "open_set.gap",
            "open_set.calibration.error",
            "mistakes.cfpr",
            "mistakes.efpr",
        ),
    }
    assert set(result.intervals) == set(result.replicates) == names
    for name in names:
        low, high = result.intervals[name]
        assert low <= result.figure(name) <= high
        assert len(result.replicates[name]) == 1000
    low, high = found.intervals["closed_miou"]
    assert low <= found.closed_miou <= high
    assert set(found.intervals) == set(found.replicates) == {"closed_miou", "calibration.error"}
    assert (found.units, found.unit) == (8, "picture")


def test_pictures_of_one_recording_are_drawn_together(masks_folder, tiny_network):
    protocol = Protocol(
        "own",
        "a folder of one's own",
        data="folder",
        labels="1 anomaly",
        reader={"recording": "[abcd]"},
    )
    found = evaluate(tiny_network(5), protocol, masks_folder, ["msp"])
    assert (found.units, found.unit) == (4, "recording")
    one = evaluate(tiny_network(5), protocol, masks_folder, ["msp"], reader={"recording": "()"})
    assert one.units == 4  # a recording without a name is none


def test_confusion_and_calibration_of_the_closed_set(streethazards_folder, tiny_network):
    net, calibration = tiny_network(12), CalibrationMetrics()
    protocol = PROTOCOLS["streethazards"]
    for scene, map_, classes in by_hand(net, streethazards_folder, protocol, "msp"):
        calibration.update(1 - np.asarray(map_), np.asarray(classes) == scene.labels, scene.labels != 255)
    found = evaluate(net, protocol, streethazards_folder, ["msp"])
    assert found.calibration.error == pytest.approx(calibration.compute().expected_error, abs=1e-3)
    test = open_dataset("streethazards", streethazards_folder, split="test")
    assert np.sum(found.closed_matrix) == sum(np.count_nonzero(scene.labels != 255) for scene in test)
    open_set = found.of("msp").open_set
    assert np.shape(open_set.matrix) == (13, 13)
    assert 0 <= open_set.calibration.error <= 1


def test_the_fingerprint_tells_data_apart(masks_folder, tiny_network):
    net = tiny_network(5)
    before = evaluate(net, PROTOCOLS["masks"], masks_folder, ["msp"]).fingerprint
    assert evaluate(net, PROTOCOLS["masks"], masks_folder, ["energy"]).fingerprint == before
    mask = Image.open(masks_folder / "labels_masks" / "a.png")
    mask.putpixel((0, 0), 1 if mask.getpixel((0, 0)) == 0 else 0)
    mask.save(masks_folder / "labels_masks" / "a.png")
    assert evaluate(net, PROTOCOLS["masks"], masks_folder, ["msp"]).fingerprint != before


def test_a_constant_score_is_told(masks_folder, tmp_path):
    for name in "abcd":
        write_score(tmp_path / "scores", name, np.full((32, 48), 0.5, np.float32))
    (result,) = evaluate_scores(tmp_path / "scores", PROTOCOLS["masks"], masks_folder).scores
    assert result.distinct_scores == 1


def test_the_data_set_is_opened_once(masks_folder, tmp_path, monkeypatch):
    for name in "abcd":
        write_score(tmp_path / "scores", name, np.random.default_rng(0).random((32, 48), np.float32))
    opened = []
    monkeypatch.setattr("oddscape.data.open", lambda name, *_, **__: opened.append(name) or dataset)
    dataset = open_dataset("masks", masks_folder)
    evaluate_scores(tmp_path / "scores", PROTOCOLS["masks"], masks_folder)
    assert opened == ["masks"]

"""A detector on disk: what was saved predicts the same once it is loaded, and what cannot be is one line."""

import json
import pickle
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from oddscape.detector import Detector
from oddscape.errors import OddscapeError
from oddscape.fitting import fit_scores
from oddscape.labels import CITYSCAPES, LabelSpace
from oddscape.models import checkpoint_metadata, create_model, save_checkpoint
from oddscape.models.adapters import wrap
from oddscape.models.fused_batch_norms import fuse_batch_norms
from oddscape.models.small_ladder import LadderWidths
from oddscape.regions import RegionRules
from oddscape.scenes import Scene
from oddscape.scores import POSTPROCESSING, SCORES, read_score
from oddscape.scores.fitted import FITTED
from oddscape.scores.fitted.files import save_scores
from oddscape.wrappers.ensemble import ensemble
from oddscape.wrappers.mc_dropout import mc_dropout
from oddscape.wrappers.multi_scale import MultiScaleFlip
from oddscape.wrappers.odin import odin
from oddscape.wrappers.react import react
from oddscape.wrappers.windows import SlidingWindows

K = 5


def network(name="small_ladder", seed=0, **options):
    torch.manual_seed(seed)
    net = create_model(name, K, **options)
    for module in net.modules():  # so that the running statistics of the file are not those of a new network
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return net


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "detector.safetensors"


def assert_alike(one, other, image):
    one, other = one.predict(image), other.predict(image)
    np.testing.assert_array_equal(one.score, other.score)
    np.testing.assert_array_equal(one.classes, other.classes)
    assert (one.threshold, one.label_space) == (other.threshold, other.label_space)


def saved_and_loaded(detector, file, net=None):
    detector.save(file)
    torch.manual_seed(123)
    return Detector.load(file, net)


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("small_ladder", "energy"),
        ("small_ladder", "energy@temperature=2+smoothing"),
        ("small_ladder", "gen@gamma=0.123456789,classes=3+boundaries@width=4+smoothing@sigma=1.5"),
        ("densehybrid_small_ladder", "densehybrid"),
        ("void_small_ladder", "void"),
        ("dicnet_small_ladder", "dicnet"),
    ],
)
def test_predicts_what_the_saved_one_did(file, image, name, score):
    detector = Detector(network(name), score, threshold=0.25, size=(96, 128))
    loaded = saved_and_loaded(detector, file)
    assert loaded.score.name == detector.score.name
    assert (loaded.size, loaded.threshold) == ((96, 128), 0.25)
    assert_alike(detector, loaded, image)


@pytest.mark.parametrize("name", [*FITTED, "knn@neighbours=2,size=70", "mahalanobis@shrinkage=0.001"])
def test_a_fitted_score_goes_with_it(file, image, name):
    net = network()
    score = fit_scores(net, [Scene("0", image)], [name])[name]
    loaded = saved_and_loaded(Detector(net, score), file)
    assert loaded.score.formula == score.formula
    assert_alike(Detector(net, score), loaded, image)


def test_a_fitted_score_with_steps(file, image):
    net = network()
    score = read_score("sml+boundaries+smoothing@sigma=2", fit_scores(net, [Scene("0", image)], ["sml"]))
    loaded = saved_and_loaded(Detector(net, score), file)
    assert (loaded.score.name, loaded.score.formula) == (score.name, score.formula)
    assert_alike(Detector(net, score), loaded, image)


@pytest.mark.parametrize("temperature", [1e6, 1234567.0, 1 / 3, 2.5e-7])
def test_parameters_are_kept_to_the_last_digit(file, temperature):
    score = SCORES["energy"].with_(temperature=temperature).then(POSTPROCESSING["smoothing"])
    loaded = saved_and_loaded(Detector(network(), score), file)
    assert loaded.score.name == score.name
    assert loaded.score.function.keywords == {"temperature": temperature}


@pytest.mark.parametrize(
    "around",
    [
        lambda net: SlidingWindows(net, (64, 64), 0.5, stride=32, batch_size=2),
        lambda net: MultiScaleFlip(SlidingWindows(net, (64, 64)), (0.5, 1.0), flip=True),
        lambda net: odin(net, 0.002, 500.0),
        lambda net: react(net, "classifier", 0.3, side="input"),
    ],
)
def test_what_is_around_the_network_stays_around_it(file, image, around):
    net = around(network())
    loaded = saved_and_loaded(Detector(net, "msp"), file)
    assert loaded.net.in_words == net.in_words
    assert_alike(Detector(net, "msp"), loaded, image)


def test_an_ensemble_of_different_networks(file, image):
    members = [network(seed=1), MultiScaleFlip(network("densehybrid_small_ladder", seed=2))]
    net = ensemble(members)
    loaded = saved_and_loaded(Detector(net, "mutual_information"), file)
    assert loaded.net.in_words == net.in_words
    assert_alike(Detector(net, "mutual_information"), loaded, image)
    with pytest.raises(OddscapeError, match="no network can take their place"):
        Detector.load(file, network())


def test_dropout_with_a_seed(file, image):
    torch.manual_seed(0)
    net = mc_dropout(create_model("erfnet", K), 3, seed=7)
    detector = Detector(net, "predictive_entropy")
    assert_alike(detector, saved_and_loaded(detector, file), image)


def test_names_and_colours_of_the_classes(file):
    space = LabelSpace(
        "mine", tuple("abcde"), tuple((k, 2 * k, 200) for k in range(K)), {7: 0}, frozenset({8}), frozenset()
    )
    loaded = saved_and_loaded(Detector(network(), label_space=space), file)
    assert loaded.label_space == LabelSpace("mine", space.classes, space.colours)
    torch.manual_seed(0)
    assert saved_and_loaded(Detector(create_model("small_ladder", 19)), file).label_space == CITYSCAPES


@pytest.mark.parametrize("threshold", [np.float32(0.1), np.float64(1 / 3), torch.tensor(0.1), -9, -np.inf])
def test_a_threshold_of_any_kind_decides_alike(file, threshold):
    detector = Detector(network(), threshold=threshold)
    assert type(detector.threshold) is float
    assert saved_and_loaded(detector, file).threshold == detector.threshold


def test_sizes_of_numpy(file):
    loaded = saved_and_loaded(Detector(network(), size=tuple(np.array([64, 96]))), file)
    assert loaded.size == (64, 96)


def test_the_shorter_side(file, image):
    detector = Detector(network(), size=40)
    loaded = saved_and_loaded(detector, file)
    assert loaded.size == 40
    assert_alike(detector, loaded, image)


def test_half_on_request(file, image):
    net = network()
    score = fit_scores(net, [Scene("0", image)], ["sml"])["sml"]
    Detector(net, score).save(file, half=True)
    tensors = load_file(file)
    kinds = {x.dtype for name, x in tensors.items() if name.startswith("network.")}
    assert kinds == {torch.float16, torch.int64}  # the counters of batch norms
    assert tensors["score.sml.mean"].dtype == torch.float32
    assert {x.dtype for x in net.parameters()} == {torch.float32}
    loaded = Detector.load(file)
    assert {x.dtype for x in loaded.net.parameters()} == {torch.float32}
    difference = np.abs(loaded.predict(image).score - Detector(net, score).predict(image).score)
    assert 0 < difference.max() < 0.2


def test_what_half_cannot_hold_is_refused(file):
    net = network()
    with torch.no_grad():
        net.classifier.bias[0] = -1e5
    with pytest.raises(OddscapeError, match=r"classifier\.bias reaches 1e\+05, float16 no more than 65504"):
        Detector(net).save(file, half=True)
    assert not file.exists()


# ── Networks ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_copy_is_known_by_its_name_too(file, image):
    for net in (deepcopy(network()), pickle.loads(pickle.dumps(network()))):
        assert_alike(Detector(network()), saved_and_loaded(Detector(net), file), image)


def test_options_make_the_same_network(file, image):
    net = network("erfnet", void=True, outlier_head=True)
    loaded = saved_and_loaded(Detector(net, "void"), file)
    assert loaded.net(torch.zeros(1, 3, 64, 64)).fields == net(torch.zeros(1, 3, 64, 64)).fields
    assert_alike(Detector(net, "void"), loaded, image)


def test_half_precision_stays_in_the_file_and_computes_in_single(file, image):
    net = network()
    score = fit_scores(net, [Scene("0", image)], ["sml"])["sml"]
    half = Detector(deepcopy(net).half(), "energy")
    half.score = score
    loaded = saved_and_loaded(half, file)
    tensors = load_file(file)
    assert {x.dtype for name, x in tensors.items() if name.endswith("weight")} == {torch.float16}
    assert tensors["score.sml.mean"].dtype == torch.float32
    assert {x.dtype for x in loaded.net.parameters()} == {torch.float32}
    rounded = {name: x.half().float() if x.is_floating_point() else x for name, x in net.state_dict().items()}
    net.load_state_dict(rounded)
    assert_alike(Detector(net, score), loaded, image)


def own_network(seed):
    """A network two layers of which share a weight."""
    torch.manual_seed(seed)
    first, second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 1)
    third = nn.Conv2d(8, 8, 1)
    third.weight = second.weight
    return wrap(nn.Sequential(first, second, nn.ReLU(), third, nn.Conv2d(8, K, 1)), features="3")


def test_a_network_of_ones_own_is_given_again(file, image):
    net = MultiScaleFlip(own_network(0))
    detector = Detector(net, "msp", threshold=0.5)
    loaded = saved_and_loaded(detector, file, own_network(1))
    assert_alike(detector, loaded, image)
    with pytest.raises(OddscapeError, match=r"detector\.safetensors: its network was not made by name: give"):
        Detector.load(file)
    with pytest.raises(OddscapeError, match="brings its own wrappers: give the network without any"):
        Detector.load(file, net)
    with pytest.raises(OddscapeError, match=r"does not fit MultiScaleFlip: .* weights "):
        Detector.load(file, network())


def test_a_score_that_shares_memory_with_the_network(file, image):
    net = own_network(0)
    score = fit_scores(net, [Scene("0", image)], ["mahalanobis"])["mahalanobis"]
    function = replace(score.function, centre=net.net[0].bias.detach())
    shared = Detector(net, replace(score, function=function))
    assert_alike(shared, saved_and_loaded(shared, file, own_network(1)), image)


def test_what_is_no_more_as_it_was_made_has_to_be_given(file, image):
    fused = fuse_batch_norms(network().eval())
    changed = network()
    changed.classifier = nn.Conv2d(64, K, 1, bias=False)
    for net in (fused, changed):
        detector = Detector(net)
        detector.save(file)
        with pytest.raises(OddscapeError, match="its network was not made by name"):
            Detector.load(file)
        assert_alike(detector, Detector.load(file, deepcopy(net)), image)


def test_an_option_that_only_a_program_can_give(file, image):
    net = create_model("small_ladder", K, widths=LadderWidths(features=32))
    Detector(net).save(file)
    with pytest.raises(OddscapeError, match="its network was not made by name"):
        Detector.load(file)
    assert_alike(Detector(net), Detector.load(file, deepcopy(net)), image)


def test_an_ensemble_of_ones_own_is_refused(file):
    with pytest.raises(OddscapeError, match=r"an ensemble cannot be .* odd\.create_model did not make"):
        Detector(ensemble([own_network(0), network()])).save(file)
    assert not file.exists()


def test_no_code_is_run_from_a_file(file, image, tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text(
        "from torch import nn\n\n\ndef network():\n    return nn.Sequential(nn.Conv2d(3, 5, 3, padding=1))\n"
    )
    detector = Detector(create_model(f"{mine}:network"))
    detector.save(file)
    with pytest.raises(
        OddscapeError, match=rf"is that of {mine}:network, and a file of weights runs no code"
    ):
        Detector.load(file)
    assert_alike(detector, Detector.load(file, create_model(f"{mine}:network")), image)


# ── What cannot be saved or loaded ──────────────────────────────────────────────────────────────────────────


def my_score(out):
    return out.logits.amax(1)


@pytest.mark.parametrize(
    "score",
    [
        replace(SCORES["energy"], name="mine"),
        replace(SCORES["energy"], function=my_score),
        replace(SCORES["energy"], function=lambda out: -out.log_evidence),
        replace(SCORES["energy"].with_(temperature=2), name="energy@temperature=3"),
    ],
)
def test_a_score_that_its_name_does_not_stand_for(file, score):
    with pytest.raises(OddscapeError, match=r"score '.*' cannot be saved: expected one of odd\.SCORES or"):
        Detector(network(), score).save(file)
    assert not file.exists()


def test_a_fitted_score_under_another_name(file, image):
    net = network()
    score = replace(fit_scores(net, [Scene("0", image)], ["sml"])["sml"], name="mine")
    with pytest.raises(OddscapeError, match="score 'mine' cannot be saved"):
        Detector(net, score).save(file)


def test_a_file_of_another_ending(tmp_path):
    with pytest.raises(OddscapeError, match=r"expected a file that ends in \.safetensors"):
        Detector(network()).save(tmp_path / "detector.pth")


def test_what_is_known_of_the_weights_goes_along(file):
    Detector(network()).save(file, {"source": "trained here", "detector": "no"})
    metadata = checkpoint_metadata(file)
    assert metadata["source"] == "trained here"
    said = json.loads(metadata["detector"])
    assert said["version"] == 1
    assert said["network"] == {"model": "small_ladder", "num_classes": K, "model_options": {}}


def test_rules_for_regions_go_along_and_files_without_any_load(file):
    Detector(network(), threshold=1.0).save(file)
    assert "rules" not in json.loads(checkpoint_metadata(file)["detector"])
    assert Detector.load(file).rules == RegionRules()
    for rules in (RegionRules(20), RegionRules(3, 0.5)):
        Detector(network(), threshold=1.0, rules=rules).save(file)
        assert Detector.load(file).rules == rules


def test_a_failed_write_leaves_the_old_file(file, monkeypatch):
    Detector(network(), threshold=1.0).save(file)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("oddscape.models.checkpoints.save_file", full)
    with pytest.raises(OddscapeError, match="cannot write"):
        Detector(network(), threshold=2.0).save(file)
    assert Detector.load(file).threshold == 1.0
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_files_that_hold_something_else(tmp_path, image):
    net = network()
    save_checkpoint(net, tmp_path / "w.safetensors", {"model": "small_ladder"})
    torch.save(net.state_dict(), tmp_path / "w.pth")
    save_scores(fit_scores(net, [Scene("0", image)], ["sml"]), tmp_path / "fitted.safetensors")
    for name, message in (
        ("w.safetensors", r"w\.safetensors holds weights of small_ladder \(see --weights, .*\), and no det"),
        ("w.pth", r"w\.pth holds weights \(see --weights, .*\), and no detector"),
        ("fitted.safetensors", r"holds fitted scores \(see --fitted, odd\.load_scores\), and no detector"),
        ("none.safetensors", "no detector at "),
    ):
        with pytest.raises(OddscapeError, match=message) as error:
            Detector.load(tmp_path / name)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("left", [0, 5, 300, 50_000])
def test_a_damaged_file_is_one_line(file, left):
    Detector(network()).save(file)
    file.write_bytes(file.read_bytes()[:left])
    with pytest.raises(OddscapeError, match=r"detector\.safetensors is ") as error:
        Detector.load(file)
    assert "\n" not in str(error.value)


def rewritten(file, **changes):
    tensors, metadata = load_file(file), checkpoint_metadata(file)
    said = json.loads(metadata["detector"]) | changes
    said = {name: value for name, value in said.items() if value is not ...}
    save_file(tensors, file, metadata | {"detector": json.dumps(said)})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "is a detector of version 2; this Oddscape reads 1: update it"),
        ({"version": ...}, r"does not say rightly what detector it is \('version'\)"),
        ({"threshold": "high"}, "does not say rightly what detector it is"),
        ({"size": [1]}, "does not say rightly what detector it is"),
        ({"rules": {"least": 3}}, "does not say rightly what detector it is"),
        ({"network": {"wrapper": "fog", "options": {}, "nets": []}}, "unknown wrapper 'fog'; known: windows"),
        ({"network": {"model": "small_ladder", "num_classes": 7, "model_options": {}}}, "does not fit Small"),
        (
            {"network": {"model": "large_ladder", "num_classes": 7, "model_options": {}}},
            "unknown model 'larg",
        ),
        ({"network": {"model": "small_ladder"}}, "does not say rightly what detector it is"),
        ({"score": "energie"}, "unknown score 'energie'; known: msp"),
        ({"score": "sml"}, "unknown score 'sml'; known: msp"),
    ],
)
def test_metadata_that_are_not_right_are_one_line(file, changes, message):
    Detector(network()).save(file)
    rewritten(file, **changes)
    with pytest.raises(OddscapeError, match=message) as error:
        Detector.load(file)
    assert "\n" not in str(error.value)


def test_a_fitted_score_that_lacks_a_tensor(file, image):
    net = network()
    Detector(net, fit_scores(net, [Scene("0", image)], ["sml"])["sml"]).save(file)
    tensors, metadata = load_file(file), checkpoint_metadata(file)
    del tensors["score.sml.mean"]
    save_file(tensors, file, metadata)
    with pytest.raises(OddscapeError, match=r"detector\.safetensors: score 'sml' cannot be read: .*mean"):
        Detector.load(file)

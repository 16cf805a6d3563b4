"""A network that somebody already has: its own classes as labels, what trains, what it costs."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from oddscape.cli import main
from oddscape.data import read_image, read_mask
from oddscape.data.tensors import to_tensor
from oddscape.errors import OddscapeError
from oddscape.inference import run_network
from oddscape.models import checkpoint_metadata, create_model, load_checkpoint, save_checkpoint
from oddscape.models.outlier_head import NetworkWithOutlierHead
from oddscape.training.config import TrainConfig
from oddscape.training.loop import train
from oddscape.training.progress import progress_bar
from oddscape.training.run_folder import RunFolder
from oddscape.training.setup import divided_data, training_data

K = 4
SIZE = (32, 48)
OWN_FILE = """
from torch import nn

def network(num_classes=4):
    return nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, num_classes, 1))
"""


@pytest.fixture(scope="session")
def drives(tmp_path_factory):
    """Twelve pictures without labels, half of them in a folder below."""
    folder, rng = tmp_path_factory.mktemp("drives"), np.random.default_rng(5)
    (folder / "b").mkdir()
    for number in range(12):
        coarse = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        Image.fromarray(coarse).save(folder / ("b" if number % 2 else ".") / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def erfnet(tmp_path_factory):
    """Weights of an ERFNet of four classes and void, whose last layer is turned up: it is sure of itself."""
    torch.manual_seed(1)
    net = create_model("erfnet", K, void=True)
    net.decoder.output_conv.weight.data.mul_(200)
    file = tmp_path_factory.mktemp("weights") / "erfnet.safetensors"
    save_checkpoint(net, file)
    return file


@pytest.fixture
def own(drives, erfnet, negatives_folder, tmp_path):
    return TrainConfig(
        method="densehybrid",
        inliers=(drives,),
        model="erfnet",
        num_classes=K,
        model_options={"void": True},
        weights=erfnet,
        out=tmp_path / "run",
        negatives="ade20k",
        negatives_data=negatives_folder,
        negatives_shorter_side=24,
        negatives_crop=(16, 16),
        crop=(24, 24),
        epochs=1,
        batch_size=4,
        learning_rate=1e-3,
        threads=1,
    )


def network_before(config):
    net = create_model("erfnet", K, void=True).eval()
    load_checkpoint(net, config.weights)
    return net


def label_file(config, picture):
    return config.out / "own_classes" / f"{picture}.png"


def changed(net, config):
    """Names of the weights and statistics of the network without its head that training changed."""
    before = network_before(config).state_dict()
    return {
        name for name, now in net.net.state_dict().items() if not torch.equal(now.contiguous(), before[name])
    }


# ── Labels ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_labels_are_the_networks_own_classes(own, drives):
    train(own)
    net = network_before(own)
    with torch.inference_mode():
        for picture in drives.rglob("*.png"):
            classes = net(to_tensor(read_image(picture))).logits.argmax(1)[0].numpy()
            assert np.array_equal(read_mask(label_file(own, picture.relative_to(drives))), classes)
            assert len(np.unique(classes)) > 1


@pytest.mark.parametrize("terminal", [True, False])
def test_how_far_the_labelling_is_shows_on_a_terminal_alone(own, terminal):
    console, told = Console(file=io.StringIO(), force_terminal=terminal, width=120), []
    with progress_bar("training", console) as (on_step, on_label):
        train(own, on_step, on_label=lambda *told_now: told.append(told_now) or on_label(*told_now))
    assert told == [(done, 12) for done in range(1, 13)]
    shown = console.file.getvalue()
    assert all(words in shown for words in ("labelling pictures", "12/12", "2/2")) if terminal else not shown


def test_unsure_pixels_are_void_but_not_of_pictures_held_back(own):
    config = replace(own, label_confidence=0.6, inlier_size=(64, 96))
    train(config)
    net, shares = network_before(own), []
    for entry in training_data(config).entries:
        with torch.inference_mode():
            image = to_tensor(read_image(entry.image))
            out = net(
                to_tensor(np.array(Image.open(entry.image).resize((96, 64), Image.Resampling.BILINEAR)))
            )
            posterior, classes = replace(out, size=image.shape[-2:]).logits.double().softmax(1)[0].max(0)
        labels = read_mask(label_file(config, entry.name))
        sure = (posterior - 0.6).abs() > 1e-5
        expected = np.where(posterior < 0.6, 255, classes)
        assert np.array_equal(labels[sure], expected[sure])
        shares.append((labels == 255).mean())
    assert 0.02 < np.mean(shares) < 0.98
    for entry in divided_data(config)[1].entries:
        assert read_mask(label_file(config, entry.name)).max() < K


def test_a_network_of_ones_own_file_is_labelled_by_too(own, tmp_path):
    (tmp_path / "net.py").write_text(OWN_FILE)
    config = replace(
        own,
        model=f"{tmp_path}/net.py:network",
        model_options={"outlier_head_on": "net.2"},
        weights=None,
        num_classes=None,
    )
    net = train(config)
    assert isinstance(net, NetworkWithOutlierHead)
    metadata = checkpoint_metadata(config.out / "weights.safetensors")
    again = create_model(
        metadata["model"], int(metadata["num_classes"]), **json.loads(metadata["model_options"])
    )
    load_checkpoint(again, config.out / "weights.safetensors")
    assert read_mask(label_file(config, "0.png")).max() < K


def test_weights_say_how_many_classes_there_are(own, tmp_path):
    told = tmp_path / "told.safetensors"
    save_checkpoint(network_before(own), told, {"num_classes": str(K)})
    assert train(replace(own, weights=told, num_classes=None)).num_classes == K
    with pytest.raises(OddscapeError, match="model 'erfnet' needs num_classes"):
        train(replace(own, num_classes=None, out=tmp_path / "other"))


# ── Taking a run up ─────────────────────────────────────────────────────────────────────────────────────────


def test_labelling_that_was_stopped_goes_on_and_other_weights_begin_anew(own, tmp_path, monkeypatch):
    from oddscape.training import own_classes

    def only(count):
        """Let so many more pictures be labelled."""
        seen = []

        def run(net, image, *arguments, **options):
            if len(seen) == count:
                raise KeyboardInterrupt
            seen.append(image)
            return run_network(net, image, *arguments, **options)

        monkeypatch.setattr(own_classes, "run_network", run)
        return seen

    only(5)
    with pytest.raises(KeyboardInterrupt):
        train(own)
    assert len(list((own.out / "own_classes").rglob("*.png"))) == 5
    assert len(labelled := only(20)) == 0
    train(own)
    assert len(labelled) == 7
    other = network_before(own)
    other.decoder.output_conv.bias.data[0] += 100
    save_checkpoint(other, tmp_path / "other.safetensors")
    labelled = only(20)
    train(replace(own, weights=tmp_path / "other.safetensors", resume=False))
    assert len(labelled) == 12
    assert not read_mask(label_file(own, "0.png")).any()


def test_a_run_that_is_taken_up_ends_in_the_same_weights_without_labelling_again(own, monkeypatch):
    def stop(report):
        if report.step == 1:
            raise KeyboardInterrupt

    whole = train(replace(own, out=own.out / "whole")).state_dict()
    parts = replace(own, out=own.out / "parts", checkpoint_every=1)
    with pytest.raises(KeyboardInterrupt):
        train(parts, stop)
    monkeypatch.setattr("oddscape.training.own_classes.OwnClasses.label", None)
    moved = replace(parts, weights=Path("gone.safetensors"))
    again = train(moved).state_dict()
    assert not [name for name in whole if not torch.equal(whole[name], again[name])]
    costs = [RunFolder(own.out / name).load_closed_set_cost() for name in ("whole", "parts")]
    assert costs[0] == costs[1]


def test_a_run_that_compares_with_before_ends_in_the_same_weights_when_taken_up(own):
    def stop(report):
        if report.step == 1:
            raise KeyboardInterrupt

    own = replace(own, method="densehybrid-kept")
    whole = train(replace(own, out=own.out / "whole")).state_dict()
    parts = replace(own, out=own.out / "parts", checkpoint_every=1)
    with pytest.raises(KeyboardInterrupt):
        train(parts, stop)
    again = train(parts).state_dict()
    assert not [name for name in whole if not torch.equal(whole[name], again[name])]


# ── What trains ─────────────────────────────────────────────────────────────────────────────────────────────


def test_head_only_leaves_everything_else_bit_identical(own):
    reports = []
    net = train(replace(own, train_only="head", epochs=3, learning_rate=1e-2), reports.append)
    assert changed(net, own) == set()
    assert net.outlier_head.norm.num_batches_tracked > 0
    assert reports[-1].terms["dataset_posterior"] < reports[0].terms["dataset_posterior"]
    cost = RunFolder(own.out).load_closed_set_cost()
    assert (cost["pictures"], cost["agreement"], cost["miou_with_before"]) == (1, 1, 1)
    assert cost["miou_before"] is None


def test_frozen_layers_stay_and_the_rest_trains_with_its_batch_norms_frozen(own):
    net = train(replace(own, frozen=("encoder.initial_block", "encoder.layers.0")))
    moved = changed(net, own)
    assert moved
    assert not [name for name in moved if name.startswith(("encoder.initial_block.", "encoder.layers.0."))]
    assert "encoder.layers.1.conv3x1_1.weight" in moved
    assert not [name for name in moved if "running" in name]


def test_a_frozen_layers_batch_norms_keep_their_statistics_while_others_learn(own):
    net = train(replace(own, frozen=("encoder",), freeze_batch_norm=False))
    moved = changed(net, own)
    assert not [name for name in moved if name.startswith("encoder.")]
    assert "decoder.layers.0.bn.running_mean" in moved


def test_classes_that_are_to_be_kept_are_kept_better(own):
    def agreement(method, **options):
        run = replace(own, method=method, epochs=6, learning_rate=1e-2, out=own.out / method, **options)
        train(replace(run, hold_back_every=3))
        return RunFolder(run.out).load_closed_set_cost()["agreement"]

    assert agreement("densehybrid-kept", loss_options={"keep": 10}) > agreement("densehybrid") + 0.05


def test_what_is_to_be_kept_has_to_be_there(config, negatives_folder):
    told = {"method": "densehybrid-kept", "negatives": "ade20k", "negatives_data": negatives_folder}
    with pytest.raises(OddscapeError, match="densehybrid-kept needs weights, those of the network that is"):
        train(replace(config, **told))


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"frozen": ("encoder.first",)}, "NetworkWithOutlierHead has no layer 'encoder.first'; it has"),
        ({"method": "closed-set", "train_only": "head"}, "train_only = 'head' leaves nothing of ERFNet to"),
        ({"weights": None}, "inliers are labelled by the network itself, which needs weights"),
        ({"inliers": (Path("nowhere"),)}, "no folder nowhere; expected a folder of pictures, or a glob"),
        ({"batch_size": 12}, "drives.*: 11 pictures to train on, fewer than batch_size 12"),
    ],
)
def test_what_cannot_be_done_is_said(own, told, message):
    without = {"negatives": None, "negatives_data": None} if "method" in told else {}
    with pytest.raises(OddscapeError, match=message):
        train(replace(own, **told, **without))


# ── What it costs, and using it ─────────────────────────────────────────────────────────────────────────────


def test_with_labels_the_cost_is_told_in_miou(config, tmp_path):
    torch.manual_seed(0)
    start = create_model("small_ladder", 9)
    save_checkpoint(start, tmp_path / "start.safetensors")
    config = replace(config, weights=tmp_path / "start.safetensors", hold_back_every=3, batch_size=3)
    net, (_, held_back) = train(config), divided_data(config)
    cost = RunFolder(config.out).load_closed_set_cost()
    assert cost["pictures"] == len(held_back) == 3
    assert len(training_data(config)) == 6
    maps = [[run_network(n.eval(), s.image, {}).classes[0].numpy() for s in held_back] for n in (start, net)]
    assert cost["agreement"] == pytest.approx(np.mean(np.array(maps[0]) == np.array(maps[1])))
    assert 0 < cost["agreement"] < 1
    labels = np.array([scene.labels for scene in held_back])
    for name, found in zip(("miou_before", "miou_after"), np.array(maps), strict=True):
        assert cost[name] == pytest.approx(naive_miou(found[labels != 255], labels[labels != 255]))
    assert cost["miou_with_before"] == pytest.approx(naive_miou(np.array(maps[1]), np.array(maps[0])))


def test_an_ordinary_run_holds_nothing_back(config):
    train(replace(config, epochs=1))
    folder = RunFolder(config.out)
    assert not folder.own_classes.exists()
    assert folder.load_closed_set_cost() is None


def naive_miou(predicted, truth):
    ious = []
    for k in np.union1d(predicted, truth):
        hit, either = (predicted == k) & (truth == k), (predicted == k) | (truth == k)
        ious.append(hit.sum() / either.sum())
    return np.mean(ious)


def test_the_command_trains_says_the_cost_and_its_weights_are_evaluated_alone(
    own, drives, masks_folder, capsys
):
    options = {
        **{"model": "erfnet", "num-classes": K, "model-options.void": "true", "weights": own.weights},
        **{"out": own.out, "negatives": "ade20k", "negatives-data": own.negatives_data},
        **{"negatives-crop": "16x16", "crop": "24x24", "epochs": 1, "batch-size": 4, "threads": 1},
    }
    told = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    inliers = ["--inliers", str(drives / "b"), str(drives / "*.png")]
    assert main(["train", "densehybrid", *inliers, "--frozen", "encoder", "decoder.layers.0", *told]) is None
    printed = capsys.readouterr().out
    assert "closed-set cost on 1 held-back picture: " in printed
    assert "of pixels keep their class, mIoU with the classes before" in printed
    config = TrainConfig.from_toml(own.out / "config.toml")
    assert config.inliers == (drives / "b", drives / "*.png")
    assert config.frozen == ("encoder", "decoder.layers.0")
    assert (config.freezes_batch_norm, config.holds_back_every) == (True, 10)
    evaluate = ["evaluate", "--weights", own.out / "weights.safetensors", "--data", masks_folder]
    evaluate += ["--protocol", "masks", "--score", "densehybrid", "--out", own.out / "results.json"]
    assert main([str(part) for part in evaluate]) is None


def test_two_processes_share_the_work(own, two_processes):
    told = ("-m", "oddscape", "train", "--config", own.out / "told.toml", "--out")
    own = replace(own, hold_back_every=3, frozen=("encoder",))  # its dropout would differ in each process
    own.out.mkdir()
    (own.out / "told.toml").write_text(own.to_toml())
    train(replace(own, out=own.out / "alone"))
    printed = two_processes(*told, own.out / "together")
    assert "closed-set cost on 4 held-back pictures" in printed[0]
    assert "closed-set cost" not in printed[1]
    alone, together = (own.out / name / "own_classes" for name in ("alone", "together"))
    labels = sorted(path.relative_to(alone) for path in alone.rglob("*.png"))
    assert len(labels) == 12
    assert all((alone / name).read_bytes() == (together / name).read_bytes() for name in labels)
    costs = [RunFolder(own.out / name).load_closed_set_cost() for name in ("alone", "together")]
    assert costs[0]["agreement"] < 1
    assert costs[1] == pytest.approx(costs[0], abs=0.002)

import errno
import io
import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from rich.console import Console
from safetensors.torch import load_file
from torch import nn

from oddscape.data.training_pictures import TrainingPictures
from oddscape.errors import OddscapeError
from oddscape.models import checkpoint_metadata, create_model, load_checkpoint, save_checkpoint
from oddscape.models.outlier_head import with_outlier_head
from oddscape.models.pspnet import PSPNet, PSPStudent, dicnet
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.training.config import TrainConfig
from oddscape.training.loop import _with_synchronised_batch_norm, train
from oddscape.training.losses import Batch, densehybrid
from oddscape.training.progress import progress_bar
from oddscape.training.run_folder import RunFolder
from oddscape.training.setup import (
    Order,
    load_start,
    optimizer_for,
    schedule_factor,
    training_data,
    training_pictures,
)
from oddscape.training.step import Stepper

SIZE = (32, 32)
CLASSES = 9  # of CamVid without its two held-out ones


class TinyNetwork(nn.Module):
    """A few weights with everything that may go wrong on the way: batch norm, dropout, an unused weight."""

    def __init__(self, dropout=0.0):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.BatchNorm2d(8), nn.Dropout2d(dropout))
        self.classifier = nn.Conv2d(8, CLASSES, 1)
        self.outlier_head = nn.Conv2d(8, 2, 1)
        self.unused = nn.Conv2d(8, 2, 1)

    def forward(self, image):
        features = self.encoder(image)
        maps = NativeMaps(
            self.classifier(F.relu(features)), self.outlier_head(F.relu(features)), features=features
        )
        return DenseOutput(maps, tuple(image.shape[-2:]))


def tiny_network(dropout=0.0):
    torch.manual_seed(0)
    return TinyNetwork(dropout)


def weights_of(net):
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def assert_same_weights(one, other):
    assert one.keys() == other.keys()
    assert not [name for name in one if not torch.equal(one[name], other[name])]


def interrupt_at(step):
    def on_step(report):
        if report.step == step:
            raise KeyboardInterrupt

    return on_step


# ── The whole loop ──────────────────────────────────────────────────────────────────────────────────────────


def test_training_learns(hybrid):
    reports = []
    net = train(replace(hybrid, epochs=15, beta=0.1), reports.append, net=tiny_network())
    assert not net.training
    assert reports[-1].loss < 0.85 * reports[0].loss
    for name, before in reports[0].terms.items():
        assert reports[-1].terms[name] < before


def test_training_leaves_a_run_folder(config):
    reports = []
    net = train(config, reports.append)
    assert [(report.epoch, report.step) for report in reports] == [(1, 1), (1, 2), (2, 3), (2, 4)]
    again = create_model("small_ladder", CLASSES)
    load_checkpoint(again, config.out / "weights.safetensors")
    assert_same_weights(again.state_dict(), net.state_dict())
    metadata = checkpoint_metadata(config.out / "weights.safetensors")
    assert (metadata["model"], metadata["num_classes"]) == ("small_ladder", "9")
    assert json.loads((config.out / "environment.json").read_text())["device"]
    assert TrainConfig.from_toml(config.out / "config.toml") == config
    log = RunFolder(config.out).log()
    assert [line["step"] for line in log if line["kind"] == "step"] == [1, 2, 3, 4]
    assert [line["loss"] for line in log if line["kind"] == "step"] == [report.loss for report in reports]


def test_densehybrid_starts_from_closed_set_weights_and_adds_a_head(hybrid, tmp_path):
    start = create_model("small_ladder", CLASSES)
    save_checkpoint(start, tmp_path / "start.safetensors")
    config = replace(hybrid, weights=tmp_path / "start.safetensors", learning_rate=1e-12, schedule="constant")
    reports = []
    net = train(config, reports.append)
    assert set(reports[0].terms) == {"nll", "negative_likelihood", "dataset_posterior"}
    assert all(report.terms["negative_likelihood"] != 0 for report in reports)
    for name, parameter in start.named_parameters():
        torch.testing.assert_close(
            dict(net.named_parameters())[name].contiguous(), parameter, atol=1e-9, rtol=0
        )


def test_dicnet_trains_the_student_alone(config, tmp_path):
    teacher = create_model("small_ladder", CLASSES)
    save_checkpoint(teacher, tmp_path / "teacher.safetensors")
    reports = []
    net = train(
        replace(config, method="dicnet", weights=tmp_path / "teacher.safetensors", epochs=6), reports.append
    )
    assert_same_weights(weights_of(net.teacher), weights_of(teacher))
    assert reports[-1].loss < 0.8 * reports[0].loss


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(config):
    weights = [
        weights_of(train(replace(config, seed=seed, out=config.out / str(number), epochs=1)))
        for number, seed in enumerate((1, 1, 2))
    ]
    assert_same_weights(weights[0], weights[1])
    assert not torch.equal(weights[0]["classifier.weight"], weights[2]["classifier.weight"])


def test_readers_and_cache_change_nothing(hybrid):
    here = train(replace(hybrid, out=hybrid.out / "0"), net=tiny_network())
    there = train(replace(hybrid, out=hybrid.out / "1", workers=1, cache_mb=0), net=tiny_network())
    assert_same_weights(weights_of(here), weights_of(there))


def test_bfloat16_stays_close_to_float32(config):
    losses = {}
    for precision in ("no", "bf16"):
        reports = []
        train(
            replace(config, out=config.out / precision, mixed_precision=precision),
            reports.append,
            net=tiny_network(),
        )
        losses[precision] = [report.loss for report in reports]
    assert losses["bf16"] != losses["no"]
    assert losses["bf16"] == pytest.approx(losses["no"], rel=0.02)


@pytest.mark.parametrize("terminal", [True, False])
def test_the_bar_shows_what_it_is_told_on_a_terminal_alone(config, terminal):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120)
    with progress_bar("closed-set", console) as (on_step, _):
        train(replace(config, epochs=1), on_step, net=tiny_network())
    shown = console.file.getvalue()
    assert ("epoch 1/1" in shown and "2/2" in shown) if terminal else shown == ""


def test_the_number_of_threads_is_that_of_the_run_alone(config):
    before, seen = torch.get_num_threads(), []
    train(replace(config, epochs=1), lambda _: seen.append(torch.get_num_threads()), net=tiny_network())
    assert seen == [1, 1]
    assert torch.get_num_threads() == before


def test_denormals_are_flushed_for_the_training_alone(config):
    tiny, seen = torch.tensor([1e-40]), []
    train(replace(config, epochs=1), lambda _: seen.append((tiny * 1).item()), net=tiny_network())
    assert seen == [0.0, 0.0]
    assert (tiny * 1).item() > 0


# ── Stopping and going on ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("checkpoint_every", [0, 1])
@pytest.mark.parametrize("stop", [2, 3])
def test_a_run_that_was_stopped_ends_in_the_same_weights_and_log(hybrid, stop, checkpoint_every):
    config = replace(hybrid, checkpoint_every=checkpoint_every)
    whole = train(replace(config, out=config.out / "whole"), net=tiny_network(dropout=0.5))
    broken_off = replace(config, out=config.out / "stopped")
    with pytest.raises(KeyboardInterrupt):
        train(broken_off, interrupt_at(stop), net=tiny_network(dropout=0.5))
    assert not (broken_off.out / "weights.safetensors").exists()
    seen = []
    resumed = train(broken_off, seen.append, net=tiny_network(dropout=0.5))
    assert seen[0].step == (stop if checkpoint_every else 2) + 1
    assert_same_weights(weights_of(resumed), weights_of(whole))
    files = [folder / "weights.safetensors" for folder in (broken_off.out, config.out / "whole")]
    assert files[0].read_bytes() == files[1].read_bytes()

    def log(folder):
        lines = RunFolder(folder).log()
        return [{k: v for k, v in line.items() if k != "pictures_per_second"} for line in lines]

    assert log(broken_off.out) == log(config.out / "whole")


def test_a_stopped_network_of_ours_goes_on_too_without_its_start_weights(config, tmp_path):
    start = tmp_path / "start.safetensors"
    save_checkpoint(create_model("small_ladder", CLASSES), start)
    whole = train(replace(config, weights=start, out=tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        train(replace(config, weights=start), interrupt_at(2))
    start.unlink()
    assert_same_weights(weights_of(train(replace(config, weights=start))), weights_of(whole))


def imagenet_file(net, path):
    """Write a network's encoder as files of ImageNet weights hold it."""
    state = net.encoder.state_dict()
    torch.save({name: weight for name, weight in state.items() if "num_batches" not in name}, path)
    return path


def test_training_starts_from_imagenet_with_every_weight_of_the_trunk(config, tmp_path):
    torch.manual_seed(0)
    file = imagenet_file(PSPNet(CLASSES, width=4), tmp_path / "resnet50.pth")
    options = {"model": "pspnet", "model_options": {"width": 4}, "imagenet": file, "learning_rate": 1e-12}
    net = train(replace(config, epochs=1, freeze_batch_norm=True, **options))
    for name, weight in torch.load(file).items():
        torch.testing.assert_close(net.encoder.state_dict()[name], weight)


def test_a_dicnets_student_starts_from_imagenet_and_its_teacher_from_its_weights(config, tmp_path):
    torch.manual_seed(0)
    teacher = PSPNet(CLASSES, width=4)
    save_checkpoint(teacher, tmp_path / "teacher.safetensors")
    file = imagenet_file(PSPStudent(width=4), tmp_path / "resnet34.pth")
    method = replace(config, method="dicnet", weights=tmp_path / "teacher.safetensors", imagenet=file)
    net = dicnet(CLASSES, width=4)
    load_start(method, net)
    assert_same_weights(teacher.state_dict(), net.teacher.state_dict())
    for name, weight in torch.load(file).items():
        assert torch.equal(net.student.encoder.state_dict()[name], weight)


def test_a_head_around_a_network_makes_no_difference_to_what_it_starts_from(config, hybrid, tmp_path):
    torch.manual_seed(0)
    plain, net = PSPNet(CLASSES, width=4), with_outlier_head(PSPNet(CLASSES, width=4))
    file = imagenet_file(plain, tmp_path / "resnet50.pth")
    load_start(replace(config, imagenet=file), net)
    assert torch.equal(net.net.encoder.conv1.weight, torch.load(file)["conv1.weight"])
    head = weights_of(net.outlier_head)
    save_checkpoint(plain, tmp_path / "without.safetensors")
    load_start(replace(hybrid, weights=tmp_path / "without.safetensors"), net)
    assert_same_weights(net.net.state_dict(), plain.state_dict())
    assert_same_weights(net.outlier_head.state_dict(), head)
    other = with_outlier_head(PSPNet(CLASSES, width=4))
    save_checkpoint(other, tmp_path / "with.safetensors")
    load_start(replace(hybrid, weights=tmp_path / "with.safetensors"), net)
    assert_same_weights(net.state_dict(), other.state_dict())


def test_deep_supervision_trains_its_branch_and_stands_in_the_log(config):
    options = {"width": 4, "deep_supervision": True}
    reports = []
    net = train(
        replace(config, model="pspnet", model_options=options, epochs=1, learning_rate=1e-3), reports.append
    )
    torch.manual_seed(config.seed)
    before = create_model("pspnet", CLASSES, **options).state_dict()
    branch = [name for name in before if "deepsup" in name and name.endswith("weight")]
    assert branch
    assert not [name for name in branch if torch.equal(before[name], net.state_dict()[name])]
    terms = reports[0].terms
    assert reports[0].loss == pytest.approx(terms["nll"] + 0.4 * terms["auxiliary_nll"])


def test_checkpointed_activations_train_the_same_and_are_no_matter_afterwards(config):
    config = replace(config, model="ldn121", epochs=1, learning_rate=1e-3)
    nets = {}
    for checkpointing in (False, True):
        options = {"blocks": (1, 1, 1, 1), "checkpointing": checkpointing}
        run = replace(config, model_options=options, out=config.out / str(checkpointing))
        nets[checkpointing] = train(run)
    assert_same_weights(*map(weights_of, nets.values()))
    stored = config.out / "True" / "weights.safetensors"
    options = json.loads(checkpoint_metadata(stored)["model_options"])
    assert options["checkpointing"] is True
    net, image = create_model("ldn121", CLASSES, **options).eval(), torch.rand(1, 3, *SIZE)
    load_checkpoint(net, stored)
    torch.testing.assert_close(net(image).logits, nets[False].eval()(image).logits, rtol=1e-4, atol=1e-4)


def test_a_finished_run_gives_its_network_back_without_training(config):
    first = train(config)
    reports = []
    assert_same_weights(weights_of(train(config, reports.append)), weights_of(first))
    assert reports == []


def test_a_full_disk_stops_with_one_line_and_the_run_goes_on(config, monkeypatch):
    whole = train(replace(config, out=config.out / "whole"), net=tiny_network())
    real = Path.write_bytes

    def full_in_the_second_epoch(path, content):
        if "checkpoint" in path.name and RunFolder(config.out / "full").checkpoint.exists():
            real(path, content[:100])
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, content)

    broken_off = replace(config, out=config.out / "full")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full_in_the_second_epoch)
        with pytest.raises(OddscapeError, match=r"cannot write .*checkpoint\.safetensors: No space left"):
            train(broken_off, net=tiny_network())
    assert not list(broken_off.out.glob("*.partial")) + list(broken_off.out.glob(".*"))
    assert_same_weights(weights_of(train(broken_off, net=tiny_network())), weights_of(whole))


# ── Bad input ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": Path("nowhere")}, "no folder"),
        ({"dataset": "nothing"}, "unknown data set 'nothing'"),
        ({"dataset_options": {"split": "other"}}, "'other' is not one of"),
        ({"model": "nothing"}, "unknown model 'nothing'"),
        ({"weights": Path("nowhere.safetensors")}, "no checkpoint at nowhere"),
        ({"batch_size": 10}, "9 pictures to train on, fewer than batch_size 10"),
        ({"imagenet": Path("nowhere.pth"), "model": "ldn121"}, "no checkpoint at nowhere"),
        ({"imagenet": Path("nowhere.pth")}, "no ImageNet weights are known for SmallLadder"),
        ({"method": "dicnet"}, "dicnet needs weights"),
    ],
)
def test_bad_input_is_one_clear_line_and_leaves_no_folder(config, options, message):
    with pytest.raises(OddscapeError, match=message) as error:
        train(replace(config, **options))
    assert "\n" not in str(error.value)
    assert not config.out.exists()


def test_weights_of_another_network_are_named(hybrid, tmp_path):
    save_checkpoint(create_model("small_ladder", CLASSES + 1), tmp_path / "other.safetensors")
    with pytest.raises(OddscapeError, match=r"other\.safetensors does not fit SmallLadder: .*classifier"):
        train(replace(hybrid, weights=tmp_path / "other.safetensors"))


def test_a_network_with_other_classes_is_refused(config):
    net = create_model("small_ladder", 4)
    with pytest.raises(OddscapeError, match="the network has 4 classes, the training data camvid has 9"):
        train(config, net=net)


def test_a_network_that_lacks_what_the_loss_reads_is_refused(config, hybrid):
    net = create_model("small_ladder", CLASSES)
    with pytest.raises(OddscapeError, match="dicnet needs student_features, which the network does not give"):
        train(replace(config, method="dicnet"), net=net)
    with pytest.raises(OddscapeError, match="densehybrid needs outlier_logits"):
        train(hybrid, net=net)


def test_a_loss_that_is_not_finite_stops_with_its_place_and_pictures(config):
    net = tiny_network()
    with torch.no_grad():
        net.classifier.bias[0] = math.nan
    message = r"loss is nan \(nll nan\) in epoch 1, step 1, pictures (a_\d(, )?){4}$"
    with pytest.raises(OddscapeError, match=message) as error:
        train(config, net=net)
    assert not (config.out / "checkpoint.safetensors").exists()
    failed = json.loads((config.out / "failed_step.json").read_text())
    assert (failed["epoch"], failed["step"], failed["terms"]) == (1, 1, {"nll": "nan"})
    assert all(picture["name"] in str(error.value) for picture in failed["pictures"])
    assert [Path(picture["image"]).is_file() for picture in failed["pictures"]] == [True] * 4
    train(config, net=tiny_network())
    assert not (config.out / "failed_step.json").exists()


class InfiniteGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):  # noqa: ARG004
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):  # noqa: ARG004
        return gradient * math.inf


def test_a_gradient_that_is_not_finite_stops_before_it_spoils_the_weights(config):
    net = tiny_network()
    before = weights_of(net.classifier)
    net.classifier.register_forward_hook(lambda _net, _args, out: InfiniteGradient.apply(out))
    with pytest.raises(OddscapeError, match=r"gradient is not finite, the loss \d.* in epoch 1, step 1"):
        train(config, net=net)
    assert_same_weights(weights_of(net.classifier), before)


@pytest.mark.parametrize("part", ["train", "trainannot"])
def test_a_broken_picture_in_the_middle_of_an_epoch_is_named_in_one_line(config, tmp_path, part):
    data = shutil.copytree(config.data, tmp_path / "data")
    config = replace(config, data=data, epochs=1, checkpoint_every=1)
    second_step = Order(9, config.seed, config.batch_size).indices[1].ravel()
    broken = data / part / f"a_{second_step[2]}.png"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:60])
    with pytest.raises(OddscapeError) as error:
        train(config, net=tiny_network())
    assert str(error.value).startswith(f"{broken}: does not decode as a picture")
    assert "\n" not in str(error.value)
    assert not list(config.out.glob(".*"))
    assert not (config.out / "weights.safetensors").exists()
    broken.write_bytes(whole)
    reports = []
    train(config, reports.append, net=tiny_network())
    assert [report.step for report in reports] == [2]


def test_synchronised_batch_norms_are_refused_on_a_cpu_and_where_they_are_frozen(config):
    with pytest.raises(OddscapeError, match="sync_batch_norm works on GPUs alone, this is a cpu"):
        train(replace(config, sync_batch_norm=True))
    assert not config.out.exists()
    with pytest.raises(OddscapeError, match="freeze_batch_norm and sync_batch_norm are both given"):
        replace(config, sync_batch_norm=True, freeze_batch_norm=True)


def test_synchronised_batch_norms_take_the_place_of_others_with_their_weights():
    net = tiny_network()
    before, weight = weights_of(net), net.encoder[1].weight
    net = _with_synchronised_batch_norm(net, torch.device("cuda"))
    assert isinstance(net.encoder[1], nn.SyncBatchNorm)
    assert net.encoder[1].weight is weight  # as the optimiser knows it
    assert_same_weights(weights_of(net), before)


# ── The parts ───────────────────────────────────────────────────────────────────────────────────────────────


def batch_of(config, indices):
    pictures = TrainingPictures.__getitem__
    data = training_pictures(config, training_data(config))
    samples = [pictures(data, index) for index in indices]
    batch = Batch(**{key: torch.stack([sample[key] for sample in samples]) for key in samples[0]})
    return batch.to(torch.device("cpu"))


def gradients(net, config, parts):
    net = net.double().eval()
    stepper = Stepper(Accelerator(), net, densehybrid(), optimizer_for(config, net), "no")
    loss = stepper.accumulate([replace(part, image=part.image.double()) for part in parts])
    return loss, {name: p.grad for name, p in net.named_parameters() if p.grad is not None}


def test_parts_of_a_step_give_the_gradients_of_one_big_batch(hybrid):
    whole = batch_of(hybrid, range(6))
    pasted = whole.pasted.clone()
    pasted[:4] = False  # the first part has no negatives, and the parts' counts differ
    labels = whole.labels.clone()
    labels[0, :20] = 255
    whole = replace(whole, pasted=pasted, labels=labels)
    cuts = (slice(0, 1), slice(1, 4), slice(4, 6))
    fields = ("image", "labels", "pasted", "left_out")
    parts = [Batch(**{f: getattr(whole, f)[cut] for f in fields}) for cut in cuts]
    loss, one = gradients(tiny_network(), hybrid, [whole])
    summed_loss, several = gradients(tiny_network(), hybrid, parts)
    assert summed_loss.value == pytest.approx(loss.value, rel=1e-5)
    assert one.keys() == several.keys()
    for name, gradient in one.items():
        torch.testing.assert_close(several[name], gradient, rtol=1e-4, atol=1e-7)


def test_accumulating_trains_like_the_whole_batch_where_batch_norms_are_frozen(hybrid):
    trained = [
        train(
            replace(hybrid, out=hybrid.out / str(parts), accumulate=parts, freeze_batch_norm=True, epochs=1),
            net=tiny_network(),
        )
        for parts in (1, 4)
    ]
    one, other = (weights_of(net) for net in trained)
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=1e-3, atol=1e-4)
    assert torch.equal(one["encoder.1.running_mean"], torch.zeros(8))


TORCHRUN = "torch.distributed.run --standalone --nproc-per-node 2"
# On CPUs alone accelerate leaves several processes to mpirun; told of GPUs it starts them, GPUs or none.
ACCELERATE = (
    "accelerate.commands.launch --multi_gpu --gpu_ids all --num_processes 2 --num_machines 1 "
    "--main_process_port 0 --mixed_precision no --dynamo_backend no"
)


@pytest.mark.parametrize("launcher", [TORCHRUN, ACCELERATE], ids=["torchrun", "accelerate"])
def test_two_processes_train_like_one(hybrid, tmp_path, launcher):
    alone = replace(hybrid, freeze_batch_norm=True, learning_rate=1e-3)
    together = replace(alone, out=tmp_path / "together")
    train(alone)
    (tmp_path / "settings.toml").write_text(together.to_toml())
    done = subprocess.run(
        [
            *(sys.executable, "-m", *launcher.split()),
            *("-m", "oddscape", "train", "densehybrid", "--config", tmp_path / "settings.toml"),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "find_unused_parameters" not in done.stderr
    assert json.loads((together.out / "environment.json").read_text())["processes"] == 2
    one, two = (load_file(config.out / "weights.safetensors") for config in (alone, together))
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-3, atol=1e-4)
    logs = [RunFolder(config.out).log() for config in (alone, together)]
    assert [line["loss"] for line in logs[1]] == pytest.approx([line["loss"] for line in logs[0]], rel=1e-3)


GRADIENTS_OF_A_SHARE = """
import sys
import torch
from accelerate import Accelerator
from oddscape.models import create_model
from oddscape.training.losses import Batch, densehybrid
from oddscape.training.step import Stepper

def main(folder):
    accelerator = Accelerator(cpu=True)
    net = create_model("densehybrid_small_ladder", 9)
    net.load_state_dict(torch.load(f"{folder}/net"))
    net = net.double().eval()
    stepper = Stepper(accelerator, net, densehybrid(), torch.optim.SGD(net.parameters()), "no")
    parts = [Batch(**fields) for fields in torch.load(f"{folder}/{accelerator.process_index}")]
    loss = stepper.accumulate(parts)
    gradients = {name: weight.grad for name, weight in net.named_parameters()}
    torch.save({"loss": loss.value, "gradients": gradients}, f"{folder}/of {accelerator.process_index}")
    accelerator.end_training()

main(sys.argv[1])
"""


def test_processes_with_other_numbers_of_pixels_give_the_gradients_of_one_big_batch(
    hybrid, tmp_path, two_processes
):
    whole = batch_of(hybrid, range(6))
    pasted, labels = whole.pasted.clone(), whole.labels.clone()
    pasted[:3] = False  # the first process has no negatives at all, nor has a part of the second
    pasted[5] = False
    labels[0, :20] = labels[4] = 255
    fields = {
        "image": whole.image.double(), "labels": labels, "pasted": pasted, "left_out": whole.left_out
    }  # fmt: skip
    shares = ((slice(0, 1), slice(1, 3)), (slice(3, 5), slice(5, 6)))
    for process, cuts in enumerate(shares):
        torch.save([{n: f[cut].clone() for n, f in fields.items()} for cut in cuts], tmp_path / str(process))
    torch.manual_seed(0)
    net = create_model("densehybrid_small_ladder", CLASSES)
    torch.save(net.state_dict(), tmp_path / "net")
    loss, expected = gradients(net, hybrid, [Batch(**fields)])
    two_processes("-c", GRADIENTS_OF_A_SHARE, tmp_path)
    for process in range(2):
        found = torch.load(tmp_path / f"of {process}")
        assert found["loss"] == pytest.approx(loss.value, rel=1e-6)
        assert found["gradients"].keys() == expected.keys()
        for name, gradient in expected.items():
            torch.testing.assert_close(found["gradients"][name], gradient, rtol=1e-6, atol=1e-9)


def test_an_epoch_shows_each_picture_once_and_processes_share_each_step():
    orders = [Order(23, seed=5, batch_size=8, parts=2, process=rank, processes=2) for rank in range(2)]
    alone = Order(23, seed=5, batch_size=8)
    steps = [set(batch) for batch in alone]
    assert len(steps) == 2
    assert len(steps[0] | steps[1]) == 16
    shares = [list(order) for order in orders]
    assert [len(batch) for batch in shares[0]] == [2, 2, 2, 2]
    for number, step in enumerate(steps):
        both = [index for share in shares for batch in share[2 * number : 2 * number + 2] for index in batch]
        assert sorted(both) == sorted(step)


def test_order_follows_from_the_epoch_and_can_begin_inside_it():
    order = Order(20, seed=0, batch_size=4)
    first = list(order)
    order.begin(1, 0)
    second = list(order)
    assert first != second
    order.begin(1, 3)
    assert list(order) == second[3:]


def test_a_step_that_processes_cannot_share_is_refused():
    with pytest.raises(OddscapeError, match="batch_size 6 does not divide into 2 parts on 2 processes"):
        Order(20, seed=0, batch_size=6, parts=2, processes=2)


def test_schedule_rises_then_falls_along_a_cosine(config):
    config = replace(config, learning_rate=1.0, final_learning_rate=0.1, warmup_steps=4)
    factors = [schedule_factor(config, step, 14) for step in range(15)]
    assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factors[9] == pytest.approx(0.55)
    assert factors[14] == pytest.approx(0.1)
    assert schedule_factor(replace(config, schedule="constant"), 9, 14) == 1.0


def test_backbone_and_head_have_learning_rates_of_their_own(config):
    config = replace(config, learning_rate=1.0, backbone_factor=0.25, head_learning_rate=3.0)
    net = tiny_network()
    rates = {
        id(p): group["base_lr"] for group in optimizer_for(config, net).param_groups for p in group["params"]
    }
    found = {name: rates[id(p)] for name, p in net.named_parameters()}
    assert found["encoder.0.weight"] == 0.25
    assert found["outlier_head.bias"] == 3.0
    assert found["classifier.weight"] == 1.0


def test_a_backbone_factor_without_backbone_is_refused(config):
    with pytest.raises(OddscapeError, match="no part of the network is an encoder or backbone"):
        optimizer_for(replace(config, backbone_factor=0.25), nn.Conv2d(3, 2, 1))

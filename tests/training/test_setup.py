"""From a configuration to loss, optimiser and schedule, against PyTorch's own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, PolynomialLR

from oddscape.data.dataset import Dataset, Entry, class_dataset
from oddscape.data.streethazards import STREETHAZARDS_12
from oddscape.errors import OddscapeError
from oddscape.models import create_model, save_checkpoint
from oddscape.training.config import TrainConfig
from oddscape.training.methods import LOSSES
from oddscape.training.setup import (
    load_start,
    loss_for,
    optimizer_for,
    schedule_factor,
    training_pictures,
)

EPOCHS, STEPS_OF_EPOCH = 6, 5
CONFIG = TrainConfig(
    method="closed-set",
    dataset="town",
    data=Path("data"),
    out=Path("run"),
    epochs=EPOCHS,
    learning_rate=4e-4,
    final_learning_rate=1e-7,
)
DATASET = Dataset("made", STREETHAZARDS_12, (), lambda *_: None)
K = STREETHAZARDS_12.num_classes


def with_method(name, **options):
    negatives = {"negatives": "ade20k", "negatives_data": Path("n")} if LOSSES[name].takes_negatives else {}
    return replace(CONFIG, method=name, **negatives, **options)


def learning_rates(config):
    """Of each step."""
    steps = EPOCHS * STEPS_OF_EPOCH
    return [config.learning_rate * schedule_factor(config, step, steps) for step in range(steps)]


def pytorchs_learning_rates(make, count):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=CONFIG.learning_rate)
    scheduler, rates = make(optimizer), []
    for _ in range(count):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return rates


def test_a_cosine_per_epoch_is_pytorchs():
    per_epoch = pytorchs_learning_rates(lambda o: CosineAnnealingLR(o, EPOCHS, eta_min=1e-7), EPOCHS)
    expected = [rate for rate in per_epoch for _ in range(STEPS_OF_EPOCH)]
    assert learning_rates(replace(CONFIG, schedule_per="epoch")) == pytest.approx(expected, rel=1e-9)


def test_poly_per_step_is_pytorchs():
    steps = EPOCHS * STEPS_OF_EPOCH
    expected = pytorchs_learning_rates(lambda o: PolynomialLR(o, steps, power=0.9), steps)
    poly = replace(CONFIG, schedule="poly", final_learning_rate=0.0)
    assert learning_rates(poly) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("schedule", ["cosine", "poly"])
@pytest.mark.parametrize("per", ["step", "epoch"])
def test_after_the_warm_up_a_schedule_only_falls(schedule, per):
    config = replace(CONFIG, schedule=schedule, schedule_per=per, warmup_steps=7)
    rates = learning_rates(config)
    assert rates[:7] == pytest.approx([4e-4 * step / 8 for step in range(1, 8)])
    assert rates[7] == pytest.approx(4e-4)
    assert rates[7:] == sorted(rates[7:], reverse=True)
    assert min(rates[7:]) >= 1e-7


def test_sgd_is_pytorchs_with_momentum_and_weight_decay():
    config = replace(CONFIG, optimizer="sgd", learning_rate=0.02, momentum=0.8, weight_decay=1e-2)
    nets = [create_model("small_ladder", 3) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    optimizers = [
        optimizer_for(config, nets[0]),
        torch.optim.SGD(nets[1].parameters(), lr=0.02, momentum=0.8, weight_decay=1e-2),
    ]
    image = torch.rand(2, 3, 64, 64)
    for _ in range(3):
        for net, optimizer in zip(nets, optimizers, strict=True):
            optimizer.zero_grad()
            net(image).logits.square().mean().backward()
            optimizer.step()
    for one, other in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("closed_set", "model", "new"),
    [
        ("small_ladder", "densehybrid_small_ladder", "outlier_head."),
        ("small_ladder", "void_small_ladder", "void_classifier."),
        ("ldn121", "densehybrid_ldn121", "logits_ood."),
    ],
)
def test_closed_set_weights_start_a_network_with_more_heads(closed_set, model, new, tmp_path):
    shallow = {"blocks": (1, 1, 1, 1)} if "ldn" in model else {}
    start, net = create_model(closed_set, K, **shallow), create_model(model, K, **shallow)
    save_checkpoint(start, tmp_path / "start.safetensors")
    load_start(replace(CONFIG, weights=tmp_path / "start.safetensors"), net)
    loaded = {name: weight for name, weight in net.state_dict().items() if not name.startswith(new)}
    assert len(loaded) < len(net.state_dict())
    for name, weight in start.state_dict().items():
        assert torch.equal(loaded.pop(name), weight)
    assert not loaded
    groups = optimizer_for(replace(CONFIG, head_learning_rate=0.5), net).param_groups
    heads = {id(weight) for name, weight in net.named_parameters() if name.startswith(new)}
    assert {id(weight) for group in groups if group["base_lr"] == 0.5 for weight in group["params"]} == heads


def test_a_loss_takes_its_options_from_configuration_network_and_loss_options():
    def weights(config, model):
        return {term.name: term.weight for term in loss_for(config, create_model(model, K), DATASET)}

    hybrid = with_method("densehybrid", beta=0.2)
    assert weights(hybrid, "densehybrid_small_ladder") == {
        "nll": 1.0,
        "negative_likelihood": 0.2,
        "dataset_posterior": 2.0,
    }
    entropy = with_method("entropy-maximisation", loss_options={"weight": 0.25})
    assert weights(entropy, "small_ladder") == {"nll": 0.75, "negative_cross_entropy": 0.25}


def test_a_loss_that_does_not_fit_is_refused():
    net = create_model("small_ladder", K)
    with pytest.raises(OddscapeError, match="outlier-exposure needs void_logits, which the network does not"):
        loss_for(with_method("outlier-exposure"), net, DATASET)
    with pytest.raises(OddscapeError, match=r"loss 'closed-set' has no option weight; it has deep_superv"):
        loss_for(replace(CONFIG, loss_options={"weight": 1.0}), net, DATASET)


@pytest.mark.parametrize("name", [name for name in LOSSES if LOSSES[name].distils])
def test_a_student_learns_from_its_teacher_at_the_places_of_its_features(name):
    terms = loss_for(with_method(name), create_model(LOSSES[name].model, K), DATASET)
    assert terms[0].mask.keywords == {"stride": 4}


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def coco(folder):
    """One picture with a car on its left half and a dog on its right."""
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, :20], image[:, 20:] = 80, 200
    save(folder / "images/train2017/1.png", image)
    (folder / "labels/train2017").mkdir(parents=True)
    outlines = "2 0 0 0.5 0 0.5 1 0 1\n16 0.5 0 1 0 1 1 0.5 1\n"
    (folder / "labels/train2017/1.txt").write_text(outlines)
    return folder


def test_objects_and_those_of_known_classes_are_pasted_as_told(tmp_path):
    picture = save(tmp_path / "known/1.png", np.full((60, 60, 3), 10, np.uint8))
    truth = save(tmp_path / "truth/1.png", np.full((60, 60), 8, np.uint8))  # raw 8 is road
    space = STREETHAZARDS_12
    dataset = class_dataset("made", space, (Entry("1", picture, truth),), "made")
    config = replace(
        CONFIG,
        method="densehybrid",
        negatives="coco-outlines",
        negatives_data=coco(tmp_path / "coco"),
        objects=(1, 1),
        object_area=(0.05, 0.05),
        known_objects={"car": "car"},
        known_objects_count=(1, 1),
    )
    sample = training_pictures(config, dataset)[0]
    red, car, road = sample["image"][0].numpy(), space.classes.index("car"), space.classes.index("road")
    assert sample["pasted"].numpy().mean() == pytest.approx(0.05, rel=0.3)
    assert (red[sample["pasted"].numpy()] > 150).all()
    assert set(np.unique(sample["labels"])) <= {car, road, 255}
    assert (red[sample["labels"].numpy() == car] < 100).all()
    with pytest.raises(OddscapeError, match=r"known_objects: no class lorry in made; there are .*road"):
        training_pictures(replace(config, known_objects={"car": "lorry"}), dataset)

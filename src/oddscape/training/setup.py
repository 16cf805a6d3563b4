"""From a configuration to what the training loop works with: pictures, order, network, loss, optimiser."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from oddscape.data import Dataset
from oddscape.data import open as open_dataset
from oddscape.data.class_uniform import class_uniform
from oddscape.data.coco_outlines import CATEGORIES, coco_outlines_of
from oddscape.data.joined import joined
from oddscape.data.object_pasting import KnownObjects, ObjectPasting
from oddscape.data.plain_pictures import plain_pictures
from oddscape.data.training_pictures import Negatives, TrainingPictures
from oddscape.errors import OddscapeError
from oddscape.models import DiCNet, create_model, probe
from oddscape.models.checkpoints import checkpoint_metadata, load_checkpoint, read_weights
from oddscape.models.imagenet import load_imagenet
from oddscape.models.layers import layer_named
from oddscape.models.outlier_head import NetworkWithOutlierHead
from oddscape.models.own_file import is_own_file
from oddscape.outputs import DenseOutput
from oddscape.training.config import TrainConfig
from oddscape.training.losses import Loss
from oddscape.training.methods import LOSSES

_BACKBONES = frozenset({"encoder", "backbone"})
HEADS = ("outlier_head.", "logits_ood.", "void_classifier.")
"""What closed-set weights lack, and training begins anew."""
_WRAPPERS = ("", "net.", "net.net.")
"""What names of layers begin with in a network that ``wrap`` or ``with_outlier_head`` is around."""


def training_data(config: TrainConfig) -> Dataset:
    """Open the pictures to train on; inliers have no labels yet.

    Raises:
        OddscapeError: data that is not there, or fewer pictures than a step takes.
    """
    return divided_data(config)[0]


def divided_data(config: TrainConfig) -> tuple[Dataset, Dataset]:
    """Open the pictures to train on, and those held back to tell what the classes suffer; there may be none.

    Raises:
        OddscapeError: data that is not there, or fewer pictures than a step takes.
    """
    # Each by itself, before any picture is taken several times: none is both trained on and held back.
    parts = {name: _divided(part, config.holds_back_every) for name, part in _data_sets(config).items()}
    if config.also:
        kept = joined({name: part for name, (part, _) in parts.items()}, config.times)
        held_back = joined({name: part for name, (_, part) in parts.items()})
    else:
        [(kept, held_back)] = parts.values()
    if len(kept) < config.batch_size:
        raise OddscapeError(
            f"{', '.join(map(str, config.folders))}: {len(kept)} pictures to train on, "
            f"fewer than batch_size {config.batch_size}"
        )
    return kept, held_back


def _data_sets(config: TrainConfig) -> dict[str, Dataset]:
    """All pictures, by the names that the configuration has for them."""
    if config.dataset is None or config.data is None:
        return {"inliers": plain_pictures(config.inliers)}
    first = open_dataset(config.dataset, config.data, **config.training_options)
    return {config.dataset: first} | {
        name: open_dataset(part.dataset, part.data, **part.options)
        for name, part in config.further_data.items()
    }


def _divided(dataset: Dataset, every: int) -> tuple[Dataset, Dataset]:
    """What is trained on, and each ``every``-th picture, which is held back; 0: none."""
    numbers = range(1, len(dataset) + 1)
    kept, held_back = (
        tuple(dataset.entries[n - 1] for n in numbers if (n % (every or n + 1) == 0) is held)
        for held in (False, True)
    )
    return replace(dataset, entries=kept), replace(dataset, entries=held_back)


def training_pictures(config: TrainConfig, dataset: Dataset) -> TrainingPictures:
    """Cut the data's pictures for training and, for losses that take them, mix negatives in.

    Raises:
        OddscapeError: data without class labels, or negatives that are not there or do not fit.
    """
    return TrainingPictures(
        dataset,
        config.crop,
        size=config.inlier_size,
        scale=config.scale,
        flip=config.flip,
        colour_jitter=config.colour_jitter,
        pad_colour=config.pad_colour,
        negatives=_negatives(config, dataset),
        class_uniform=class_uniform(dataset, config.class_uniform) if config.class_uniform else None,
        seed=config.seed,
        cache_bytes=config.cache_mb * 1_000_000,
    )


def _negatives(config: TrainConfig, dataset: Dataset) -> Negatives | None:
    if config.negatives is None or config.negatives_data is None:
        return None
    return Negatives(
        open_dataset(config.negatives, config.negatives_data, **config.negatives_options),
        shorter_side=config.negatives_shorter_side,
        scale=config.negatives_scale,
        crop=config.negatives_crop,
        rectangle_probability=config.rectangle_probability,
        objects=config.objects
        and ObjectPasting(config.objects, config.object_area, likeness=config.object_likeness),
        known_objects=_known_objects(config, dataset, config.negatives_data)
        if config.known_objects
        else None,
    )


def _known_objects(config: TrainConfig, dataset: Dataset, directory: Path) -> KnownObjects:
    """COCO's objects of known classes."""
    classes = dataset.label_space.classes if dataset.label_space else ()
    if unknown := [name for name in config.known_objects.values() if name not in classes]:
        raise OddscapeError(
            f"known_objects: no class {', '.join(unknown)} in {dataset.name}; there are {', '.join(classes)}"
        )
    ids = {CATEGORIES.index(name): classes.index(known) for name, known in config.known_objects.items()}
    scenes = coco_outlines_of(directory, list(config.known_objects))
    return KnownObjects(scenes, ids, config.known_objects_count)


@dataclass
class Order:
    """The order of pictures: for one process, an iterable of the index lists that it reads one after another.

    Each epoch is a permutation drawn from (seed, epoch), cut into steps. A step's pictures are divided
    among parts and, within a part, among processes.

    Args:
        pictures: number of training pictures.
        seed: of all epochs.
        batch_size: pictures of a step, over all parts and processes.
        parts: parts of a step.
        process: this process's number.
        processes: number of processes.

    Raises:
        OddscapeError: a step cannot be divided evenly.
    """

    pictures: int
    seed: int
    batch_size: int
    parts: int = 1
    process: int = 0
    processes: int = 1
    epoch: int = 0
    first_step: int = 0

    def __post_init__(self) -> None:
        if self.batch_size % (self.parts * self.processes):
            shares = f"{self.parts} parts on {self.processes} processes"
            raise OddscapeError(f"batch_size {self.batch_size} does not divide into {shares}")

    def begin(self, epoch: int, first_step: int) -> None:
        """Say which epoch, and from which of its steps on, is read next."""
        self.epoch, self.first_step = epoch, first_step

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self.pictures // self.batch_size

    @property
    def indices(self) -> NDArray[np.intp]:
        """The epoch's pictures, intp [steps, parts, processes, pictures of one forward pass]."""
        # The stream of the index after the last picture's, which no picture draws from.
        rng = np.random.default_rng((self.seed, self.epoch, self.pictures))
        used = rng.permutation(self.pictures)[: self.steps * self.batch_size]
        return used.reshape(self.steps, self.parts, self.processes, -1)

    def __iter__(self) -> Iterator[list[int]]:
        mine = self.indices[self.first_step :, :, self.process]
        yield from mine.reshape(-1, mine.shape[-1]).tolist()


def num_classes(dataset: Dataset) -> int:
    """Number of known classes of training data.

    Raises:
        OddscapeError: it has no class labels.
    """
    if dataset.label_space is None:
        raise OddscapeError(f"{dataset.name} has no class labels to train on")
    return dataset.label_space.num_classes


def network(config: TrainConfig, dataset: Dataset) -> nn.Module:
    """Make the network with random weights that follow from the seed.

    Raises:
        OddscapeError: an unknown network or option; a student for which no teacher's weights are named; no
            weights for a network that is to label its pictures itself.
    """
    brings_weights = config.model_name.startswith("transformers:") or is_own_file(config.model_name)
    if config.inliers and config.weights is None and not brings_weights:
        raise OddscapeError("inliers are labelled by the network itself, which needs weights for that")
    if LOSSES[config.method].distils and config.weights is None:
        raise OddscapeError(
            f"{config.method} needs weights, the teacher's: a segmentation network's after training"
        )
    if LOSSES[config.method].compares and config.weights is None and not brings_weights:
        raise OddscapeError(
            f"{config.method} needs weights, those of the network that is to keep its classes"
        )
    torch.manual_seed(config.seed)
    return create_model(config.model_name, _known_classes(config, dataset), **network_options(config))


def _known_classes(config: TrainConfig, dataset: Dataset) -> int | None:
    """Number of known classes as far as it is said; None leaves it to the network."""
    if config.num_classes is not None or not config.inliers:
        return config.num_classes or num_classes(dataset)
    said = {} if config.weights is None else checkpoint_metadata(config.weights)
    return int(said["num_classes"]) if "num_classes" in said else None


def network_options(config: TrainConfig) -> dict[str, Any]:
    """Options of the network, an outlier head among them where the method needs one."""
    head = {"outlier_head": True} if "outlier_logits" in LOSSES[config.method].needs else {}
    return {**head, **config.model_options}


def load_start(config: TrainConfig, net: nn.Module) -> None:
    """Load the weights that training starts from.

    ``weights`` go into a DiCNet's teacher, or into all but an outlier head or void class; ImageNet's into the
    trunk, of a DiCNet into its student's.

    Raises:
        OddscapeError: weights that are missing or do not fit.
    """
    if config.weights is not None:
        load_checkpoint(_part_for(config.weights, net), config.weights, may_miss=HEADS)
    if config.imagenet is not None:
        load_imagenet(net.student if isinstance(net, DiCNet) else net, config.imagenet)


def _part_for(weights: Path, net: nn.Module) -> nn.Module:
    """What of a network weights to start from are for."""
    if isinstance(net, DiCNet):
        return net.teacher
    if isinstance(net, NetworkWithOutlierHead):
        has_head = any(name.startswith(HEADS) for name in read_weights(weights))
        return net if has_head else net.net
    return net


def loss_for(config: TrainConfig, net: nn.Module, dataset: Dataset) -> Loss:
    """Make the method's loss, having made sure on a small grey picture that the network can carry it.

    A loss's options are ``config.loss_options``, the fields of ``config`` and the network's facts that have
    the same name.

    Raises:
        OddscapeError: the network has other classes than the data, or lacks what the loss reads; an option
            that the loss does not have.
    """
    method, out = LOSSES[config.method], probe(net)
    given, wanted = out.num_classes, num_classes(dataset)
    if given != wanted:
        raise OddscapeError(f"the network has {given} classes, the training data {dataset.name} has {wanted}")
    if missing := [name for name in method.needs if name not in out.fields]:
        raise OddscapeError(
            f"{config.method} needs {', '.join(missing)}, which the network does not give; "
            f"it gives {', '.join(sorted(out.fields))}"
        )
    there = {**vars(config), **network_facts(net, out)}
    named_alike = {name: there[name] for name in method.options if name in there}
    return method(**{**named_alike, **config.loss_options})


def network_facts(net: nn.Module, out: DenseOutput) -> dict[str, Any]:
    """What losses ask of a network beside its maps.

    ``deep_supervision``: whether it trains a branch of deep supervision; ``stride``: pixels of the picture to
    a place of its last features along a side.
    """
    features = out.native.features
    return {
        "deep_supervision": getattr(net, "deep_supervision", False),
        "stride": None if features is None else out.size[1] // features.shape[-1],
    }


def as_before(config: TrainConfig, net: nn.Module) -> nn.Module | None:
    """A frozen copy of the network with the weights that training starts from, where the loss compares."""
    if not LOSSES[config.method].compares:
        return None
    return copy.deepcopy(net).eval().requires_grad_(False)


def freeze(config: TrainConfig, net: nn.Module) -> None:
    """Take the gradient from all weights that are to stay as they are.

    Raises:
        OddscapeError: a layer that the network does not have, or nothing that is left to train.
    """
    if config.train_only == "head":
        for name, weight in net.named_parameters():
            weight.requires_grad_(weight.requires_grad and name.startswith(HEADS))
    layers = dict(net.named_modules(remove_duplicate=False))
    for name in config.frozen:
        wrapper = next((wrapper for wrapper in _WRAPPERS if wrapper + name in layers), "")
        layer_named(net, wrapper + name).requires_grad_(False)
    if not any(weight.requires_grad for weight in net.parameters()):
        what = f"train_only = {config.train_only!r}" if config.train_only else f"frozen = {config.frozen}"
        raise OddscapeError(f"{what} leaves nothing of {type(net).__name__} to train")


def training_mode(net: nn.Module, freeze_batch_norm: bool) -> None:
    """Switch to training mode, but for what is frozen, and batch norms that are to keep their statistics."""
    net.train()
    for module in net.modules():
        weights = list(module.parameters())
        frozen = weights and not any(weight.requires_grad for weight in weights)
        if frozen or (freeze_batch_norm and isinstance(module, nn.modules.batchnorm._BatchNorm)):
            module.eval()


def optimizer_for(config: TrainConfig, net: nn.Module) -> Optimizer:
    """Make the optimiser: groups for backbone, outlier head and the rest, each with its own ``base_lr``.

    Raises:
        OddscapeError: a backbone factor for a network without a part called encoder or backbone.
    """
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        if parameter.requires_grad:
            groups.setdefault(_learning_rate(config, name), []).append(parameter)
    if config.backbone_factor != 1 and config.learning_rate * config.backbone_factor not in groups:
        raise OddscapeError("backbone_factor is given, but no part of the network is an encoder or backbone")
    parameters = [{"params": group, "base_lr": rate} for rate, group in groups.items()]
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimizer == "sgd":
        return SGD(parameters, rate, config.momentum, weight_decay=decay, fused=True)
    if config.optimizer == "adamw":
        return AdamW(parameters, rate, weight_decay=decay, fused=True)
    return Adam(parameters, rate, eps=1e-7, weight_decay=decay, fused=True)


def _learning_rate(config: TrainConfig, name: str) -> float:
    if _BACKBONES & set(name.split(".")):
        return config.learning_rate * config.backbone_factor
    if name.startswith(HEADS) and config.head_learning_rate is not None:
        return config.head_learning_rate
    return config.learning_rate


def schedule_factor(config: TrainConfig, step: int, steps: int) -> float:
    """What the learning rates are multiplied by in step ``step`` (from 0) of ``steps``.

    After a linear rise of w warm-up steps, with the share t = (step − w) / (steps − w) of the run that is
    done and end the ratio of the final to the first learning rate:

        cosine:  end + (1 − end) · (1 + cos πt) / 2   (Loshchilov, Hutter: SGDR, ICLR 2017)
        poly:    end + (1 − end) · (1 − t)^power      (Liu, Rabinovich, Berg: ParseNet, arXiv 1506.04579)

    Per epoch, t is that of the epoch's first step.
    """
    if step < config.warmup_steps:
        return (step + 1) / (config.warmup_steps + 1)
    if config.schedule == "constant":
        return 1.0
    if config.schedule_per == "epoch":
        epoch = steps // config.epochs
        step = max(step // epoch * epoch, config.warmup_steps)
    end = config.final_learning_rate / config.learning_rate
    done = (step - config.warmup_steps) / max(steps - config.warmup_steps, 1)
    if config.schedule == "cosine":
        return end + (1 - end) * (1 + math.cos(math.pi * done)) / 2
    return float(end + (1 - end) * (1 - done) ** config.poly_power)

"""The training loop, top to bottom."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, broadcast_object_list
from torch import Tensor, nn
from torch.utils.data import DataLoader, default_collate

from oddscape.advance import Advance, each
from oddscape.data import Dataset
from oddscape.data.training_pictures import TrainingPictures
from oddscape.environment import environment
from oddscape.errors import OddscapeError
from oddscape.models import MODELS, probe, save_checkpoint
from oddscape.sizes import size_text
from oddscape.training.closed_set_cost import ClosedSetCost, closed_set_cost, confusions
from oddscape.training.config import TrainConfig
from oddscape.training.interruption import StopSignal, TrainingStoppedError, obey_parent_alone
from oddscape.training.losses import Batch
from oddscape.training.methods import LOSSES
from oddscape.training.own_classes import OwnClasses
from oddscape.training.progress import OnStep, StepReport
from oddscape.training.reach import reaches_all
from oddscape.training.run_folder import RunFolder
from oddscape.training.setup import (
    Order,
    as_before,
    divided_data,
    freeze,
    load_start,
    loss_for,
    network,
    network_options,
    optimizer_for,
    schedule_factor,
    training_mode,
    training_pictures,
)
from oddscape.training.step import NotFiniteError, Stepper


def train(
    config: TrainConfig,
    on_step: OnStep = lambda _: None,
    net: nn.Module | None = None,
    *,
    on_label: Advance = lambda _done, _total: None,
) -> nn.Module:
    """Train a network, or go on where an earlier run in the same folder stopped.

    Runs on one process or, started by ``torchrun`` or ``accelerate launch``, on several, which together give
    the gradients of one. A run that is stopped at any moment and taken up again ends in the same weights.

    Args:
        config: all there is to say about the run.
        on_step: called after each step, as by :func:`~oddscape.training.progress.progress_bar`.
        net: a network of one's own that maps pictures to a ``DenseOutput``. None: ``config.model``.
        on_label: called after each picture that the network labels before it is trained, with how many are
            done and how many there are; each process tells of its share.

    Returns:
        The trained network in evaluation mode; ``config.out`` holds its weights, log and checkpoint.

    Raises:
        OddscapeError: data, weights, network and method that do not fit; a loss that is not finite; a full
            disk. The last checkpoint stays whole.
        TrainingStoppedError: SIGTERM came; the running step was finished and a checkpoint written.
    """
    with _cpu_settings(config.threads):
        return _train(config, on_step, on_label, net)


def _train(config: TrainConfig, on_step: OnStep, on_label: Advance, net: nn.Module | None) -> nn.Module:
    parallel = DistributedDataParallelKwargs(find_unused_parameters=True)
    accelerator = Accelerator(
        mixed_precision="no",
        cpu=not torch.accelerator.is_available(),  # unless told, it leaves processes on CPUs to themselves
        kwargs_handlers=[parallel],
    )
    device, process, main = accelerator.device, accelerator.process_index, accelerator.is_main_process

    dataset, held_back = divided_data(config)
    order = Order(
        len(dataset), config.seed, config.batch_size, config.accumulate, process, accelerator.num_processes
    )
    steps = config.epochs * order.steps

    folder = RunFolder(config.out)
    # Read by one process for all: it reports what is wrong once, and only its machine needs the folder.
    [checkpoint] = broadcast_object_list([folder.load_checkpoint(config) if main else None])
    own_network = net is not None
    net = network(config, dataset) if net is None else net
    before = OwnClasses(folder.own_classes, config.inlier_size)
    to_label = (*held_back.entries, *(dataset.entries if config.inliers else ()))
    label = bool(to_label) and (checkpoint is None or bool(before.missing(to_label)))
    if checkpoint is None or label or LOSSES[config.method].compares:
        load_start(config, net)
    if config.sync_batch_norm:
        net = _with_synchronised_batch_norm(net, device)
    net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    started_from = as_before(config, net)
    freeze(config, net)
    if config.inliers:
        dataset = before.labelled(dataset, probe(net).num_classes)
    terms = loss_for(config, net, dataset)
    if label:
        _label(config, net, before, dataset, held_back, accelerator, on_label)
    training_mode(net, config.freezes_batch_norm)
    if accelerator.num_processes > 1 and not own_network and config.model_name in MODELS:
        # Every pass of these is like the last; any other network may use a parameter in some passes alone.
        parallel.find_unused_parameters = not reaches_all(net, terms)
    pictures = training_pictures(config, dataset)
    loader = _loader(config, pictures, order, device)
    optimizer = optimizer_for(config, net)
    stepper = Stepper(accelerator, net, terms, optimizer, config.mixed_precision, started_from)
    step = 0
    if checkpoint is not None:
        stepper.load(checkpoint)
        step = checkpoint["step"]
    accelerator.wait_for_everyone()
    if main:
        folder.begin(config, _environment(accelerator), step)

    with StopSignal() as stop:
        for epoch in range(step // order.steps, config.epochs):
            order.begin(epoch, step % order.steps)
            pictures.set_epoch(epoch)
            samples = iter(loader)
            while step < (epoch + 1) * order.steps:
                began = time.perf_counter()
                _seed(config.seed, step, process)
                parts = [_next_batch(samples).to(device) for _ in range(config.accumulate)]
                factor = schedule_factor(config, step, steps)
                try:
                    loss = stepper.step(parts, factor)
                except NotFiniteError as error:
                    failed = _failed_step(error, dataset, order, step)
                    if main:
                        folder.save_failed_step(failed)
                    raise OddscapeError(_in_words(failed)) from None
                step += 1
                stopping = _anywhere(stop.came, accelerator)
                if main:
                    report = StepReport(
                        epoch=epoch + 1,
                        epochs=config.epochs,
                        step=step,
                        steps=steps,
                        loss=loss.value,
                        terms=loss.terms,
                        learning_rate=config.learning_rate * factor,
                        pictures_per_second=config.batch_size / (time.perf_counter() - began),
                    )
                    _record(folder, config, report, stepper, stopping)
                    on_step(report)
                if stopping:
                    done = f"stopped by SIGTERM after step {step} of {steps}"
                    raise TrainingStoppedError(f"{done}; the same command goes on from there")
    net.eval()
    cost = _closed_set_cost(net, before, held_back, accelerator) if len(held_back) else None
    if main:
        save_checkpoint(net, folder.weights, _metadata(config, dataset, own_network=own_network))
        if cost is not None:
            folder.save_closed_set_cost(asdict(cost))
    accelerator.wait_for_everyone()
    return net


def _loader(
    config: TrainConfig, pictures: TrainingPictures, order: Order, device: torch.device
) -> DataLoader[dict[str, Tensor]]:
    return DataLoader(
        pictures,
        batch_sampler=order,
        collate_fn=_stacked,
        num_workers=config.workers,
        persistent_workers=config.workers > 0,
        pin_memory=device.type == "cuda",
        worker_init_fn=obey_parent_alone,
    )


def _stacked(samples: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    sizes = sorted({(height, width) for height, width in (sample["labels"].shape for sample in samples)})
    if len(sizes) > 1:
        raise OddscapeError(
            f"pictures of {' and '.join(map(size_text, sizes))} do not go into one step: give a crop"
        )
    stacked: dict[str, Tensor] = default_collate(samples)
    return stacked


def _label(
    config: TrainConfig,
    net: nn.Module,
    before: OwnClasses,
    dataset: Dataset,
    held_back: Dataset,
    accelerator: Accelerator,
    on_label: Advance,
) -> None:
    """Write down the network's own classes where they are needed, each process of a machine its share."""
    if accelerator.is_local_main_process:
        told = {"label_confidence": config.label_confidence, "hold_back_every": config.holds_back_every}
        before.begin(net, **told)
    accelerator.wait_for_everyone()
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", accelerator.num_processes))
    mine = slice(accelerator.local_process_index, None, beside)
    to_compare = before.missing(held_back.entries[mine])
    to_train_on = before.missing(dataset.entries[mine]) if config.inliers else []
    entries = each(on_label, [*to_compare, *to_train_on])
    before.label(net, islice(entries, len(to_compare)))
    before.label(net, entries, config.label_confidence)
    accelerator.wait_for_everyone()


def _closed_set_cost(
    net: nn.Module, before: OwnClasses, held_back: Dataset, accelerator: Accelerator
) -> ClosedSetCost:
    """What training did to the classes, each process looking at its share of the pictures."""
    entries = held_back.entries[accelerator.process_index :: accelerator.num_processes]
    mine = confusions(net, replace(held_back, entries=entries), before, probe(net).num_classes)
    total = accelerator.reduce(torch.from_numpy(mine).to(accelerator.device))
    return closed_set_cost(total.cpu().numpy(), len(held_back))


def _next_batch(samples: Iterator[dict[str, Tensor]]) -> Batch:
    try:
        return Batch(**next(samples))
    except OddscapeError as error:
        # From a reading process it comes as a traceback in words, whose last line is the error.
        said = str(error).splitlines()[-1]
        raise OddscapeError(said.removeprefix("oddscape.errors.OddscapeError: ")) from None


def _record(
    folder: RunFolder, config: TrainConfig, report: StepReport, stepper: Stepper, stopping: bool
) -> None:
    if report.step % config.log_every == 0 or report.epoch_ends:
        folder.append({"kind": "step", **asdict(report)})
    if report.epoch_ends:
        folder.append_epoch(report.epoch)
    due = config.checkpoint_every and report.step % config.checkpoint_every == 0
    if due or report.epoch_ends or stopping:
        folder.save_checkpoint({"step": report.step, **stepper.state()})


def _anywhere(here: bool, accelerator: Accelerator) -> bool:
    """Whether something is so in any process; all processes learn it in the same step."""
    if accelerator.num_processes == 1:
        return here
    return bool(accelerator.reduce(torch.tensor(float(here), device=accelerator.device)) > 0)


def _failed_step(error: NotFiniteError, dataset: Dataset, order: Order, step: int) -> dict[str, Any]:
    """What there is to know of a step whose loss was not finite."""
    entries = [dataset.entries[index] for index in order.indices[step % order.steps].ravel()]
    return {
        "error": str(error),
        "epoch": step // order.steps + 1,
        "step": step + 1,
        "terms": {name: str(mean) for name, mean in error.terms.items()},  # JSON knows no NaN
        "pictures": [
            {"name": entry.name, "image": str(entry.image), "truth": str(entry.truth)} for entry in entries
        ],
    }


def _in_words(failed: dict[str, Any]) -> str:
    names = ", ".join(picture["name"] for picture in failed["pictures"])
    return f"{failed['error']} in epoch {failed['epoch']}, step {failed['step']}, pictures {names}"


def _with_synchronised_batch_norm(net: nn.Module, device: torch.device) -> nn.Module:
    if device.type != "cuda":
        raise OddscapeError(
            f"sync_batch_norm works on GPUs alone, this is a {device.type}; freeze_batch_norm works anywhere"
        )
    converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(net)  # type: ignore[no-untyped-call]
    return converted


@contextmanager
def _cpu_settings(threads: int | None) -> Iterator[None]:
    # Numbers below 1e-38 turn up in Adam's averages and make a CPU three times as slow. PyTorch's threads
    # take the switch over when they are started, so it comes before any other work. Afterwards it and the
    # number of threads are as before: other libraries mind.
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(before)


def _seed(seed: int, step: int, process: int) -> None:
    # What chance a network draws (dropout) follows from the step, so a checkpoint need not hold its state.
    torch.manual_seed(int(np.random.SeedSequence((seed, step, process)).generate_state(1, np.uint64)[0]))


def _environment(accelerator: Accelerator) -> dict[str, Any]:
    device = accelerator.device
    return {
        **environment(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "processes": accelerator.num_processes,
        "threads": torch.get_num_threads(),
    }


def _metadata(config: TrainConfig, dataset: Dataset, *, own_network: bool) -> dict[str, str]:
    """What the weights are of, so that a reader can make the network again."""
    if own_network or dataset.label_space is None:
        return {"method": config.method}
    return {
        "method": config.method,
        "model": config.model_name,
        "num_classes": str(dataset.label_space.num_classes),
        "model_options": json.dumps(network_options(config)),
        "classes": json.dumps(dataset.label_space.classes),
    }

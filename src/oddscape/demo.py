"""The story on the synthetic town: make it, train three ways, evaluate every score, report."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from oddscape.advance import Advance, counted, scenes
from oddscape.evaluation import evaluate
from oddscape.examples import illustrate
from oddscape.illustrations import beside
from oddscape.protocols import PROTOCOLS
from oddscape.report.page import write_report
from oddscape.results import Results
from oddscape.town import NegativeCounts, TownCounts, make_negatives, make_town
from oddscape.training.config import TrainConfig
from oddscape.training.loop import train
from oddscape.training.progress import StepReport

Stage = Callable[[str], AbstractContextManager[Advance]]
"""Opens a stage of the story by its title, and shows how far it is."""

_TOWN_SIZE = (180, 320)
_CROP = (160, 256)


@dataclass(frozen=True)
class DemoPlan:
    """How much of everything.

    Args:
        town: numbers of pictures.
        negatives: numbers of negatives.
        closed_set_epochs: passes over the training pictures for the closed-set network.
        densehybrid_epochs: passes for the fine-tuning with negatives.
        dicnet_epochs: passes for the distillation.
    """

    town: TownCounts
    negatives: NegativeCounts
    closed_set_epochs: int
    densehybrid_epochs: int
    dicnet_epochs: int


QUICK = DemoPlan(TownCounts(320, 8, 80), NegativeCounts(160, 8), 14, 6, 6)
FULL = DemoPlan(TownCounts(640, 8, 160), NegativeCounts(320, 8), 24, 6, 12)


@dataclass(frozen=True)
class DemoResult:
    """What the demo found and where it lies.

    Args:
        results: closed-set, DenseHybrid and DiCNet under the protocol ``town``.
        report: the HTML page.
        seconds: wall time.
    """

    results: list[Results]
    report: Path
    seconds: float


_SHOWN = {"closed-set": "max_logit", "densehybrid": "densehybrid", "dicnet": "dicnet"}
"""The score that the report's pictures show for each network."""

_SCORES = {"closed-set": ("all",), "densehybrid": ("all",), "dicnet": ("dicnet",)}
"""What each network is evaluated with: DiCNet's other scores are its teacher's, the closed-set network's."""


def run_demo(out: Path, plan: DemoPlan, stage: Stage, *, seed: int = 0, town_seed: int = 0) -> DemoResult:
    """Tell the whole story in a folder; what an interrupted telling has done is not done again.

    Args:
        out: folder for the town, the runs, the results and the report.
        plan: how much of everything.
        stage: opens a stage and shows its progress.
        seed: of training.
        town_seed: of the town and the negatives.
    """
    started = time.perf_counter()
    _make_pictures(out, plan, stage, town_seed)
    results, galleries = [], []
    for config in training_configs(out, plan, seed):
        with stage(f"training {config.method}") as advance:
            net = train(config, partial(_training_advances, advance))
        with stage(f"evaluating {config.method}") as advance:
            found = _evaluated(net, config, out / "town", advance)
        found.save(out / f"{config.method}.json")
        results.append(found)
        gallery = illustrate(net, found, out / "town", _SHOWN[config.method], count=30)
        gallery.save(beside(out / f"{config.method}.json"))
        galleries.append(gallery)
    with stage("writing the report"):
        page = write_report(out / "report", results, galleries)
    return DemoResult(results, page, time.perf_counter() - started)


def training_configs(out: Path, plan: DemoPlan, seed: int) -> list[TrainConfig]:
    """The three runs in their order: the later two start from the first one's weights."""
    closed_set = TrainConfig(
        method="closed-set",
        dataset="town",
        data=out / "town",
        out=out / "closed-set",
        epochs=plan.closed_set_epochs,
        learning_rate=2e-3,
        final_learning_rate=1e-5,
        crop=_CROP,
        scale=(0.75, 1.5),
        seed=seed,
        mixed_precision=fast_precision(),
        log_every=10,
    )
    densehybrid = replace(
        closed_set,
        method="densehybrid",
        out=out / "densehybrid",
        weights=out / "closed-set" / "weights.safetensors",
        negatives="ade20k",
        negatives_data=out / "negatives",
        negatives_shorter_side=160,
        negatives_crop=(160, 160),
        epochs=plan.densehybrid_epochs,
        learning_rate=3e-4,
        head_learning_rate=2e-3,
    )
    dicnet = replace(
        closed_set,
        method="dicnet",
        out=out / "dicnet",
        weights=densehybrid.weights,
        epochs=plan.dicnet_epochs,
        # As published: whole pictures at their own size, the ones that it will be tested on.
        crop=None,
        scale=None,
    )
    return [closed_set, densehybrid, dicnet]


def fast_precision() -> str:
    """``"bf16"`` where processor or GPU compute in it, which makes training twice as fast; else ``"no"``."""
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "no"
    capabilities = torch.cpu.get_capabilities()
    return "bf16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "no"


def _make_pictures(out: Path, plan: DemoPlan, stage: Stage, seed: int) -> None:
    with stage("building the town") as advance:
        progress = counted(advance, sum(asdict(plan.town).values()))
        make_town(out / "town", seed=seed, size=_TOWN_SIZE, counts=plan.town, progress=progress)
    with stage("making negatives") as advance:
        progress = counted(advance, sum(asdict(plan.negatives).values()))
        make_negatives(
            out / "negatives", seed=seed, size=_TOWN_SIZE, counts=plan.negatives, progress=progress
        )


def _evaluated(net: nn.Module, config: TrainConfig, town: Path, advance: Advance) -> Results:
    return evaluate(
        net,
        PROTOCOLS["town"],
        town,
        _SCORES[config.method],
        model=config.method,
        weights=f"{config.method}/weights.safetensors",
        progress=scenes(advance),
    )


def _training_advances(advance: Advance, report: StepReport) -> None:
    advance(report.step, report.steps)

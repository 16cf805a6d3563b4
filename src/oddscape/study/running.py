"""Doing what a study asks for, run after run; what is done and still asked for is not done again."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import PartialState
from torch import nn

from oddscape.advance import Advance, scenes
from oddscape.data import open as open_dataset
from oddscape.errors import OddscapeError
from oddscape.evaluation import evaluate
from oddscape.files import written_atomically
from oddscape.models import load_checkpoint, probe
from oddscape.processes import Processes
from oddscape.report.page import write_report
from oddscape.report.summary import Summary, markdown, summarise
from oddscape.results import Results
from oddscape.scores import pick_scores
from oddscape.study.plan import Run, Study
from oddscape.training.config import TrainConfig
from oddscape.training.interruption import TrainingStoppedError
from oddscape.training.loop import train
from oddscape.training.progress import StepReport
from oddscape.training.setup import loss_for, network, training_data, training_pictures

Stage = Callable[[str], AbstractContextManager[Advance]]
"""Opens a stage of the study by its title, and shows how far it is."""

Work = Literal["training", "evaluation", "nothing"]
"""What of a run is left to do first."""


@dataclass(frozen=True)
class StudyResult:
    """What a study found and where it lies.

    Args:
        summary: mean, deviation and worst run of every method and score.
        table: the summary as Markdown.
        report: the HTML page with the summary and every run.
    """

    summary: Summary
    table: Path
    report: Path


def run_study(study: Study, out: Path, stage: Stage, *, anew: bool = False) -> StudyResult:
    """Train and evaluate every method with every seed, and bring the figures together.

    A study that was stopped at any moment goes on with the same call. ``out`` then holds, of every run, the
    run folder ``NAME/seed-S`` and the results ``NAME/seed-S.json``; ``table.md``; and ``report/index.html``.
    Several processes, as ``torchrun`` starts them, work on each run together; all must see ``out``.

    Args:
        study: what to do, as :func:`~oddscape.study.plan.read_study` gives it.
        out: folder for everything that is made.
        stage: opens a stage and shows its progress.
        anew: what was done as the study no longer asks for is done again, and what rests on it.

    Raises:
        OddscapeError: data, networks, methods and scores that do not fit, before the first run; a run that
            was done otherwise than asked for; a run that fails.
        TrainingStoppedError: SIGTERM came while a run was trained.
    """
    PartialState(cpu=not torch.accelerator.is_available())  # joins processes as training wants them joined
    processes, runs = Processes.joined(), study.runs(out)
    if not anew:
        _require_unchanged(study, runs)
    _check(study, [run for run in runs if _left(run) != "nothing" or _changes(study, run)])
    for number, run in enumerate(runs, start=1):
        with _named(run):
            left: Work = processes.told_by_main(
                _prepared(study, run, anew=anew) if processes.is_main else None
            )
            if left != "nothing":
                _do(study, run, left, f"run {number} of {len(runs)}, {run.name}", stage, processes)
    return _brought_together(study, runs, out, processes)


def _check(study: Study, runs: Sequence[Run]) -> None:
    """Make sure that what is left to do fits together, by the first run of each method, before any of it."""
    protocol = study.protocol
    open_dataset(protocol.data, study.evaluation_data, **protocol.reader)
    methods = dict.fromkeys(run.method.name for run in runs)
    for run in (next(run for run in runs if run.method.name == name) for name in methods):
        with _named(run):
            config = replace(run.config, class_uniform=0.0)  # for which all masks would be read
            dataset = training_data(config)
            if dataset.label_space is None:
                continue  # pictures that the network labels: it may be one that the study is yet to train
            training_pictures(config, dataset)
            net = network(config, dataset)
            loss_for(config, net, dataset)
            pick_scores(run.method.scores, probe(net).fields)


def _left(run: Run) -> Work:
    if not run.folder.weights.exists():
        return "training"
    return "nothing" if run.results.exists() else "evaluation"


def _prepared(study: Study, run: Run, *, anew: bool) -> Work:
    """What is left of a run, once what was done otherwise is cleared away, or refused."""
    if not anew:
        _require_unchanged(study, [run])
    elif _training_changes(run):
        _clear(run)
    elif _evaluation_changes(study, run):
        run.results.unlink(missing_ok=True)
    return _left(run)


def _clear(run: Run) -> None:
    run.results.unlink(missing_ok=True)
    # Half a folder could pass for a run that is done: it goes under another name.
    old = run.folder.path.with_name(f".{run.folder.path.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    run.folder.path.rename(old)
    shutil.rmtree(old)


def _do(study: Study, run: Run, left: Work, title: str, stage: Stage, processes: Processes) -> None:
    with stage(f"{title}: training" if left == "training" else f"{title}: reading weights") as advance:
        net = _trained(run, advance, processes) if left == "training" else _read(run)
    with stage(f"{title}: evaluating") as advance:
        results = evaluate(
            net,
            study.protocol,
            study.evaluation_data,
            run.method.scores,
            size=study.size,
            model=run.name,
            weights=f"{run.method.name}/{run.folder.path.name}/{run.folder.weights.name}",
            saw_outliers=run.method.saw_outliers,
            progress=scenes(advance),
        )
    if processes.is_main:
        _write(_evaluation_record(run), json.dumps(_evaluation_asked(study, run), indent=2))
        results.save(run.results)
    PartialState().wait_for_everyone()


def _trained(run: Run, advance: Advance, processes: Processes) -> nn.Module:
    def show(report: StepReport) -> None:
        advance(report.step, report.steps)

    if processes.is_main:
        _write(_training_record(run), json.dumps(_training_asked(run), indent=2))
    return train(run.config, show)


def _read(run: Run) -> nn.Module:
    net = network(run.config, training_data(run.config))
    load_checkpoint(net, run.folder.weights)
    # As training leaves it: another layout of memory rounds otherwise.
    return net.to(PartialState().device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _brought_together(study: Study, runs: Sequence[Run], out: Path, processes: Processes) -> StudyResult:
    found: dict[str, list[Results]] = {method.name: [] for method in study.methods}
    for run in runs:
        found[run.method.name].append(Results.load(run.results))
    summary = summarise(found, study.seeds)
    result = StudyResult(summary, out / "table.md", out / "report" / "index.html")
    if processes.is_main:
        _write(result.table, markdown(summary))
        write_report(result.report.parent, summary.section.runs, [], summary=summary)
    return result


# What a run was told stands beside it: its configuration, as training writes it, and two records.


def _training_record(run: Run) -> Path:
    return run.folder.path / "start.json"


def _training_asked(run: Run) -> dict[str, Any]:
    """What training takes that its configuration does not tell: which weights lie where it says."""
    start = run.config.weights
    return {"weights to start from": _sha256(start) if start is not None and start.exists() else None}


def _training_changes(run: Run) -> list[str]:
    told = run.folder.config
    changed = list(run.config.differences(TrainConfig.from_toml(told))) if told.exists() else []
    return [*changed, *_differences(_training_record(run), _training_asked(run))]


def _evaluation_record(run: Run) -> Path:
    return run.folder.path / "evaluation.json"


def _evaluation_asked(study: Study, run: Run) -> dict[str, Any]:
    """All that its figures depend on, but for the pictures."""
    return {
        "weights": _sha256(run.folder.weights),
        "protocol": asdict(study.protocol),
        "scores": run.method.scores,
        "size": study.size,
    }


def _evaluation_changes(study: Study, run: Run) -> list[str]:
    if _left(run) != "nothing":
        return []
    return _differences(_evaluation_record(run), _evaluation_asked(study, run))


def _changes(study: Study, run: Run) -> list[str]:
    return [*_training_changes(run), *_evaluation_changes(study, run)]


def _require_unchanged(study: Study, runs: Sequence[Run]) -> None:
    found = [(run.method.name, _changes(study, run)) for run in runs]
    if changed := [f"{name} with another {', '.join(fields)}" for name, fields in found if fields]:
        said = "; ".join(dict.fromkeys(changed))  # each method's once, not each seed's
        raise OddscapeError(f"done otherwise than the study now asks: {said}; --anew does it again")


def _differences(record: Path, asked: Mapping[str, Any]) -> list[str]:
    """Names of what a record says otherwise; none where there is no record."""
    if not record.exists():
        return []
    said = json.loads(record.read_text())
    return [name for name, value in json.loads(json.dumps(asked)).items() if said[name] != value]


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _write(path: Path, text: str) -> None:
    with written_atomically(path) as partial:
        partial.write_text(text, encoding="utf-8")


@contextmanager
def _named(run: Run) -> Iterator[None]:
    """Say of which run a complaint is; of one that was told to stop, nobody complains."""
    try:
        yield
    except TrainingStoppedError:
        raise
    except OddscapeError as error:
        raise OddscapeError(f"{run.name}: {error}") from error

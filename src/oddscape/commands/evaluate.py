"""``oddscape evaluate``: a network and several scores, or score files, under a named protocol."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console

from oddscape.advance import scenes
from oddscape.commands.options import (
    InferenceOptions,
    NetworkOptions,
    SizeOption,
    fitted_scores,
    reader_option,
)
from oddscape.commands.progress import progress_bar
from oddscape.errors import OddscapeError
from oddscape.protocol_file import find_protocol

if TYPE_CHECKING:
    from torch import nn

    from oddscape.illustrations import Illustration
    from oddscape.results import Results


def evaluate(
    *,
    protocol: str,
    data: Path,
    network: NetworkOptions = NetworkOptions(),
    score: tuple[str, ...] = ("all",),
    fitted: Path | None = None,
    scores_from: Path | None = None,
    method: str = "",
    inference: InferenceOptions = InferenceOptions(),
    evaluation_size: SizeOption = None,
    reader: tuple[str, ...] = (),
    engine: Literal["exact", "streaming"] = "exact",
    out: Path | None = None,
    report: Path | None = None,
    shown: int = 3,
) -> None:
    """Evaluate a network, or score files, under a named protocol; print tables, write results and a report.

    Parameters
    ----------
    protocol
        Name of the protocol (see ``oddscape protocols``), or a TOML file that describes one's own.
    data
        Folder of the protocol's data set.
    score
        A score's name; may be given several times. ``all``: every score that the network can carry.
    fitted
        File of ``oddscape fit``, whose scores are then among them.
    scores_from
        Folder of score files that any program made, instead of a network.
    method
        What made the score files, for the table; by default the folder's name.
    evaluation_size
        Width x height at which scores and labels meet, instead of the protocol's; said beside the figures.
    reader
        An option of the data set's reader as NAME=VALUE, instead of the protocol's; said beside the figures.
    engine
        ``exact`` keeps every score in memory, 4 bytes a pixel; ``streaming`` takes 64 MB a score however many
        pixels there are, and says how far its figures may be off.
    out
        JSON file for the results.
    report
        Folder for the HTML report.
    shown
        How many of the best and of the worst pictures the report shows.
    """
    rules: dict[str, Any] = {
        "protocol": find_protocol(protocol),
        "data": data,
        "evaluation_size": evaluation_size,
        "reader": dict(reader_option(text) for text in reader),
        "engine": engine,
    }
    net, learnt = None, fitted_scores(fitted)
    if scores_from is None:
        if method:
            raise OddscapeError("--method names what made the files of --scores-from, which is not given")
        net, results = _run_network(network, score, inference, rules | {"fitted": learnt})
    else:
        _refuse_network(network, score, inference, fitted)
        network.limit_threads()
        results = _read_scores(scores_from, method, rules)
    from oddscape.processes import is_main_process

    if not is_main_process():
        return
    _show(results, out)
    if report is not None:
        from oddscape.examples import illustrate

        pictures = [] if net is None else illustrate(net, results, data, count=shown, fitted=learnt)
        _write_report(report, results, pictures)


def _run_network(
    network: NetworkOptions, score: tuple[str, ...], inference: InferenceOptions, rules: dict[str, Any]
) -> tuple[nn.Module, Results]:
    nets, model = network.load()
    net = inference.around(nets)

    from oddscape.evaluation import evaluate as run

    rules |= {"size": inference.size, "model": model, "weights": network.weights_names}
    rules["saw_outliers"] = network.saw_outliers
    with progress_bar(f"evaluating {model}") as advance:
        return net, run(net, scores=score, progress=scenes(advance), **rules)


def _read_scores(folder: Path, method: str, rules: dict[str, Any]) -> Results:
    from oddscape.evaluation import evaluate_scores

    with progress_bar(f"evaluating {folder}") as advance:
        return evaluate_scores(folder, method=method, progress=scenes(advance), **rules)


def _refuse_network(
    network: NetworkOptions, score: tuple[str, ...], inference: InferenceOptions, fitted: Path | None
) -> None:
    # Threads may be told for anything that computes.
    asked = (replace(network, threads=None), inference, score, fitted)
    if asked != (NetworkOptions(), InferenceOptions(), ("all",), None):
        raise OddscapeError(
            "--scores-from takes no network: leave out --model, --weights, --score, --size and the like"
        )


def _show(results: Results, out: Path | None) -> None:
    from oddscape.report.table import results_tables

    console = Console()
    for table in results_tables([results]):
        console.print(table)
    if out is not None:
        results.save(out)
        console.print(f"results: {out}", soft_wrap=True)


def _write_report(folder: Path, results: Results, pictures: list[Illustration]) -> None:
    from oddscape.report.page import write_report

    Console().print(f"report: {write_report(folder, [results], pictures)}", soft_wrap=True)

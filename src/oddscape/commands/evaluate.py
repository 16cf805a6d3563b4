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
    load_detector,
    reader_option,
    refuse_beside_detector,
)
from oddscape.commands.progress import progress_bar
from oddscape.errors import OddscapeError
from oddscape.protocol_file import find_protocol

if TYPE_CHECKING:
    from torch import nn

    from oddscape.evaluation import Progress
    from oddscape.illustrations import Gallery
    from oddscape.labels import LabelSpace
    from oddscape.results import Results

# Of scores, the file of fitted ones, and how the network sees pictures.
_NOTHING_ASKED = ((), None, InferenceOptions())


def evaluate(
    *,
    protocol: str,
    data: Path,
    network: NetworkOptions = NetworkOptions(),
    detector: Path | None = None,
    score: tuple[str, ...] = (),
    fitted: Path | None = None,
    scores_from: Path | None = None,
    method: str = "",
    inference: InferenceOptions = InferenceOptions(),
    evaluation_size: SizeOption = None,
    reader: tuple[str, ...] = (),
    engine: Literal["exact", "streaming"] = "exact",
    out: Path | None = None,
    report: Path | None = None,
    report_pictures: int = 60,
) -> None:
    """Evaluate a network, or score files, under a named protocol; print tables, write results and a report.

    Parameters
    ----------
    protocol
        Name of the protocol (see ``oddscape protocols``), or a TOML file that describes one's own.
    data
        Folder of the protocol's data set.
    detector
        File of ``oddscape detector save``, which brings the network, the score and how it sees pictures; or
        street-lite, which comes with Oddscape.
    score
        A score's name; may be given several times. ``all``, the default: every score that the network can
        carry.
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
        JSON file for the results; with ``--report``, FILE.pictures beside it keeps the report's pictures,
        for ``oddscape compare``.
    report
        Folder for the HTML report, one page that opens offline.
    report_pictures
        How many pictures the report shows with their maps: half of them evenly spread, the others the worst
        and the best. The network sees each once more, and each takes some 0.2 MB of the page; all others have
        a thumbnail and their figures.
    """
    if report_pictures < 0:
        raise OddscapeError(f"--report-pictures is {report_pictures}: expected 0 or more")
    rules: dict[str, Any] = {
        "protocol": find_protocol(protocol),
        "data": data,
        "evaluation_size": evaluation_size,
        "reader": dict(reader_option(text) for text in reader),
        "engine": engine,
    }
    net, run, space = None, dict[str, Any](), None
    thumbnails: dict[str, str] | None = None if report is None else {}
    if scores_from is not None:
        _refuse_network(network, score, inference, fitted, detector)
        network.limit_threads()
        results = _read_scores(scores_from, method, rules, thumbnails)
    else:
        if method:
            raise OddscapeError("--method names what made the files of --scores-from, which is not given")
        if detector is None:
            net, run = _of_options(network, score, inference, fitted)
        else:
            refuse_beside_detector(network, nothing_else=(score, fitted, inference) == _NOTHING_ASKED)
            net, run, space = _of_detector(detector, network)
        results = _run_network(net, rules | run, thumbnails)
    from oddscape.processes import is_main_process

    if not is_main_process():
        return
    _show(results, out)
    if report is None:
        return
    from oddscape.examples import illustrate, illustrate_scores

    kept: dict[str, Any] = {"count": report_pictures, "thumbnails": thumbnails}
    if net is not None:
        gallery = illustrate(net, results, data, fitted=run["fitted"], label_space=space, **kept)
    else:
        assert scores_from is not None, "there is a network or there are score files"
        gallery = illustrate_scores(scores_from, results, data, **kept)
    _write_report(report, results, gallery, out)


def _of_options(
    network: NetworkOptions, score: tuple[str, ...], inference: InferenceOptions, fitted: Path | None
) -> tuple[nn.Module, dict[str, Any]]:
    """A network of options, and what ``odd.evaluate`` is told of it and its scores."""
    nets, model = network.load()
    return inference.around(nets), {
        "scores": score or ("all",),
        "fitted": fitted_scores(fitted),
        "size": inference.size,
        "model": model,
        "weights": network.weights_names,
        "saw_outliers": network.saw_outliers,
    }


def _of_detector(file: Path, network: NetworkOptions) -> tuple[nn.Module, dict[str, Any], LabelSpace]:
    """A detector's network, what ``odd.evaluate`` is told of it and its score, and its classes."""
    from oddscape.scores.fitted.files import is_fitted

    detector, said = load_detector(file, network)
    plain = detector.score.without_steps()
    rules = {
        "scores": (detector.score.name,),
        "fitted": {plain.name: plain} if is_fitted(plain) else {},
        "size": detector.size,
        "model": said.get("model", ""),
        "weights": file.name,
        "saw_outliers": said.get("saw_outliers") == "true",
    }
    return detector.net, rules, detector.label_space


def _run_network(net: nn.Module, rules: dict[str, Any], thumbnails: dict[str, str] | None) -> Results:
    from oddscape.evaluation import evaluate as run

    with progress_bar(f"evaluating {rules['model']}") as advance:
        return run(net, progress=_watched(scenes(advance), thumbnails), **rules)


def _read_scores(
    folder: Path, method: str, rules: dict[str, Any], thumbnails: dict[str, str] | None
) -> Results:
    from oddscape.evaluation import evaluate_scores

    with progress_bar(f"evaluating {folder}") as advance:
        progress = _watched(scenes(advance), thumbnails)
        return evaluate_scores(folder, method=method, progress=progress, **rules)


def _watched(progress: Progress, thumbnails: dict[str, str] | None) -> Progress:
    """Keep a thumbnail of every scene that passes, where a report is wanted."""
    if thumbnails is None:
        return progress
    from oddscape.examples import keep_thumbnails

    return keep_thumbnails(progress, thumbnails)


def _refuse_network(
    network: NetworkOptions,
    score: tuple[str, ...],
    inference: InferenceOptions,
    fitted: Path | None,
    detector: Path | None,
) -> None:
    # Threads may be told for anything that computes.
    asked = (replace(network, threads=None), detector, score, fitted, inference)
    if asked != (NetworkOptions(), None, *_NOTHING_ASKED):
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


def _write_report(folder: Path, results: Results, gallery: Gallery, out: Path | None) -> None:
    from oddscape.illustrations import beside
    from oddscape.report.page import write_report

    console = Console()
    if out is not None:
        gallery.save(beside(out))
        console.print(f"pictures: {beside(out)}", soft_wrap=True)
    console.print(f"report: {write_report(folder, [results], [gallery])}", soft_wrap=True)

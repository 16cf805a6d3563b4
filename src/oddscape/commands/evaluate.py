"""``oddscape evaluate``: a network and several scores under a named protocol."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from oddscape.advance import scenes
from oddscape.commands.options import NetworkOptions, SizeOption
from oddscape.commands.progress import progress_bar
from oddscape.errors import OddscapeError
from oddscape.protocols import PROTOCOLS, Protocol


def evaluate(
    *,
    protocol: str,
    data: Path,
    network: NetworkOptions = NetworkOptions(),
    score: tuple[str, ...] = ("all",),
    size: SizeOption = None,
    evaluation_size: SizeOption = None,
    reader: tuple[str, ...] = (),
    out: Path | None = None,
    report: Path | None = None,
    shown: int = 3,
) -> None:
    """Evaluate a network under a named protocol; print a table, write results and a report.

    Parameters
    ----------
    protocol
        Name of the protocol (see ``oddscape protocols``).
    data
        Folder of the protocol's data set.
    score
        A score's name; may be given several times. ``all``: every score that the network can carry.
    size
        Width x height at which the network sees the pictures, as in 1024x512; by default their own.
    evaluation_size
        Width x height at which scores and labels meet, instead of the protocol's; said beside the figures.
    reader
        An option of the data set's reader as NAME=VALUE, instead of the protocol's; said beside the figures.
    out
        JSON file for the results.
    report
        Folder for the HTML report.
    shown
        How many of the best and of the worst pictures the report shows.
    """
    chosen = find_protocol(protocol)
    options = dict(_pair(text) for text in reader)
    net, model = network.load()

    from oddscape.evaluation import evaluate as run
    from oddscape.examples import illustrate
    from oddscape.report import results_table, write_report

    with progress_bar(f"evaluating {model}") as advance:
        results = run(
            net,
            chosen,
            data,
            score,
            size=size,
            evaluation_size=evaluation_size,
            reader=options,
            model=model,
            weights=network.weights.name if network.weights else "",
            progress=scenes(advance),
        )
    console = Console()
    console.print(results_table([results]))
    if out is not None:
        results.save(out)
        console.print(f"results: {out}", soft_wrap=True)
    if report is not None:
        page = write_report(report, [results], illustrate(net, results, data, count=shown))
        console.print(f"report: {page}", soft_wrap=True)


def find_protocol(name: str) -> Protocol:
    """Look a protocol up by name."""
    if name not in PROTOCOLS:
        raise OddscapeError(f"unknown protocol {name!r}; known: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise OddscapeError(f"--reader {text}: expected NAME=VALUE, as in split=test")
    return name, value

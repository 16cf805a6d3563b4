"""The command line: assembles the commands, and turns errors into one line and an exit status."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from cyclopts import App, Parameter
from rich.console import Console

from oddscape.errors import OddscapeError
from oddscape.version import __version__

app = App(
    name="oddscape",
    help="Dense anomaly detection and open-set segmentation of road scenes.",
    version=__version__,
    default_parameter=Parameter(negative_iterable="", negative_bool=""),
    error_formatter=lambda error: f"oddscape: {error}",
    error_console=Console(stderr=True, soft_wrap=True, highlight=False),
    suppress_keyboard_interrupt=False,
    result_action="return_value",
)
_COMMANDS = {
    "demo": "The whole story on the synthetic town: train, evaluate, report.",
    "train": "Train a network, or fine-tune one; by a recipe, a TOML file, options or all of them.",
    "study": "Train methods × seeds by a TOML file, under one protocol: one table, one report.",
    "recipes": "List the training recipes, or tell all about one.",
    "fit": "Fit scores that learn from known data, for evaluate and predict.",
    "fit-react": "Find the threshold at which ReAct clips a layer, for --react.",
    "calibrate": "Choose a detector's threshold on your own pictures, and keep it with the detector.",
    "evaluate": "Evaluate a network, or score files, under a named protocol.",
    "compare": "Put results files side by side, with paired differences.",
    "predict": "Class map, anomaly map and overlay of pictures.",
    "mine": "Rank many pictures by what is anomalous in them, without near-duplicates.",
    "serve": "A local web page: drop a picture, see the result, move the threshold.",
    "export": "Write a detector to one file that runs without Oddscape: ONNX or torch.export.",
    "models": "List the networks and what they cost.",
    "doctor": "Tell what this installation can do, and how to install what is missing.",
    "scores": "List the scores: formula, what each needs, where it comes from; or tell all about one.",
    "losses": "List the losses: formula, what each takes, where it comes from; or tell all about one.",
    "protocols": "List the protocols: what changes a figure.",
}
_GROUPS: dict[str, tuple[str, dict[str, str]]] = {
    "town": ("Make the synthetic town.", {"make": "Render a town and negatives."}),
    "data": (
        "Get and check data sets.",
        {
            "list": "List the data sets: what they are, how each is got, its licence.",
            "get": "Download a public data set.",
            "check": "Tell what a folder holds and what is wrong with it.",
        },
    ),
    "weights": (
        "Get and convert weights.",
        {
            "list": "List the released weights: where they are, their licence.",
            "get": "Download released weights into a cache that works offline.",
            "convert": "Turn a released checkpoint into safetensors that say what they are.",
        },
    ),
    "detector": (
        "Keep a network, a score and a threshold together.",
        {"save": "Write a network, a score and a threshold to one file, for --detector."},
    ),
    "submission": (
        "Make and check submissions to benchmarks.",
        {"make": "Score a folder of pictures into a submission.", "check": "Check a submission's files."},
    ),
}
# A command whose name Python has taken.
_FUNCTIONS = {"list": "list_"}
# What training does by default, or a file asks for, can be turned off, as by --no-flip.
_SETTINGS: dict[str, dict[str, Any]] = {
    "train": {"default_parameter": Parameter(negative_iterable="", negative_bool="no-")}
}

# Commands are named by where they are: a module is imported when its command runs or shows its help.
for _name, _help in _COMMANDS.items():
    _function = _name.replace("-", "_")
    _settings = _SETTINGS.get(_name, {})
    app.command(f"oddscape.commands.{_function}:{_function}", name=_name, help=_help, **_settings)
for _group, (_help, _members) in _GROUPS.items():
    _sub = App(name=_group, help=_help)
    for _name, _help in _members.items():
        _function = _FUNCTIONS.get(_name, _name.replace("-", "_"))
        _sub.command(f"oddscape.commands.{_group}:{_function}", name=_name, help=_help)
    app.command(_sub)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; bad input ends in one line on standard error and a non-zero exit status."""
    try:
        app(arguments)
    except OddscapeError as error:
        print(f"oddscape: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("oddscape: interrupted", file=sys.stderr)
        sys.exit(130)

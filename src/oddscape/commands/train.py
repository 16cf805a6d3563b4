"""``oddscape train``: one command for each method; options from a TOML file, the command line, or both."""

from __future__ import annotations

from dataclasses import field, fields, make_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from cyclopts import Parameter
from rich.console import Console

from oddscape.commands.options import SizeOption
from oddscape.training.config import SIZES, TrainConfig

_ON_THE_COMMAND_LINE = {
    **dict.fromkeys(SIZES, SizeOption),
    **dict.fromkeys(
        ("dataset_options", "model_options", "negatives_options"), dict[str, int | float | bool | str]
    ),
}
"""Fields that people write in another form than code: width x height, and ``--…-options.NAME VALUE``."""


def _options() -> type:
    """``TrainConfig`` without its method, which is the command's name."""
    hints = {**get_type_hints(TrainConfig), **_ON_THE_COMMAND_LINE}
    kept = [
        (f.name, hints[f.name], field(default=f.default, default_factory=f.default_factory))
        for f in fields(TrainConfig)
        if f.name != "method"
    ]
    options = make_dataclass("TrainOptions", kept, kw_only=True, frozen=True)
    options.__doc__, options.__module__ = TrainConfig.__doc__, __name__
    return Parameter(name="*")(options)


TrainOptions = _options()


def closed_set(*, config: Path | None = None, options: TrainOptions) -> None:  # type: ignore[valid-type]
    """Train a network for the known classes.

    Parameters
    ----------
    config
        TOML file with any of the options below; the command line goes before it.
    """
    _train("closed-set", options)


def densehybrid(*, config: Path | None = None, options: TrainOptions) -> None:  # type: ignore[valid-type]
    """Fine-tune a network with pasted negatives: DenseHybrid.

    Parameters
    ----------
    config
        TOML file with any of the options below; the command line goes before it.
    """
    _train("densehybrid", options)


def dicnet(*, config: Path | None = None, options: TrainOptions) -> None:  # type: ignore[valid-type]
    """Distil a trained network's features into a student: DiCNet.

    Parameters
    ----------
    config
        TOML file with any of the options below; the command line goes before it.
    """
    _train("dicnet", options)


def _train(method: str, options: Any) -> None:
    from oddscape.training.loop import train
    from oddscape.training.progress import progress_bar

    config = TrainConfig(method=method, **{f.name: getattr(options, f.name) for f in fields(options)})
    with progress_bar(f"training {method}", Console(stderr=True)) as on_step:
        train(config, on_step)
    Console().print(f"weights: {config.out}/weights.safetensors", soft_wrap=True)

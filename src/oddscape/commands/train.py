"""``oddscape train``: one command for every method; options from a recipe, a TOML file, the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, field, fields, make_dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from cyclopts import Parameter
from rich.console import Console

from oddscape.commands.options import SizeOption, TableOption
from oddscape.errors import OddscapeError
from oddscape.recipes import read_recipe, require
from oddscape.sizes import size_text
from oddscape.training.config import SIZES, TrainConfig, overlaid, read_toml
from oddscape.training.methods import LOSSES

_ON_THE_COMMAND_LINE = {
    **dict.fromkeys(SIZES, SizeOption),
    "inliers": Annotated[tuple[Path, ...], Parameter(consume_multiple=True)],
    "frozen": Annotated[tuple[str, ...], Parameter(consume_multiple=True)],
    **dict.fromkeys(("loss_options", "dataset_options", "model_options", "negatives_options"), TableOption),
    "also": dict[str, TableOption],
}
"""Fields that people write in another form than code: width x height, lists, ``--…-options.NAME VALUE``,
``--also.NAME.data DIR``."""

_NEEDED = {
    "dataset": "name of the training data",
    "data": "folder of the training data",
    "out": "the run folder",
}
"""What every run has to be told, but for what ``inliers`` make needless."""
_NEEDED_WITH_INLIERS = {"out": _NEEDED["out"]}


def _options() -> type:
    """``TrainConfig`` without its method; None is what the command line does not say."""
    hints = {**get_type_hints(TrainConfig), **_ON_THE_COMMAND_LINE}
    kept = [
        (
            f.name,
            Annotated[hints[f.name] | None, Parameter(show_default=_default_text(f))],
            field(default=None),
        )
        for f in fields(TrainConfig)
        if f.name != "method"
    ]
    options = make_dataclass("TrainOptions", kept, kw_only=True, frozen=True)
    options.__doc__, options.__module__ = TrainConfig.__doc__, __name__
    return Parameter(name="*")(options)


def _default_text(of: Field[Any]) -> str | bool:
    """A field's default as the help shows it, False where there is none to show."""
    if of.default is MISSING or of.default is None:
        return False
    return size_text(of.default) if of.name in SIZES else str(of.default)


TrainOptions = _options()
_NOTHING_SAID = TrainOptions()

_Method = Annotated[
    str | None, Parameter(help=f"What to train for: {', '.join(LOSSES)}; a recipe or file may say it, too.")
]


def train(
    method: _Method = None,
    /,
    *,
    recipe: str | None = None,
    config: Path | None = None,
    options: TrainOptions = _NOTHING_SAID,  # type: ignore[valid-type]
) -> None:
    """Train a network, or fine-tune one.

    Parameters
    ----------
    recipe
        Name of a recipe (oddscape recipes); the file of --config goes before it.
    config
        TOML file with any of the options below; the command line goes before it.
    """
    from oddscape.processes import is_main_process
    from oddscape.training.closed_set_cost import ClosedSetCost
    from oddscape.training.loop import train as run
    from oddscape.training.progress import progress_bar
    from oddscape.training.run_folder import RunFolder

    settings = TrainConfig(**_values(method, recipe, config, _said(options)))
    with progress_bar(f"training {settings.method}", Console(stderr=True)) as (on_step, on_label):
        run(settings, on_step, on_label=on_label)
    if is_main_process():
        console, folder = Console(), RunFolder(settings.out)
        if cost := folder.load_closed_set_cost():
            console.print(str(ClosedSetCost(**cost)), soft_wrap=True, highlight=False)
        console.print(f"weights: {folder.weights}", soft_wrap=True)


def _said(options: Any) -> dict[str, Any]:
    values = {f.name: getattr(options, f.name) for f in fields(options)}
    return {name: value for name, value in values.items() if value is not None}


def _values(
    method: str | None, recipe: str | None, config: Path | None, said: Mapping[str, Any]
) -> dict[str, Any]:
    """What recipe, file and command line say, the later in place of the earlier."""
    chosen = None if recipe is None else read_recipe(recipe)
    from_recipe = {} if chosen is None else chosen.values
    from_file = {} if config is None else read_toml(config)
    for source, values in ((f"recipe {recipe!r}", from_recipe), (config, from_file)):
        method = _agreed(method, values.get("method"), source)
    if method not in LOSSES:
        raise OddscapeError(
            f"train needs one of {', '.join(LOSSES)}, or --recipe NAME"
            + (f"; not {method}" if method else "")
        )
    values = overlaid(overlaid(from_recipe, from_file), {**said, "method": method})
    what = f"train {method}" if chosen is None else f"recipe {recipe!r}"
    needed = _NEEDED_WITH_INLIERS if values.get("inliers") else _NEEDED
    require(what, needed if chosen is None else {**needed, **chosen.paths}, values)
    return values


def _agreed(method: str | None, other: str | None, source: Any) -> str | None:
    if method and other and method != other:
        raise OddscapeError(f"{source} is for {other}, not for {method}")
    return method or other

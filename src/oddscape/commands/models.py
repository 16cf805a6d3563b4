"""``oddscape models``: the networks, what they cost and what they give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from oddscape.commands.options import NetworkOptions, SizeOption
from oddscape.sizes import Size, format_size

if TYPE_CHECKING:
    from oddscape.model_figures import ModelFigures


def models(
    *names: str,
    num_classes: int = 19,
    size: SizeOption = (1024, 2048),
    speed: bool = False,
    threads: int | None = None,
    device: str | None = None,
) -> None:
    """List the networks with what they cost; of those that are named, also maps and scores.

    Multiply-adds are those of convolutions and matrix products for one picture. MB are those of the weights
    in float32.

    Parameters
    ----------
    names
        Networks to tell all about: names of the list, or what --model takes elsewhere.
    num_classes
        Number of known classes.
    size
        Width x height of the picture, as in 2048x1024.
    speed
        Measure the time that each network takes here for a picture of that size: median of five passes.
    threads
        Threads that a CPU computes with; by default torch's own choice.
    device
        Where speed is measured, as in ``cpu`` or ``cuda:1``; by default a GPU where there is one.
    """
    from oddscape.model_figures import model_figures
    from oddscape.models import MODELS

    size = size or (1024, 2048)
    figures = {name: model_figures(name, num_classes, size) for name in names or MODELS}
    times, place = _times(list(figures), num_classes, size, threads, device) if speed else ({}, "")
    console = Console()
    console.print(_details(figures, times) if names else _overview(figures, times))
    what = "multiply-adds and time" if speed else "multiply-adds"
    notes = [f"{num_classes} known classes; {what} for a picture of {format_size(size)}{place}"]
    console.print("; ".join([*notes, *([] if names else ["maps and scores: oddscape models NAME"])]))


def _times(
    names: list[str], num_classes: int, size: Size, threads: int | None, device: str | None
) -> tuple[dict[str, float], str]:
    """Milliseconds that each network takes, and where."""
    import torch

    from oddscape.model_figures import milliseconds
    from oddscape.models import create_model

    options = NetworkOptions(threads=threads, device=device)
    options.limit_threads()
    where = options.torch_device()
    # One at a time is in memory.
    nets = ((name, create_model(name, num_classes).eval().to(where)) for name in names)
    times = {name: milliseconds(net, size) for name, net in nets}
    if where.type == "cuda":
        return times, f" on {torch.cuda.get_device_name(where)}"
    return times, f" on {torch.get_num_threads()} CPU thread{'s' if torch.get_num_threads() > 1 else ''}"


def _overview(figures: dict[str, ModelFigures], times: dict[str, float]) -> Table:
    """A line for each network."""
    from oddscape.models.architectures import ARCHITECTURES

    table = Table(title="Networks", show_lines=True)
    table.add_column("name", no_wrap=True)
    for column in ("million\nparams", "billion\nmult-adds", "MB", *(["ms"] if times else [])):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("network\nand its source")
    for name, found in figures.items():
        cells = [f"{found.parameters / 1e6:.2f}", f"{found.multiply_adds / 1e9:,.1f}"]
        time = [f"{times[name]:,.0f}"] if times else []
        network = f"{ARCHITECTURES[name].title}\n[dim]{escape(ARCHITECTURES[name].paper)}[/dim]"
        table.add_row(name, *cells, f"{found.weight_bytes / 1e6:.1f}", *time, network)
    return table


def _details(figures: dict[str, ModelFigures], times: dict[str, float]) -> Table:
    """All that is known of each network."""
    table = Table("name", "what it is", title="Networks", show_lines=True)
    for name, found in figures.items():
        table.add_row(escape(name), "\n".join(map(escape, _facts(name, found, times))))
    return table


def _facts(name: str, found: ModelFigures, times: dict[str, float]) -> list[str]:
    """What a newcomer wants to know of a network, a line each."""
    from oddscape.models.architectures import ARCHITECTURES
    from oddscape.scores import fitting_scores

    maps = (f"{field} {_shape(shape)}" for field, shape in found.maps.items())
    known = ARCHITECTURES.get(name)
    return [
        *([known.title, known.paper] if known else []),
        f"{found.parameters / 1e6:.2f} million parameters, {found.weight_bytes / 1e6:.1f} MB in float32",
        f"{found.multiply_adds / 1e9:,.1f} billion multiply-adds",
        *([f"{times[name]:,.0f} ms a picture"] if times else []),
        f"maps: {', '.join(maps)}",
        f"scores: {', '.join(fitting_scores(frozenset(found.maps)))}",
    ]


def _shape(shape: tuple[int, ...]) -> str:
    """Channels and width×height of maps, or the shape of what is no map."""
    if len(shape) != 3:
        return "×".join(map(str, shape))
    return f"{shape[0]} channels of {format_size((shape[1], shape[2]))}"

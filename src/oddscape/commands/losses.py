"""``oddscape losses``: what a network can be trained for, or all about one of the losses."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import signature
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from oddscape.commands.entries import authors_and_venue, facts_table, markdown_entry
from oddscape.errors import OddscapeError

if TYPE_CHECKING:
    from oddscape.training.methods import Method


def losses(name: str | None = None, /, *, markdown: bool = False) -> None:
    """List the losses; with a name, tell all about that loss.

    Parameters
    ----------
    name
        A loss, as ``oddscape train`` takes it.
    markdown
        Tell all about that loss, or about every one, in Markdown, as in docs/losses.md.
    """
    from oddscape.training.methods import LOSSES

    if name is not None and name not in LOSSES:
        raise OddscapeError(f"unknown loss {name!r}; known: {', '.join(LOSSES)}")
    asked = list(LOSSES.values()) if name is None else [LOSSES[name]]
    if markdown:
        print("\n\n".join(markdown_entry(method.name, _facts(method), level=3) for method in asked))
    elif name is None:
        Console().print(_overview(asked))
    else:
        Console().print(facts_table("loss", name, _facts(asked[0])))


def _overview(methods: list[Method]) -> Table:
    table = Table(title="Losses", show_lines=True, expand=True)
    table.add_column("name", no_wrap=True, min_width=22)
    for name, ratio in (("what it trains", 3), ("formula", 4), ("paper", 3)):
        table.add_column(name, ratio=ratio)
    for method in methods:
        paper = authors_and_venue(method.paper.partition("; ")[0])
        table.add_row(method.name, method.title, Text(method.formula), paper)
    return table


def _facts(method: Method) -> Iterator[tuple[str, str]]:
    yield "trains", method.title
    yield "formula", method.formula
    yield "paper", method.paper
    yield "score it with", method.score
    yield "needs", ", ".join(("logits", *method.needs))
    yield "pictures", _pictures(method)
    yield "works", method.works
    yield "fails", method.fails
    if options := _options(method):
        yield "options", options


def _pictures(method: Method) -> str:
    if method.distils:
        return "known, without labels; its weights to start from are the teacher's"
    kind = "known, with negatives pasted into them" if method.takes_negatives else "known"
    return f"{kind}; the network it starts from has learnt its classes" if method.compares else kind


def _options(method: Method) -> str:
    """The loss's options with their defaults, as in ``beta = 0.03``."""
    options = signature(method.function).parameters.values()
    return ", ".join(f"{option.name} = {_in_words(option.default)}" for option in options)


def _in_words(default: object) -> str:
    words = {None: "none", True: "true", False: "false"}
    return words[default] if default is None or isinstance(default, bool) else str(default)

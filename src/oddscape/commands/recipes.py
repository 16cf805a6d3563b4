"""``oddscape recipes``: the published ways to train, or all about one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from oddscape.recipes import Recipe, read_recipe, recipe_names


def recipes(name: str | None = None, /) -> None:
    """List the training recipes; with a name, tell everything that this one fixes and what it leaves open.

    Parameters
    ----------
    name
        A recipe, as ``oddscape train --recipe`` takes it.
    """
    if name is None:
        Console().print(_overview())
    else:
        recipe = read_recipe(name)
        Console().print(_details(recipe))
        Console().print(_command(recipe), soft_wrap=True, highlight=False)


def _overview() -> Table:
    table = Table("name", "what it is", title="Recipes", show_lines=True)
    for recipe in map(read_recipe, recipe_names()):
        table.add_row(recipe.name, Text("\n".join(_outline(recipe))))
    return table


def _outline(recipe: Recipe) -> Iterator[str]:
    yield recipe.title
    values = recipe.values
    negatives = f" with {values['negatives']}" if "negatives" in values else ""
    yield f"method: {values['method']} · network: {values['model']} · data: {values['dataset']}{negatives}"
    yield recipe.source


def _details(recipe: Recipe) -> Table:
    table = Table("setting", "value", title=recipe.name, caption=recipe.title)
    for term, text in _facts(recipe):
        table.add_row(Text(term), Text(text))
    return table


def _facts(recipe: Recipe) -> Iterator[tuple[str, str]]:
    yield "source", recipe.source
    yield from _settings(recipe.settings)
    for path, wanted in recipe.paths.items():
        yield path, f"to be given; {wanted}"
    for choice in recipe.left_open:
        yield "left open", choice


def _settings(settings: Mapping[str, Any], table: str = "") -> Iterator[tuple[str, str]]:
    """Every setting by name, tables of options taken apart."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _settings(value, f"{table}{name}.")
        else:
            yield f"{table}{name}", ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _command(recipe: Recipe) -> str:
    places = (f"--{path.replace('_', '-')} {path.upper()}" for path in (*recipe.paths, "out"))
    return f"oddscape train --recipe {recipe.name} {' '.join(places)}"

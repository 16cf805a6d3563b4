"""Training recipes as published: a TOML file each, with what its source fixes and what it leaves open.

A file holds fields of :class:`~oddscape.training.config.TrainConfig`, and in its table ``recipe`` what people
are to know: ``title``, ``source``, ``left_open`` and ``paths``, the files and folders that they have to name.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from oddscape.errors import OddscapeError
from oddscape.training.config import TrainConfig, field_values, overlaid, told

_ENDING = ".toml"


@dataclass(frozen=True)
class Recipe:
    """A training run as published, but for where things lie.

    Args:
        name: its name, as in ``oddscape train --recipe NAME``.
        title: what it trains, in a line.
        source: whose recipe it is.
        left_open: what the source does not say, with what is chosen here; a line each.
        paths: fields of ``TrainConfig``, or of its tables as in ``"also.town.data"``, that have to be given,
            with what is wanted of each.
        settings: the values that it fixes, as its file writes them.
    """

    name: str
    title: str
    source: str
    left_open: tuple[str, ...]
    paths: Mapping[str, str]
    settings: Mapping[str, Any]

    @property
    def values(self) -> dict[str, Any]:
        """The values that it fixes, as ``TrainConfig`` holds them."""
        return field_values(self.settings)

    def config(self, **given: Any) -> TrainConfig:
        """The run with what is given in place of the recipe's values; tables of options are joined.

        Args:
            **given: fields of ``TrainConfig``: the recipe's ``paths``, ``out``, and whatever is to differ.

        Raises:
            OddscapeError: a path that is missing, or a value that no run can have.
        """
        require(f"recipe {self.name!r}", {**self.paths, "out": "the run folder"}, given)
        return TrainConfig(**overlaid(self.values, given))


def recipe_names() -> tuple[str, ...]:
    """Names of all recipes, in alphabetical order."""
    there = (file.name for file in files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(_ENDING) for name in there if name.endswith(_ENDING)))


def read_recipe(name: str) -> Recipe:
    """Read a recipe.

    Raises:
        OddscapeError: there is none of this name.
    """
    if name not in recipe_names():
        raise OddscapeError(f"no recipe {name!r}; there are {', '.join(recipe_names())}")
    settings = tomllib.loads((files(__name__) / f"{name}{_ENDING}").read_text(encoding="utf-8"))
    about = settings.pop("recipe")
    return Recipe(name, about["title"], about["source"], tuple(about["left_open"]), about["paths"], settings)


def require(what: str, wanted: Mapping[str, str], given: Mapping[str, Any]) -> None:
    """Make sure that everything wanted is given.

    Raises:
        OddscapeError: one line that names all that is missing, as options of the command line.
    """
    missing = {name: text for name, text in wanted.items() if told(given, name) is None}
    if missing:
        options = (f"--{name.replace('_', '-')} ({text})" for name, text in missing.items())
        raise OddscapeError(f"{what} needs {', '.join(options)}")

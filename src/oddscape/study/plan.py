"""A study file: one protocol, seeds and methods → the training runs that it asks for.

With every key there is; ``protocol`` and ``methods`` alone have to be there::

    protocol = "camvid-heldout"  # or a protocol file
    evaluation_data = "data/camvid"  # folder of the protocol's data; by default that of [common]
    seeds = [0, 1, 2]  # by default 0 alone
    scores = ["all"]  # what to evaluate
    size = "480x360"  # what the networks see in evaluation; by default the pictures' own

    [common]  # fields of TrainConfig, or a recipe's name, for all methods
    data = "data/camvid"
    negatives_data = "data/coco"  # negatives go to methods that take them alone

    [methods.closed - set]  # a name of one's own; a loss's name also says the method
    recipe = "small-ladder-camvid"

    [methods.densehybrid]
    recipe = "densehybrid-small-ladder-camvid"
    starts_from = "closed-set"  # the weights of that method's run of the same seed
    epochs = 4  # goes before [common], which goes before the recipe
    scores = ["densehybrid"]
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oddscape.errors import OddscapeError
from oddscape.protocol_file import find_protocol
from oddscape.protocols import Protocol
from oddscape.recipes import read_recipe
from oddscape.sizes import InferenceSize, parse_inference_size
from oddscape.training.config import TrainConfig, field_values, overlaid, told
from oddscape.training.methods import LOSSES
from oddscape.training.run_folder import RunFolder

_KEYS = ("protocol", "evaluation_data", "seeds", "scores", "size", "common", "methods")
_KEYS_OF_METHODS = ("recipe", "starts_from", "scores")
_SET_BY_THE_STUDY = ("out", "seed", "resume")
_NEEDED = {"dataset": "name of the training data", "data": "folder of the training data"}


@dataclass(frozen=True)
class StudyMethod:
    """A training that a study repeats with several seeds.

    Args:
        name: its name in the study.
        values: fields of ``TrainConfig``, but for those that follow from the run.
        starts_from: name of the method with whose weights it starts; None: as ``values`` say.
        scores: what its networks are evaluated with, as ``odd.evaluate`` takes it.
        saw_outliers: whether it, or any method that it builds on, is trained with negatives.
    """

    name: str
    values: Mapping[str, Any]
    starts_from: str | None
    scores: tuple[str, ...]
    saw_outliers: bool


@dataclass(frozen=True)
class Run:
    """One method with one seed.

    Args:
        method: what is trained.
        config: the training run.
        results: file of its results.
    """

    method: StudyMethod
    config: TrainConfig
    results: Path

    @property
    def name(self) -> str:
        """Method and seed."""
        return f"{self.method.name}, seed {self.config.seed}"

    @property
    def folder(self) -> RunFolder:
        """Where the training run lies."""
        return RunFolder(self.config.out)


@dataclass(frozen=True)
class Study:
    """Methods × seeds under one protocol.

    Args:
        protocol: the rules of all figures.
        evaluation_data: folder of the protocol's data set.
        seeds: of training, each method's in turn.
        methods: each after the one that it starts from, else in the file's order.
        size: (H, W) at which the networks see the pictures in evaluation, or the shorter side of each; None:
            their own.
    """

    protocol: Protocol
    evaluation_data: Path
    seeds: tuple[int, ...]
    methods: tuple[StudyMethod, ...]
    size: InferenceSize | None

    def runs(self, out: Path) -> list[Run]:
        """All runs in the order in which they can be done, all methods of a seed before the next seed."""
        return [_run(method, seed, out) for seed in self.seeds for method in self.methods]


def _run(method: StudyMethod, seed: int, out: Path) -> Run:
    def folder(name: str) -> Path:
        return out / name / f"seed-{seed}"

    start = {"weights": RunFolder(folder(method.starts_from)).weights} if method.starts_from else {}
    config = TrainConfig(**{**method.values, **start}, out=folder(method.name), seed=seed)
    return Run(method, config, folder(method.name).with_suffix(".json"))


def read_study(
    path: Path,
    *,
    protocol: str | None = None,
    evaluation_data: Path | None = None,
    common: Mapping[str, Any] | None = None,
) -> Study:
    """Read a study file, and make sure that each of its runs is one that can be asked for.

    Args:
        path: the file; paths in it are as seen from where the program runs.
        protocol: goes before the file's.
        evaluation_data: goes before the file's.
        common: fields of ``TrainConfig`` that go before those of the file's part ``common``.

    Raises:
        OddscapeError: no such file, not TOML, or whatever is amiss in it, with the table's name.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise OddscapeError(f"cannot read a study from {path}: {said}") from None
    given = {"protocol": protocol, "evaluation_data": evaluation_data}
    content |= {key: str(value) for key, value in given.items() if value is not None}
    try:
        return _study(content, common or {})
    except OddscapeError as error:
        raise OddscapeError(f"{path}: {error}") from None


def _study(content: Mapping[str, Any], given: Mapping[str, Any]) -> Study:
    if unknown := sorted(content.keys() - set(_KEYS)):
        raise OddscapeError(f"unknown key {', '.join(unknown)}; known: {', '.join(_KEYS)}")
    if "protocol" not in content:
        raise OddscapeError("protocol is missing: the name of one, or its file (--protocol)")
    tables = _tables(content)
    common = {**_table("common", content.get("common", {})), **given}
    chains = {name: _chain(name, tables) for name in tables}
    values = {name: _in_table(name, _values, name, tables[name], common) for name in tables}
    default = _scores(content.get("scores", ["all"]))
    ordered = dict.fromkeys(name for chain in chains.values() for name in chain)
    methods = tuple(
        StudyMethod(
            name,
            values[name],
            tables[name].get("starts_from"),
            _in_table(name, _scores, tables[name].get("scores", default)),
            any(LOSSES[values[one]["method"]].takes_negatives for one in chains[name]),
        )
        for name in ordered
    )
    size = content.get("size")
    study = Study(
        find_protocol(_text("protocol", content["protocol"])),
        _evaluation_data(content, methods[0]),
        _seeds(content.get("seeds", [0])),
        methods,
        None if size is None else parse_inference_size(_text("size", size)),
    )
    for method in methods:
        _in_table(method.name, _run, method, study.seeds[0], Path())
    return study


def _in_table(name: str, function: Any, *arguments: Any) -> Any:
    """Call a function whose complaints are about a method's table."""
    try:
        return function(*arguments)
    except OddscapeError as error:
        raise OddscapeError(f"[methods.{name}] {error}") from None


def _tables(content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The tables of the methods, by name."""
    methods = content.get("methods")
    if not isinstance(methods, dict) or not methods:
        raise OddscapeError("a study needs methods, each a table [methods.NAME]")
    for name in methods:
        if not re.fullmatch(r"[\w+-]+", name):
            raise OddscapeError(f"[methods.{name}] names a folder: use letters, digits, +, - and _")
    return {name: _table(f"methods.{name}", table) for name, table in methods.items()}


def _table(name: str, table: Any) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise OddscapeError(f"{name} = {table!r}: expected a table [{name}]")
    if fixed := [field for field in _SET_BY_THE_STUDY if field in table]:
        raise OddscapeError(f"[{name}] must not say {', '.join(fixed)}: the study does")
    return table


def _chain(name: str, tables: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """All methods that this one builds on, the first one first, and itself."""
    chain = [name]
    while (start := tables[chain[0]].get("starts_from")) is not None:
        if start not in tables:
            raise OddscapeError(
                f"[methods.{chain[0]}] starts_from {start!r}, which is no method of this study; "
                f"there are {', '.join(tables)}"
            )
        if start in chain:
            circle = ", ".join([start, *chain[: chain.index(start) + 1]])
            raise OddscapeError(f"[methods.{chain[0]}] starts_from goes in a circle: {circle}")
        chain.insert(0, start)
    return chain


def _values(name: str, table: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of ``TrainConfig``: a recipe's, before them the common ones, before all the method's own."""
    recipe = table.get("recipe", common.get("recipe"))
    chosen = None if recipe is None else read_recipe(recipe)
    own = field_values({key: value for key, value in table.items() if key not in _KEYS_OF_METHODS})
    shared = overlaid(
        {} if chosen is None else chosen.values,
        field_values({key: value for key, value in common.items() if key != "recipe"}),
    )
    method = own.get("method") or (name if name in LOSSES else shared.get("method"))
    if method not in LOSSES:
        raise OddscapeError(f"needs a method, one of {', '.join(LOSSES)}, not {method!r}")
    if not LOSSES[method].takes_negatives:
        shared = {key: value for key, value in shared.items() if not key.startswith("negatives")}
    values = overlaid(shared, {**own, "method": method})
    needed = {} if values.get("inliers") else _NEEDED
    _require(values, {**needed, **({} if chosen is None else chosen.paths)}, table)
    return values


def _require(values: Mapping[str, Any], wanted: Mapping[str, str], table: Mapping[str, Any]) -> None:
    if "starts_from" in table and "weights" in values:
        raise OddscapeError("says both starts_from and weights: choose one")
    needless = {"weights"} if "starts_from" in table else set()
    if not LOSSES[values["method"]].takes_negatives:
        needless.add("negatives_data")  # which a recipe for another method may want
    missing = [
        f"{field} ({text})"
        for field, text in wanted.items()
        if field not in needless and told(values, field) is None
    ]
    if missing:
        raise OddscapeError(f"lacks {', '.join(missing)}")


def _evaluation_data(content: Mapping[str, Any], first: StudyMethod) -> Path:
    if "evaluation_data" in content:
        return Path(_text("evaluation_data", content["evaluation_data"]))
    if "data" not in first.values:
        raise OddscapeError("evaluation_data is missing: folder of the protocol's data set")
    return Path(first.values["data"])


def _seeds(value: Any) -> tuple[int, ...]:
    whole = isinstance(value, list) and all(type(seed) is int and seed >= 0 for seed in value)
    if not whole or not value or len(set(value)) < len(value):
        raise OddscapeError(f"seeds = {value!r}: expected different whole numbers from 0 on, as in [0, 1, 2]")
    return tuple(value)


def _scores(value: Sequence[Any]) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not value or not all(isinstance(name, str) for name in value):
        raise OddscapeError(f'scores = {value!r}: expected names, as in ["msp", "energy"], or ["all"]')
    return tuple(value)


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise OddscapeError(f"{key} = {value!r}: expected a text")
    return value

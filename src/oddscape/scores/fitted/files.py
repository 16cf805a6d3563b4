"""Fitted scores on disk: one safetensors file for several, with what they were fitted to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from oddscape.errors import OddscapeError
from oddscape.models.checkpoints import save_weights
from oddscape.scores.fitted import FITTED, pick_methods
from oddscape.scores.score import Score

FITTED_SCORES = "fitted_scores"
"""Where the metadata of a file say which fitted scores it holds."""

_EVERY_MAP = frozenset(need for method in FITTED.values() for need in method.needs)


def save_scores(
    scores: Mapping[str, Score], path: str | Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Write fitted scores to one safetensors file, whole or not at all.

    Args:
        scores: of :func:`oddscape.fitting.fit_scores`, by name.
        path: the file.
        metadata: further facts for people, such as the network and the data.

    Raises:
        OddscapeError: a score that learnt nothing, or post-processing, which is for the maps of a run.
    """
    tensors, others = split_scores(scores)
    save_weights(tensors, path, {**(metadata or {}), FITTED_SCORES: others})


def load_scores(path: str | Path) -> dict[str, Score]:
    """Read fitted scores, by name; they compute where the network does.

    Raises:
        OddscapeError: no such file, one that does not hold fitted scores, or holds some that this version
            does not know.
    """
    path = Path(path)
    if not path.is_file():
        raise OddscapeError(f"no fitted scores at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            others = (file.metadata() or {})[FITTED_SCORES]
        return joined_scores(tensors, others, path)
    except (SafetensorError, KeyError, json.JSONDecodeError):
        raise OddscapeError(f"{path} is no file of fitted scores, as oddscape fit writes them") from None


def split_scores(scores: Mapping[str, Score]) -> tuple[dict[str, Tensor], str]:
    """Take fitted scores apart for a file: the tensors by score and name, the rest as JSON.

    Raises:
        OddscapeError: as :func:`save_scores`.
    """
    tensors: dict[str, Tensor] = {}
    others: dict[str, dict[str, Any]] = {}
    for score in scores.values():
        learnt = _learnt(score)
        tensors |= {f"{score.name}.{key}": x for key, x in learnt.items() if isinstance(x, Tensor)}
        numbers = {key: x for key, x in learnt.items() if not isinstance(x, Tensor)}
        others[score.name] = {"formula": score.formula, "numbers": numbers}
    return tensors, json.dumps(others, ensure_ascii=False)


def joined_scores(tensors: Mapping[str, Tensor], others: str, path: Path) -> dict[str, Score]:
    """Put the scores together again that :func:`split_scores` took apart; ``path`` is for errors.

    Raises:
        OddscapeError: a score that lacks something, or that this version does not know.
        JSONDecodeError: no JSON.
    """
    return {name: _restored(name, other, tensors, path) for name, other in json.loads(others).items()}


def is_fitted(score: Score) -> bool:
    """Whether a score computes what one of ``FITTED`` has learnt."""
    known = tuple(method.fitted for method in FITTED.values())
    return type(score.function) in known and is_dataclass(score.function)


def _learnt(score: Score) -> dict[str, Any]:
    """The fields of what a fitted score computes, by name."""
    if score.steps or not is_fitted(score):
        raise OddscapeError(
            f"score {score.name!r} cannot be saved: expected scores of fit_scores, without post-processing"
        )
    function: Any = score.function
    return {field.name: getattr(function, field.name) for field in fields(function)}


def _restored(name: str, other: dict[str, Any], tensors: Mapping[str, Tensor], path: Path) -> Score:
    try:
        method = pick_methods([name], _EVERY_MAP)[name]
        own = {key.removeprefix(f"{name}."): x for key, x in tensors.items() if key.startswith(f"{name}.")}
        return replace(method.score(method.fitted(**other["numbers"], **own)), formula=other["formula"])
    except (OddscapeError, TypeError, KeyError) as error:
        raise OddscapeError(f"{path}: score {name!r} cannot be read: {error}") from None

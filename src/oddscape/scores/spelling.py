"""How a score is written: ``energy@temperature=2``, ``max_logit+boundaries+smoothing@sigma=2``."""

from __future__ import annotations

from collections.abc import Mapping

from oddscape.errors import OddscapeError
from oddscape.scores.parameters import with_parameters
from oddscape.scores.postprocessing import POSTPROCESSING
from oddscape.scores.score import Score


def read_score(text: str, scores: Mapping[str, Score]) -> Score:
    """The score that a text stands for: a name, parameters after ``@``, post-processing steps after ``+``.

    Args:
        text: such as ``energy@temperature=2`` or ``gen@gamma=0.2,classes=10+boundaries@width=4+smoothing``.
        scores: by name.

    Raises:
        OddscapeError: an unknown name, a parameter that a score or step does not have, or a bad value.
    """
    written, *steps = text.split("+")
    # A fitted score's parameters are part of its name.
    name, parameters = (written, {}) if written in scores else parameters_of(written, text)
    if name not in scores:
        raise OddscapeError(f"unknown score {name!r}; known: {', '.join(scores)}")
    score = with_parameters(scores[name], parameters)
    for written in steps:
        name, parameters = parameters_of(written, text)
        if name not in POSTPROCESSING:
            raise OddscapeError(
                f"score {text!r}: unknown post-processing {name!r}; known: {', '.join(POSTPROCESSING)}"
            )
        score = score.then(with_parameters(POSTPROCESSING[name], parameters))
    return score


def parameters_of(written: str, text: str) -> tuple[str, dict[str, float]]:
    """``energy@temperature=2`` → the name and the parameters."""
    name, marked, parameters = written.partition("@")
    pairs = [pair.partition("=") for pair in parameters.split(",")] if marked else []
    try:
        return name, {key: float(value) for key, _, value in pairs}
    except ValueError:
        raise OddscapeError(
            f"score {text!r}: {parameters!r} after {name + '@'!r}: expected parameter=number, "
            "several with commas between"
        ) from None

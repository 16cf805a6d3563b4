"""Scores that learn from known data: statistics of its pixels, and the scores that they make."""

from __future__ import annotations

from collections.abc import Sequence

from oddscape.errors import OddscapeError
from oddscape.scores.fitted import gmm, knn, mahalanobis, sml, vim
from oddscape.scores.fitted.method import FittedMethod, Statistics
from oddscape.scores.parameters import with_parameters
from oddscape.scores.spelling import parameters_of

__all__ = ["FITTED", "FittedMethod", "Statistics", "pick_methods"]

FITTED: dict[str, FittedMethod] = {
    method.name: method
    for method in (
        sml.METHOD,
        mahalanobis.METHOD,
        mahalanobis.DIAGONAL,
        knn.METHOD,
        vim.METHOD,
        gmm.METHOD,
    )
}
"""Every such score by name. A new one is a file and a line here; the shared tests then cover it."""


def pick_methods(names: Sequence[str], fields: frozenset[str]) -> dict[str, FittedMethod]:
    """Look methods up and make sure that a network can carry them.

    Args:
        names: of ``FITTED``, with parameters where wanted, as in ``knn@neighbours=10``; ``"all"`` stands for
            all that the network can carry.
        fields: names of the native maps that the network gives.

    Returns:
        The methods under the names as given.

    Raises:
        OddscapeError: no name at all, an unknown one, a parameter that it does not have, post-processing, or
            a method that needs what the network lacks.
    """
    fitting = {name: method for name, method in FITTED.items() if set(method.needs) <= fields}
    if not names:
        raise OddscapeError(f"no score to fit was named; known: {', '.join(FITTED)}")
    picked: dict[str, FittedMethod] = {}
    for name in names:
        picked |= fitting if name == "all" else {name: _read(name)}
    for name, method in picked.items():
        if missing := sorted(set(method.needs) - fields):
            raise OddscapeError(
                f"score {name!r} needs {', '.join(missing)}, which this network does not give; "
                f"scores that can be fitted to it: {', '.join(fitting)}"
            )
    return picked


def _read(text: str) -> FittedMethod:
    if "+" in text:
        raise OddscapeError(
            f"score {text!r}: post-processing is for the fitted score's maps; fit {text.partition('+')[0]!r}"
        )
    name, parameters = parameters_of(text, text)
    if name not in FITTED:
        raise OddscapeError(f"unknown score to fit {name!r}; known: {', '.join(FITTED)}")
    return with_parameters(FITTED[name], parameters)

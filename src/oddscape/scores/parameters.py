"""The numbers that change a score, checked before anything is computed with them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from oddscape.errors import OddscapeError

if TYPE_CHECKING:
    from oddscape.scores.fitted.method import FittedMethod
    from oddscape.scores.postprocessing import PostProcessing
    from oddscape.scores.score import Score

    Parametrised = TypeVar("Parametrised", Score, PostProcessing, FittedMethod)


@dataclass(frozen=True)
class Parameter:
    """A number above 0 that changes a score.

    Args:
        name: the keyword of the score's function.
        meaning: what it is, and its default, for people.
        whole: whether it must be a whole number.
    """

    name: str
    meaning: str
    whole: bool = False

    def fits(self, value: float) -> bool:
        """Whether a value is one that this parameter may have."""
        return 0 < value < float("inf") and (not self.whole or value == int(value))


def with_parameters(thing: Parametrised, given: dict[str, float]) -> Parametrised:
    """Fix parameters of a score or a post-processing; name and formula say so.

    Raises:
        OddscapeError: a parameter that it does not have, or a value that does not fit.
    """
    known = {parameter.name: parameter for parameter in thing.parameters}
    for name, value in given.items():
        if name not in known:
            raise OddscapeError(
                f"{thing.name!r} has no parameter {name!r}; it has: {', '.join(known) or 'none'}"
            )
        if not known[name].fits(value):
            expected = "a whole number above 0" if known[name].whole else "a number above 0"
            raise OddscapeError(f"{thing.name!r}: {name} {value:g}: expected {expected}")
    if not given:
        return thing
    values = {name: int(value) if known[name].whole else value for name, value in given.items()}
    written = ",".join(f"{name}={_written(value)}" for name, value in values.items())
    return replace(
        thing,
        name=f"{thing.name}{',' if '@' in thing.name else '@'}{written}",
        function=partial(thing.function, **values),
        formula=f"{thing.formula} ({written})",
        parameters=tuple(p for p in thing.parameters if p.name not in given),
    )


def _written(value: float) -> str:
    """The number as it is read again, exactly; a plus would begin a step of post-processing."""
    short = f"{value:g}"
    return (short if float(short) == value else repr(value)).replace("e+", "e")

"""``oddscape scores``: the scores by name, or all about one of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from rich.console import Console
from rich.table import Table
from rich.text import Text

from oddscape.commands.entries import authors_and_venue, facts_table, markdown_entry
from oddscape.report.wording import saw_words

if TYPE_CHECKING:
    from oddscape.scores import Score


def scores(name: str | None = None, /, *, markdown: bool = False) -> None:
    """List the scores, and what can be done to their maps; with a name, tell all about that score.

    Parameters
    ----------
    name
        A score, with parameters and post-processing or without, as in energy@temperature=2 or
        max_logit+boundaries+smoothing.
    markdown
        Tell all about that score, or about every score and step, in Markdown, as in docs/scores.md.
    """
    from oddscape.scores import read_score

    if markdown:
        print(_all_entries() if name is None else _entry(read_score(name, _every_score())))
    elif name is None:
        Console().print(*map(_score_table, _kinds()), _step_table())
    else:
        score = read_score(name, _every_score())
        Console().print(facts_table("score", score.name, _facts(score)))


def _kinds() -> tuple[str, ...]:
    from oddscape.scores.score import Kind

    return get_args(Kind)


def _every_score() -> dict[str, Score]:
    """Those that run on an output, and the descriptions of those that are fitted first."""
    from oddscape.scores import SCORES
    from oddscape.scores.fitted import FITTED

    fitted = {n: replace(method.score(), parameters=method.parameters) for n, method in FITTED.items()}
    return SCORES | fitted


def _score_table(kind: str) -> Table:
    table = Table(title=f"Scores: {kind}", expand=True)
    table.add_column("name", no_wrap=True, min_width=18)
    table.add_column("formula", ratio=4)
    table.add_column("needs", min_width=16)
    table.add_column("saw outliers", width=8)
    table.add_column("paper", ratio=3)
    for score in _every_score().values():
        if score.kind == kind:
            needs, saw = ",\n".join(score.needs) or "–", saw_words(score.saw_outliers)
            table.add_row(score.name, Text(score.formula), needs, saw, authors_and_venue(score.paper))
    return table


def _step_table() -> Table:
    from oddscape.scores import POSTPROCESSING

    title = "Post-processing of any score, as in max_logit+boundaries+smoothing"
    table = Table("name", "what it does", "parameters", "paper", title=title, expand=True)
    for step in POSTPROCESSING.values():
        parameters = "\n".join(f"{p.name}: {p.meaning}" for p in step.parameters)
        table.add_row(step.name, step.formula, parameters, authors_and_venue(step.paper))
    return table


def _facts(score: Score) -> Iterator[tuple[str, str]]:
    yield "formula", score.formula
    yield "paper", score.paper
    yield "takes", score.kind
    yield "needs", ", ".join(("logits", *score.needs))
    yield "saw outliers", saw_words(score.saw_outliers)
    yield "works", score.works
    yield "fails", score.fails
    for parameter in score.parameters:
        yield f"parameter {parameter.name}", parameter.meaning
    for step in score.steps:
        yield "then", f"{step.formula} ({step.paper})"


def _all_entries() -> str:
    """All about every score and step in Markdown, a heading for each kind."""
    parts: list[str] = []
    for kind in _kinds():
        entries = (_entry(score) for score in _every_score().values() if score.kind == kind)
        parts += [f"### Scores: {kind}", *entries]
    return "\n\n".join([*parts, "### Post-processing", *_step_entries()])


def _entry(score: Score) -> str:
    return markdown_entry(score.name, ((term, text) for term, text in _facts(score) if term != "takes"))


def _step_entries() -> Iterator[str]:
    from oddscape.scores import POSTPROCESSING

    for step in POSTPROCESSING.values():
        parameters = ((f"parameter {p.name}", p.meaning) for p in step.parameters)
        yield markdown_entry(step.name, [("what it does", step.formula), ("paper", step.paper), *parameters])

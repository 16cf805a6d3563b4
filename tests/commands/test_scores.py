"""``oddscape scores``: the list, and all about one score."""

import pytest
from rich.cells import cell_len

from oddscape.results import Results
from oddscape.scores import POSTPROCESSING, SCORES
from oddscape.scores.fitted import FITTED
from oddscape.scores.score import Kind


def test_the_list_holds_every_score_and_step(run):
    status, out, err = run("scores")
    assert (status, err) == (0, "")
    for score in SCORES.values():
        assert f"{score.name} " in out
        assert score.formula in out
        assert score.paper.rpartition(", ")[2] in out
    assert all(f"│ {name} " in out for name in [*FITTED, *POSTPROCESSING])
    assert all(f"Scores: {kind}" in out for kind in Kind.__args__)


def test_the_list_fits_100_columns(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    _, out, _ = run("scores")
    assert max(map(cell_len, out.splitlines())) <= 100
    assert "…" not in out


@pytest.mark.parametrize("name", [*SCORES, *FITTED])
def test_all_about_one(run, name):
    status, out, err = run("scores", name)
    score = SCORES[name] if name in SCORES else FITTED[name]
    assert (status, err) == (0, "")
    said = " ".join(out.split())
    facts = (score.formula, score.paper, score.works, score.fails, *(p.meaning for p in score.parameters))
    for fact in (*facts, *score.needs):
        assert " ".join(fact.split()) in said


def test_parameters_and_steps_are_told(run):
    _, out, _ = run("scores", "energy@temperature=2+smoothing@sigma=2")
    assert "−logsumexp_k f_k (temperature=2); then dilated Gaussian smoothing (sigma=2)" in out


def test_an_unknown_score_is_named(run):
    status, out, err = run("scores", "enrgy")
    assert status == 1
    assert out == ""
    assert err.startswith("oddscape: unknown score 'enrgy'; known: msp, ")
    assert err.count("\n") == 1


def test_variants_are_evaluated_and_recorded_by_name(run, masks_folder, weights, tmp_path):
    names = ["energy@temperature=2", "gen@gamma=0.2,classes=5", "max_logit+boundaries@width=4+smoothing"]
    where = ("--protocol", "masks", "--data", masks_folder, "--weights", weights)
    options = [option for name in names for option in ("--score", name)]
    files = ("--out", tmp_path / "results.json", "--report", tmp_path / "report", "--report-pictures", 2)
    status, printed, err = run("evaluate", *where, *options, *files)
    assert (status, err) == (0, "")
    results = Results.load(tmp_path / "results.json")
    assert [result.score for result in results.scores] == names
    assert "(temperature=2)" in results.of(names[0]).formula
    assert "dilated Gaussian smoothing" in results.of(names[2]).formula
    assert all(name.partition("@")[0] in printed for name in names)

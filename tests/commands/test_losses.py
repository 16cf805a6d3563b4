"""``oddscape losses``: the list, and all about one loss."""

import pytest
from rich.cells import cell_len

from oddscape.scores import SCORES
from oddscape.training.methods import LOSSES


def test_the_list_holds_every_loss_and_fits_100_columns(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    status, out, err = run("losses")
    assert (status, err) == (0, "")
    assert all(f"│ {name} " in out for name in LOSSES)
    assert max(map(cell_len, out.splitlines())) <= 100


@pytest.mark.parametrize("name", LOSSES)
def test_all_about_one(run, name):
    status, out, err = run("losses", name)
    method = LOSSES[name]
    assert (status, err) == (0, "")
    said = " ".join(out.split())
    for fact in (method.title, method.formula, method.paper, method.score, method.works, method.fails):
        assert " ".join(fact.split()) in said
    assert all(f"{option} = " in said for option in method.options)


def test_the_score_of_a_loss_reads_what_the_loss_trains():
    for method in LOSSES.values():
        assert set(SCORES[method.score].needs) <= set(method.needs)


def test_defaults_are_told(run):
    _, out, _ = run("losses", "densehybrid", "--markdown")
    assert out.startswith("### `densehybrid`\n\n- trains: ")
    assert "- options: `beta = 0.03, margin = none, void_is_known = true`" in out


def test_an_unknown_loss_is_named(run):
    status, out, err = run("losses", "densehybird")
    assert (status, out) == (1, "")
    assert err.startswith("oddscape: unknown loss 'densehybird'; known: closed-set, densehybrid")
    assert err.count("\n") == 1

"""``oddscape study``."""

import pytest

from oddscape.training.config import TrainConfig

PLAN = """
protocol = "streethazards"
seeds = [3]
scores = ["msp"]
[methods.closed-set]
dataset = "streethazards"
epochs = 1
"""


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(PLAN)
    return path


def test_it_prints_the_table_and_says_where_everything_lies_and_once_more_at_once(
    run, plan, streethazards_folder, tmp_path
):
    out = tmp_path / "out"
    given = ("study", plan, "--data", streethazards_folder, "--out", out, "--threads", 1)
    status, printed, err = run(*given)
    assert status == 0
    assert "StreetHazards test as DenseHybrid reads it" in printed
    assert "protocol: streethazards" in " ".join(printed.split())
    assert f"table: {out}/table.md\nreport: {out}/report/index.html\n" in printed
    assert "run 1 of 1, closed-set, seed 3: training: " in err
    assert "run 1 of 1, closed-set, seed 3: evaluating: " in err
    config = TrainConfig.from_toml(out / "closed-set" / "seed-3" / "config.toml")
    assert (config.seed, config.data) == (3, streethazards_folder)
    assert (out / "report" / "index.html").is_file()

    assert run(*given) == (0, printed, "")


def test_what_is_missing_is_one_line(run, plan, tmp_path):
    status, out, err = run("study", plan, "--out", tmp_path / "out")
    assert (status, out) == (1, "")
    assert err == f"oddscape: {plan}: [methods.closed-set] lacks data (folder of the training data)\n"
    assert not (tmp_path / "out").exists()

"""A study that is done, interrupted, changed and done again."""

from contextlib import contextmanager

import numpy as np
import pytest
from safetensors.torch import load_file

from oddscape.errors import OddscapeError
from oddscape.results import Results
from oddscape.study.plan import read_study
from oddscape.study.running import run_study
from oddscape.training.config import TrainConfig
from oddscape.training.run_folder import RunFolder

RUNS = ["closed-set, seed 0", "hybrid, seed 0", "closed-set, seed 1", "hybrid, seed 1"]


class Stages:
    """Titles of the stages that were gone through; stops in the one that is named."""

    def __init__(self, stop_in=None):
        self.titles, self.stop_in = [], stop_in

    @contextmanager
    def __call__(self, title):
        self.titles.append(title)

        def advance(done, total):
            if title == self.stop_in and done == total:
                raise KeyboardInterrupt

        yield advance


@pytest.fixture
def study(plan, folders, tmp_path):
    """Do the study with pieces of its file replaced; gives the stages that it went through."""

    def do(*replacements, stop_in=None, **options):
        stages = Stages(stop_in)
        asked = read_study(plan(*replacements), common=folders)
        try:
            stages.result = run_study(asked, tmp_path / "out", stages, **options)
        except KeyboardInterrupt:
            assert stop_in
        return stages.titles

    return do


def titles(*runs):
    return [
        f"run {RUNS.index(run) + 1} of 4, {run}: {stage}"
        for run in runs
        for stage in ("training", "evaluating")
    ]


def weights(out):
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("weights.safetensors")}


def figures(out):
    return {str(path): repr(Results.load(path).scores) for path in out.glob("*/*.json")}


def assert_table_agrees_with_numpy(table, out):
    found = [Results.load(out / "hybrid" / f"seed-{seed}.json") for seed in (0, 1)]
    values = [100 * results.of("energy").per_picture.average_precision for results in found]
    [line] = [line for line in table.splitlines() if line.startswith("| hybrid | energy | yes | 2 | ")]
    cell = line.split(" | ")[4].replace("*", "")
    assert cell == f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f} ({min(values):.1f})"


def test_a_study_is_done_once_goes_on_where_it_stopped_and_names_what_changed(study, tmp_path):
    out = tmp_path / "out"

    stopped = study(stop_in=titles(RUNS[1])[0])
    assert stopped == titles(*RUNS[:2])[:3]
    assert not (out / "table.md").exists()
    assert not RunFolder(out / "hybrid" / "seed-0").weights.exists()

    resumed = study()
    assert resumed == titles(*RUNS[1:])
    for method, score in (("hybrid", "densehybrid"), ("closed-set", "msp")):
        for seed in (0, 1):
            results = Results.load(out / method / f"seed-{seed}.json")
            assert results.model == f"{method}, seed {seed}"
            assert results.weights == f"{method}/seed-{seed}/weights.safetensors"
            assert results.of(score).saw_outliers == (method == "hybrid")
    assert "closed-set, seed 1" in (out / "report" / "index.html").read_text()
    for seed in (0, 1):
        told = TrainConfig.from_toml(out / "hybrid" / f"seed-{seed}" / "config.toml")
        assert told.weights == out / "closed-set" / f"seed-{seed}" / "weights.safetensors"
    done, table = weights(out), (out / "table.md").read_text()
    assert_table_agrees_with_numpy(table, out)
    first, second = (load_file(out / "hybrid" / f"seed-{seed}" / "weights.safetensors") for seed in (0, 1))
    assert any(not first[name].equal(second[name]) for name in first)

    assert study() == []
    assert (weights(out), (out / "table.md").read_text()) == (done, table)

    with pytest.raises(OddscapeError) as refused:
        study(("1e-2", "2e-2"), ('["energy", "dense', '["msp", "energy", "dense'))
    assert str(refused.value) == (
        "done otherwise than the study now asks: closed-set with another learning_rate; "
        "hybrid with another scores; --anew does it again"
    )

    # One seed more is no change; what starts from changed weights is trained again, too.
    assert study(("[0, 1]", "[0]"), ("1e-2", "2e-2"), anew=True) == [
        title.replace("of 4", "of 2") for title in titles(*RUNS[:2])
    ]
    changed = weights(out)
    assert {name for name in done if changed[name] != done[name]} == {
        f"{method}/seed-0/weights.safetensors" for method in ("closed-set", "hybrid")
    }


def test_only_what_is_evaluated_otherwise_is_evaluated_again(study, tmp_path):
    out, one = tmp_path / "out", ("[0, 1]", "[0]")
    study(one)
    before, found = weights(out), figures(out)
    (out / "closed-set" / "seed-0.json").unlink()
    reading = [
        "run 1 of 2, closed-set, seed 0: reading weights",
        "run 1 of 2, closed-set, seed 0: evaluating",
    ]
    assert study(one) == reading
    assert figures(out) == found
    assert study(one, ('["msp", "energy"]', '["msp"]'), anew=True) == reading
    assert len(Results.load(out / "closed-set" / "seed-0.json").scores) == 1
    assert weights(out) == before


def test_what_does_not_fit_is_said_before_the_first_run(study, tmp_path):
    with pytest.raises(OddscapeError, match=r"^closed-set, seed 0: score 'densehybrid' needs outlier_"):
        study(('["msp", "energy"]', '["densehybrid"]'))
    with pytest.raises(OddscapeError, match=r"^hybrid, seed 0: unknown score 'enrgy'"):
        study(('["energy", "dense', '["enrgy", "dense'))
    with pytest.raises(OddscapeError, match=r"^closed-set, seed 0: .*8 pictures .* batch_size 400"):
        study(("batch_size = 4", "batch_size = 400"))
    assert not (tmp_path / "out").exists()


def test_a_run_that_fails_is_named(study):
    with pytest.raises(OddscapeError, match=r"^closed-set, seed 0: the loss is (nan|inf)"):
        study(("learning_rate = 1e-2", "learning_rate = 1e30\nepochs = 9"), ("epochs = 1\n", ""))


def test_further_data_sets_are_looked_at_before_the_first_run_and_are_part_of_what_was_asked(
    plan, folders, tmp_path
):
    def do(**town):
        common = {**folders, "also": {"town": {"data": folders["data"], **town}}}
        asked = read_study(plan(("seeds = [0, 1]", "seeds = [0]")), common=common)
        run_study(asked, tmp_path / "out", Stages())

    message = r"closed-set, seed 0: streethazards and also\.town cannot be joined, their classes differ"
    with pytest.raises(OddscapeError, match=message):
        do(classes="camvid")
    assert not (tmp_path / "out" / "closed-set").exists()
    do()
    assert RunFolder(tmp_path / "out" / "closed-set" / "seed-0").log()[-1]["step"] == 4
    with pytest.raises(OddscapeError, match=r"done otherwise .*: hybrid.* with another also|closed-set with"):
        do(times=2)

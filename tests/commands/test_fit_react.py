"""``oddscape fit-react``, and what it prints in ``evaluate`` and ``fit``."""

import pytest

from oddscape import data as data_sets
from oddscape.models import create_model, load_checkpoint
from oddscape.results import Results
from oddscape.wrappers.react import fit_react

LAYER = "classifier"


@pytest.fixture
def given(weights, streethazards_folder):
    return ("--dataset", "streethazards", "--data", streethazards_folder, "--weights", weights)


def threshold(run, *arguments):
    status, printed, error = run("fit-react", LAYER, *arguments)
    assert (status, error) == (0, "")
    option, value = printed.split()
    assert (option, value.partition("=")[0]) == ("--react", LAYER)
    return float(value.partition("=")[2])


@pytest.mark.parametrize("percentile", [90.0, 50.0])
def test_prints_the_percentile_of_the_training_split(run, given, weights, streethazards_folder, percentile):
    net = create_model("small_ladder", 12)
    load_checkpoint(net, weights)
    scenes = data_sets.open("streethazards", streethazards_folder, split="training")
    wanted = fit_react(net, (scene.image for scene in scenes), LAYER, percentile=percentile, size=(64, 96))
    asked = ("--percentile", percentile, "--size", "96x64")
    assert threshold(run, *given, *asked) == pytest.approx(wanted, rel=1e-5)


def test_what_it_prints_is_an_option(run, given, masks_folder, weights, tmp_path):
    at = threshold(run, *given, "--max-pictures", 2)
    where = ("--protocol", "masks", "--data", masks_folder, "--weights", weights, "--score", "energy")
    option = ("--react", f"{LAYER}={at:.6g}")
    assert run("evaluate", *where, *option, "--out", tmp_path / "r.json")[0] == 0
    (way,) = Results.load(tmp_path / "r.json").inference
    assert way.startswith(f"ReAct, input of {LAYER} clipped at ")
    fitted = tmp_path / "fitted.safetensors"
    assert run("fit", *given, *option, "--score", "sml", "--out", fitted)[0] == 0


def test_bad_input_is_one_line(run, given, weights):
    status, _, error = run("fit-react", "nowhere", *given)
    assert (status, error.count("\n")) == (1, 1)
    assert "SmallLadder has no layer 'nowhere'" in error
    status, _, error = run("fit-react", LAYER, *given, "--weights", weights)
    assert (status, error) == (
        1,
        "oddscape: fit-react takes one network: give --weights once, not 2 times\n",
    )
    status, _, error = run("fit-react", LAYER, *given, "--max-pictures", 0)
    assert (status, error) == (1, "oddscape: 0 pictures to fit to: expected 1 or more\n")

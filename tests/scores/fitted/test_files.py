"""Files of fitted scores: several in one, strict, and clear about what is wrong."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from oddscape.errors import OddscapeError
from oddscape.models import checkpoint_metadata
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.scores import SCORES, read_score
from oddscape.scores.fitted import pick_methods
from oddscape.scores.fitted.files import load_scores, save_scores


@pytest.fixture
def out():
    torch.manual_seed(0)
    return DenseOutput(NativeMaps(torch.randn(1, 4, 5, 7), features=torch.randn(1, 6, 5, 7)), (10, 14))


@pytest.fixture
def scores(out):
    fitted = {}
    for name, method in pick_methods(["all", "knn@neighbours=2"], out.fields).items():
        statistics = method.function(out)
        statistics.update(out)
        fitted[name] = method.score(statistics.fit())
    return fitted


@pytest.fixture
def file(scores, tmp_path):
    path = tmp_path / "fitted.safetensors"
    save_scores(scores, path, {"network": "erfnet", "data": "camvid"})
    return path


def test_several_scores_of_one_method_in_one_file(file, scores, out):
    loaded = load_scores(file)
    assert sorted(loaded) == sorted([*scores])
    for name, score in scores.items():
        assert torch.equal(loaded[name](out), score(out))
        assert loaded[name].name == name
    assert loaded["knn@neighbours=2"].function.neighbours == 2
    metadata = checkpoint_metadata(file)
    assert (metadata["network"], metadata["data"]) == ("erfnet", "camvid")


def test_only_what_was_learnt_can_be_saved(tmp_path, scores):
    smoothed = read_score("sml+smoothing", scores)
    for score in (SCORES["energy"], smoothed):
        with pytest.raises(OddscapeError, match="cannot be saved"):
            save_scores({"score": score}, tmp_path / "no.safetensors")
    assert not (tmp_path / "no.safetensors").exists()


def test_files_that_hold_no_fitted_scores(tmp_path):
    with pytest.raises(OddscapeError, match="no fitted scores at"):
        load_scores(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("text")
    save_file({"weight": torch.zeros(1)}, tmp_path / "weights.safetensors")
    for name in ("text", "weights"):
        with pytest.raises(OddscapeError, match=rf"{name}\.safetensors is no file of fitted scores"):
            load_scores(tmp_path / f"{name}.safetensors")


def test_a_file_that_lacks_something(file, tmp_path):
    tensors, numbers = load_file(file), json.loads(checkpoint_metadata(file)["fitted_scores"])
    del tensors["sml.mean"]
    save_file(tensors, tmp_path / "cut.safetensors", {"fitted_scores": json.dumps(numbers)})
    with pytest.raises(OddscapeError, match=r"score 'sml' cannot be read: .*mean"):
        load_scores(tmp_path / "cut.safetensors")
    save_file(tensors, tmp_path / "newer.safetensors", {"fitted_scores": json.dumps({"newer": {}})})
    with pytest.raises(OddscapeError, match=r"'newer' cannot be read: unknown score to fit 'newer'"):
        load_scores(tmp_path / "newer.safetensors")

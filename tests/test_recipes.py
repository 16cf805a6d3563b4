"""The recipes: each trains for a step, on made data in the layouts of its own and with narrow networks."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oddscape.demo import FULL, training_configs
from oddscape.errors import OddscapeError
from oddscape.models import MODELS, DiCNet, create_model, save_checkpoint
from oddscape.models.checkpoints import save_weights
from oddscape.models.deeplab import DeepLabWidths, DeepLabWRN38
from oddscape.models.ladder_densenet import LadderDenseNet
from oddscape.models.pspnet import PSPNet, dicnet
from oddscape.models.wide_resnet import WideResNetWidths
from oddscape.recipes import read_recipe, recipe_names, require
from oddscape.training.config import read_toml
from oddscape.training.loop import train
from oddscape.training.methods import LOSSES
from oddscape.training.run_folder import RunFolder
from oddscape.training.setup import num_classes, training_data

PICTURES, SIDE = 2, 32
STUDIES = Path(__file__).parents[1] / "studies"

_WIDTHS = DeepLabWidths(
    WideResNetWidths(4, (4, 4), (4, 4), (4, 4), (4, 4), (4, 4, 4), (4, 4, 4)), aspp=4, fine=4, decoder=4
)
NARROW = {
    "ldn121": partial(LadderDenseNet, blocks=(1, 1, 1, 1)),
    "densehybrid_ldn121": partial(LadderDenseNet, outlier_head=True, blocks=(1, 1, 1, 1)),
    "wrn38": partial(DeepLabWRN38, widths=_WIDTHS),
    "densehybrid_wrn38": partial(DeepLabWRN38, outlier_head=True, widths=_WIDTHS),
    "pspnet": partial(PSPNet, width=4),
    "dicnet": partial(dicnet, width=4),
}
CLOSED_SET = {
    "densehybrid_ldn121": "ldn121",
    "densehybrid_wrn38": "wrn38",
    "densehybrid_small_ladder": "small_ladder",
    "dicnet": "pspnet",
    "dicnet_small_ladder": "small_ladder",
}
"""Network → the one whose weights it starts from."""
LAYOUTS = {
    "streethazards": ("train/images/training/t1/{}.png", "train/annotations/training/t1/{}.png", 1, 14),
    "cityscapes": ("leftImg8bit/train/a/{}_leftImg8bit.png", "gtFine/train/a/{}_gtFine_labelIds.png", 0, 34),
    "camvid": ("train/{}.png", "trainannot/{}.png", 0, 12),
    "ade20k": ("images/training/{}.jpg", "annotations/training/{}.png", 1, 6),
}
LAYOUTS |= dict.fromkeys(("streethazards-13", "town"), LAYOUTS["streethazards"])
"""Data set → its pictures, its masks, and the range of the masks' values."""


def made_pictures(dataset, folder):
    """Two pictures of 32x32 in a data set's layout."""
    rng = np.random.default_rng(0)
    image, mask, lowest, end = LAYOUTS.get(dataset, ("images/train2017/{}.jpg", None, 0, 1))
    for number in range(PICTURES):
        save(folder / image.format(number), rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8))
        if mask:
            labels = rng.integers(lowest, end, (8, 8), np.uint8).repeat(4, 0).repeat(4, 1)
            save(folder / mask.format(number), labels)
        else:
            outlines = folder / f"labels/train2017/{number}.txt"
            outlines.parent.mkdir(parents=True, exist_ok=True)
            outlines.write_text("2 0 0 0.1 0 0.1 0.1 0 0.1\n16 0.1 0.1 0.9 0.1 0.9 0.9 0.1 0.9\n")
    return folder


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def imagenet_file(net, path):
    """Weights of a network's trunk under the names of the public file."""
    trunk = net.student if isinstance(net, DiCNet) else net
    prefix = "backbone." if isinstance(trunk, LadderDenseNet) else "encoder."
    weights = {n.removeprefix(prefix): w for n, w in trunk.state_dict().items() if n.startswith(prefix)}
    save_weights(weights, path)


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_trains(name, tmp_path, monkeypatch):
    for model, make in NARROW.items():
        monkeypatch.setitem(MODELS, model, make)
    recipe = read_recipe(name)
    values, given = recipe.values, {"out": tmp_path / "run"}
    given["data"] = made_pictures(values["dataset"], tmp_path / "data")
    also = {
        key: {"data": made_pictures(table.get("dataset", key), tmp_path / key)}
        for key, table in values.get("also", {}).items()
    }
    if also:
        given["also"] = also
    if "negatives_data" in recipe.paths:
        given["negatives_data"] = made_pictures(values["negatives"], tmp_path / "negatives")
        given |= {"negatives_shorter_side": 24, "negatives_crop": (24, 24)}
    if "crop" in values:
        given["crop"] = (SIDE, SIDE)
    shrunken = {"epochs": 1, "batch_size": PICTURES, "threads": 1, "mixed_precision": "no"}
    files = [path for path in recipe.paths if path not in given and not path.startswith("also.")]
    missing = {path: tmp_path / f"{path}.safetensors" for path in files}
    config = recipe.config(**given, **missing, **shrunken)
    classes = num_classes(training_data(config))
    if "weights" in missing:
        save_checkpoint(create_model(CLOSED_SET[config.model_name], classes), config.weights)
    if "imagenet" in missing:
        imagenet_file(create_model(config.model_name, classes), config.imagenet)
    reports = []
    train(config, reports.append)
    assert len(reports) == 1 + len(also)  # each further data set brings as many pictures
    assert all(np.isfinite(report.loss) for report in reports)
    terms = {term.name for term in LOSSES[config.method]()}
    assert terms <= reports[0].terms.keys()
    assert ("auxiliary_nll" in reports[0].terms) == values.get("model_options", {}).get(
        "deep_supervision", False
    )
    assert RunFolder(config.out).weights.is_file()


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_says_what_it_is_and_fixes_all_but_places(name):
    recipe = read_recipe(name)
    assert recipe.title
    assert recipe.source
    assert {"method", "dataset", "model", "epochs", "batch_size", "learning_rate"} <= recipe.values.keys()
    method = LOSSES[recipe.values["method"]]
    assert method.takes_negatives == ("negatives" in recipe.values) == ("negatives_data" in recipe.paths)
    assert not method.distils or "weights" in recipe.paths
    assert not recipe.values.keys() & {"data", "out", *recipe.paths}
    assert recipe.values["model"] in MODELS


def test_what_is_missing_is_asked_for_by_name_in_one_line():
    with pytest.raises(OddscapeError) as error:
        read_recipe("densehybrid-wrn38-cityscapes").config(data="there")
    line = str(error.value)
    assert line.startswith("recipe 'densehybrid-wrn38-cityscapes' needs --negatives-data (ADE20K")
    assert "--weights (the released closed-set weights" in line
    assert line.endswith("--out (the run folder)")
    assert "--data" not in line
    assert "\n" not in line


def test_what_is_given_goes_before_the_recipe():
    config = read_recipe("pspnet-streethazards").config(
        data=Path("d"), out=Path("o"), imagenet=Path("i"), epochs=3, model_options={"width": 8}
    )
    assert (config.epochs, config.batch_size, config.optimizer) == (3, 16, "sgd")
    assert config.model_options == {"deep_supervision": True, "width": 8}


def test_an_unknown_recipe_is_one_line_with_those_that_there_are():
    with pytest.raises(OddscapeError, match=r"no recipe 'psp'; there are densehybrid-ldn121-streethazards, "):
        read_recipe("psp")


def test_the_towns_recipes_are_the_full_demos():
    for demo in training_configs(Path("demo"), FULL, seed=0):
        prefix = {"closed-set": ""}.get(demo.method, f"{demo.method}-")
        recipe = read_recipe(f"{prefix}small-ladder-town")
        places = {name: getattr(demo, name) for name in ("out", *recipe.paths)}
        config = recipe.config(**places, mixed_precision=demo.mixed_precision)
        assert set(config.differences(demo)) == {"model"}
        assert config.model_name == demo.model_name


@pytest.mark.parametrize("method", ["closed-set", "densehybrid", "dicnet"])
def test_camvids_recipes_are_the_studys(method):
    prefix = {"closed-set": ""}.get(method, f"{method}-")
    values = read_recipe(f"{prefix}small-ladder-camvid").values
    assert values.pop("model") == LOSSES[values.pop("method")].model
    assert values == read_toml(STUDIES / "camvid" / f"{method}.toml")


def test_what_a_recipe_wants_in_a_table_is_named_as_on_the_command_line():
    wanted = {"also.town.data": "folder of the town"}
    with pytest.raises(OddscapeError, match=r"needs --also\.town\.data \(folder of the town\)"):
        require("it", wanted, {"also": {"town": {"classes": "camvid"}}})
    require("it", wanted, {"also": {"town": {"classes": "camvid", "data": "here"}}})

"""``oddscape recipes`` and ``oddscape train --recipe``."""

import pytest
from cyclopts import App

from oddscape.commands.options import TableOption
from oddscape.models import create_model, save_checkpoint
from oddscape.recipes import read_recipe, recipe_names
from oddscape.training.config import TrainConfig
from oddscape.training.methods import LOSSES


def words(text):
    """What a table says, without its lines."""
    return " ".join("".join(" " if c in "│┃─" else c for c in text).split())


def test_the_list_names_each_with_method_network_data_and_source(run):
    status, out, err = run("recipes")
    assert (status, err) == (0, "")
    for name in recipe_names():
        recipe = read_recipe(name)
        values = recipe.values
        assert f"{name} {recipe.title}" in words(out)
        assert (
            f"method: {values['method']} · network: {values['model']} · data: {values['dataset']}"
            in words(out)
        )
        assert recipe.source in out


def test_one_recipe_tells_its_settings_its_paths_and_what_is_left_open(run):
    status, out, err = run("recipes", "pspnet-streethazards")
    assert (status, err) == (0, "")
    said = words(out)
    for text in (
        "learning_rate 0.02",
        "crop 720x720",
        "model_options.deep_supervision True",
        "scale 0.5, 2.0",
        "imagenet to be given; a ResNet-50",
        "left open whether biases and batch norms decay",
        "oddscape train --recipe pspnet-streethazards --data DATA --imagenet IMAGENET --out OUT",
    ):
        assert text in said


def test_a_recipe_trains_with_the_command_line_before_it_and_the_file_between(
    run, streethazards_folder, tmp_path
):
    file = tmp_path / "mine.toml"
    file.write_text('crop = "32x32"\nepochs = 2\nthreads = 1\n')
    given = ("--data", streethazards_folder, "--out", tmp_path / "run", "--config", file, "--epochs", 1)
    status, out, err = run("train", "--recipe", "small-ladder-town", *given, "--no-flip")
    assert (status, err) == (0, "")
    assert f"weights: {tmp_path}/run/weights.safetensors" in out
    config = TrainConfig.from_toml(tmp_path / "run" / "config.toml")
    recipe = read_recipe("small-ladder-town").values
    assert (config.method, config.model) == ("closed-set", "small_ladder")
    assert (config.epochs, config.crop, config.flip) == (1, (32, 32), False)
    assert (config.learning_rate, config.scale) == (recipe["learning_rate"], recipe["scale"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--recipe", "dicnet-streethazards", "--data", "d"),
            "recipe 'dicnet-streethazards' needs --out (the run folder), --weights (the teacher's: those of "
            "recipe pspnet-streethazards), --imagenet (",
        ),
        (
            ("dicnet", "--recipe", "small-ladder-town"),
            "recipe 'small-ladder-town' is for closed-set, not for",
        ),
        (("closed-set",), "train closed-set needs --dataset (name of the training data), --data (folder of"),
        ((), f"train needs one of {', '.join(LOSSES)}, or --recipe NAME\n"),
    ],
)
def test_what_is_missing_or_disagrees_is_one_line(run, arguments, message):
    status, out, err = run("train", *arguments)
    assert (status, out) == (1, "")
    assert message in err
    assert err.count("\n") == 1


def test_options_in_tables_are_read_as_toml_and_join_the_recipes(run, streethazards_folder, tmp_path):
    given = ("--data", streethazards_folder, "--out", tmp_path / "run", "--epochs", 1, "--threads", 1)
    start = tmp_path / "resnet50.safetensors"
    encoder = create_model("pspnet", 13, width=4).encoder
    save_checkpoint(encoder, start)
    smaller = ("--imagenet", start, "--crop", "32x32", "--batch-size", 8, "--model-options.width", 4)
    status, _, err = run("train", "--recipe", "pspnet-streethazards", *given, *smaller)
    assert (status, err) == (0, "")
    told = TrainConfig.from_toml(tmp_path / "run" / "config.toml")
    assert told.model_options == {"deep_supervision": True, "width": 4}


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.5", 0.5), ("3", 3), ("true", True), ("[1, 2]", [1, 2]), ("car", "car"), ("car,tree", "car,tree")],
)
def test_a_value_of_a_table_is_read_as_toml_or_taken_as_text(text, value):
    app = App(result_action="return_value")

    @app.default
    def _given(*, table: TableOption) -> dict[str, object]:
        return table

    given = app(["--table.name", text])
    assert given == {"name": value}
    assert type(given["name"]) is type(value)


def test_the_help_names_every_method(run):
    status, out, _ = run("train", "--help")
    assert status == 0
    assert not [name for name in LOSSES if name not in out]
    assert "[default: 180x180]" in out

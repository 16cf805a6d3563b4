import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

from oddscape.errors import OddscapeError
from oddscape.models import MODELS
from oddscape.training.config import FurtherData, TrainConfig, overlaid, told
from oddscape.training.methods import LOSSES

CONFIG = TrainConfig(method="closed-set", dataset="camvid", data=Path("data"), out=Path("run"))


def test_toml_and_back(tmp_path):
    config = TrainConfig(
        method="densehybrid",
        dataset="camvid",
        data=Path('a "quoted" folder/ä'),
        out=tmp_path,
        dataset_options={"held_out": ["car", "tree"], "held_out_pictures": "drop"},
        model_options={"void": True},
        loss_options={"weight": 0.5},
        schedule="poly",
        imagenet=Path("densenet121.pth"),
        negatives="ade20k",
        negatives_data=Path("n"),
        negatives_scale=(0.5, 2.0),
        crop=(16, 32),
        learning_rate=1e-7,
        margin=5.0,
        void_is_known=False,
    )
    file = tmp_path / "config.toml"
    file.write_text(config.to_toml())
    assert TrainConfig.from_toml(file) == config


def test_sizes_are_written_as_people_write_them():
    text = replace(CONFIG, crop=(16, 32)).to_toml()
    assert 'crop = "32x16"' in text.splitlines()
    assert 'negatives_crop = "180x180"' in text.splitlines()


def test_every_default_survives_toml(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text(CONFIG.to_toml())
    assert TrainConfig.from_toml(file) == CONFIG


def test_overrides_take_the_place_of_the_file(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text(CONFIG.to_toml())
    assert TrainConfig.from_toml(file, epochs=3) == replace(CONFIG, epochs=3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = ", "cannot read"),
        ("epoch = 3", "unknown field epoch; known: method, dataset"),
        ('epochs = "3"', "epochs must be int, not '3'"),
        ("epochs = true", "epochs must be int, not True"),
        ("crop = [160, 256]", r'crop must be width x height, as in "320x180", not \[160, 256\]'),
        ('negatives_crop = "160"', "'160' is no size: expected width x height"),
        ("pad_colour = [1, 2]", r"pad_colour must be tuple.*, not \[1, 2\]"),
        ("epochs = 3", "missing 2 required"),
        (
            'method = "x"\ndataset = "town"\ndata = "d"\nout = "o"',
            "unknown method 'x'; known: closed-set, dense",
        ),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path, text, message):
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(OddscapeError, match=message) as error:
        TrainConfig.from_toml(file)
    assert "\n" not in str(error.value)
    assert str(file) in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mixed_precision": "fp8"}, "unknown mixed_precision 'fp8'; known: no, bf16, fp16"),
        ({"epochs": 0}, "epochs must be more than 0, not 0"),
        ({"beta": -1.0}, "beta must not be negative"),
        ({"learning_rate": float("nan")}, "learning_rate must be more than 0"),
        ({"batch_size": 4, "accumulate": 3}, "batch_size 4 does not divide into 3 parts"),
        ({"method": "densehybrid"}, "densehybrid needs negatives"),
        ({"negatives": "ade20k"}, "closed-set takes no negatives"),
        ({"method": "energy-margin"}, "energy-margin needs negatives"),
        ({"known_objects": {"car": "car"}}, "known_objects are pasted beside objects of coco-outlines"),
        (
            {"method": "densehybrid", "negatives": "a", "negatives_data": Path("n"), "objects": (2, 1)},
            "objects 2 to 1: expected two numbers",
        ),
        ({"method": "dicnet", "negatives": "ade20k"}, "dicnet takes no negatives"),
        ({"optimizer": "lion"}, "unknown optimizer 'lion'; known: adam, adamw, sgd"),
        ({"schedule_per": "picture"}, "unknown schedule_per 'picture'; known: step, epoch"),
        ({"poly_power": 0.0}, "poly_power must be more than 0"),
        ({"class_uniform": 0.5}, "class_uniform centres crops on classes, but no crop is given"),
        ({"momentum": -0.1}, "momentum must not be negative"),
        ({"weights": Path("w"), "imagenet": Path("i")}, "weights and imagenet are both given, but weights"),
    ],
)
def test_bad_values_are_refused(options, message):
    with pytest.raises(OddscapeError, match=message):
        replace(CONFIG, **options)


def test_each_method_has_a_network_and_each_road_data_set_its_training_split():
    assert CONFIG.model_name == "small_ladder"
    assert replace(CONFIG, model="erfnet").model_name == "erfnet"
    for name, method in LOSSES.items():
        negatives = {"negatives": "ade20k", "negatives_data": Path("n")} if method.takes_negatives else {}
        assert replace(CONFIG, method=name, **negatives).model_name == method.model
    assert {method.model for method in LOSSES.values()} <= set(MODELS)
    assert CONFIG.training_options == {"split": "train"}
    assert replace(CONFIG, dataset_options={"split": "val"}).training_options == {"split": "val"}


def test_differences_do_not_mind_lists_for_tuples():
    one = replace(CONFIG, dataset_options={"held_out": ("car",)})
    assert one.differences(replace(CONFIG, dataset_options={"held_out": ["car"]})) == ()
    assert one.differences(CONFIG) == ("dataset_options",)


def test_a_run_that_an_earlier_version_was_told_is_the_same_run(tmp_path):
    new = ("loss_options", "momentum", "schedule_per", "poly_power", "class_uniform")
    lines = CONFIG.to_toml().splitlines()
    file = tmp_path / "config.toml"
    file.write_text("\n".join(line for line in lines if not line.startswith(new)))
    assert TrainConfig.from_toml(file).differences(CONFIG) == ()


def test_overlaying_replaces_values_and_joins_tables():
    below = {"epochs": 3, "seed": 1, "model_options": {"void": True, "width": 64}}
    above = {"epochs": 5, "model_options": {"width": 4}, "dataset_options": {"split": "val"}}
    assert overlaid(below, above) == {
        "epochs": 5,
        "seed": 1,
        "model_options": {"void": True, "width": 4},
        "dataset_options": {"split": "val"},
    }
    assert below["model_options"] == {"void": True, "width": 64}


def test_every_field_is_documented():
    assert not [f.name for f in fields(TrainConfig) if f"        {f.name}: " not in TrainConfig.__doc__]


def test_a_configuration_needs_no_torch():
    code = "import sys, oddscape.training.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_inliers_settle_what_is_not_said_and_take_it_back_with_them(tmp_path):
    own = replace(CONFIG, dataset=None, data=None, inliers=(Path("a"), Path("b*")), frozen=("encoder", "x.0"))
    assert (own.freezes_batch_norm, own.holds_back_every) == (True, 10)
    assert not replace(own, frozen=(), train_only="head").freezes_batch_norm
    assert not replace(own, sync_batch_norm=True).freezes_batch_norm
    assert replace(own, hold_back_every=0).holds_back_every == 0
    assert (CONFIG.freezes_batch_norm, CONFIG.holds_back_every) == (False, 0)
    (tmp_path / "own.toml").write_text(own.to_toml())
    assert TrainConfig.from_toml(tmp_path / "own.toml") == own


def test_a_run_of_before_there_were_inliers_is_taken_up():
    assert CONFIG.differences(replace(CONFIG, freeze_batch_norm=False, hold_back_every=0)) == ()
    assert CONFIG.differences(replace(CONFIG, freeze_batch_norm=True)) == ("freeze_batch_norm",)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"inliers": (Path("a"),)}, "choose either them or a dataset"),
        ({"data": None}, "training needs dataset and data, its folder, or inliers"),
        ({"label_confidence": 0.5}, "label_confidence is for inliers, which the network labels itself"),
        ({"label_confidence": -0.5}, "label_confidence must not be negative"),
        ({"hold_back_every": 1}, "hold_back_every must be 2 or more, or 0, not 1"),
        ({"hold_back_every": -4}, "hold_back_every must be 2 or more, or 0, not -4"),
        ({"train_only": "tail"}, "unknown train_only 'tail'; known: head"),
        ({"train_only": "head", "frozen": ("encoder",)}, "train_only = 'head' leaves nothing for frozen"),
        ({"train_only": "head", "backbone_factor": 0.1}, "train_only = 'head' leaves nothing for frozen"),
    ],
)
def test_what_does_not_go_together_is_said(told, message):
    with pytest.raises(OddscapeError, match=message):
        replace(CONFIG, **told)


def test_a_confidence_of_one_is_none():
    with pytest.raises(OddscapeError, match=r"label_confidence must be below 1, not 1\.0"):
        replace(CONFIG, dataset=None, data=None, inliers=(Path("a"),), label_confidence=1.0)


TOWN = {"data": "made/town", "classes": "camvid", "times": 2}


def test_further_data_sets_survive_toml(tmp_path):
    config = replace(CONFIG, also={"town": TOWN, "camvid-val": {"data": "d", "dataset": "camvid"}})
    file = tmp_path / "config.toml"
    file.write_text(config.to_toml())
    assert '[also.town]\ndata = "made/town"\nclasses = "camvid"\ntimes = 2\n' in file.read_text()
    assert TrainConfig.from_toml(file) == config


def test_a_further_data_set_settles_what_is_not_said():
    also = {"town": TOWN, "more": {"dataset": "camvid", "data": Path("d"), "split": "val", "held_out": ""}}
    found = replace(CONFIG, also=also).further_data
    town = FurtherData("town", Path("made/town"), 2, {"split": "training", "classes": "camvid"})
    more = FurtherData("camvid", Path("d"), 1, {"split": "val", "held_out": ""})
    assert found == {"also.more": more, "also.town": town}
    assert list(found) == ["also.more", "also.town"]  # whatever the order of the tables


def test_a_run_with_further_data_is_the_same_wherever_they_lie():
    config = replace(CONFIG, also={"town": TOWN})
    settled = {"data": Path("elsewhere"), "dataset": "town", "split": "training", **TOWN}
    assert config.differences(replace(CONFIG, also={"town": {**settled, "data": "elsewhere"}})) == ()
    for other in ({**TOWN, "times": 1}, {**TOWN, "split": "validation"}, {"data": "made/town", "times": 2}):
        assert config.differences(replace(CONFIG, also={"town": other})) == ("also",)
    assert config.differences(replace(CONFIG, also={"village": {**TOWN, "dataset": "town"}})) == ("also",)
    assert config.differences(CONFIG) == ("also",)


@pytest.mark.parametrize(
    ("also", "message"),
    [
        ({"town": "made/town"}, r"also\.town = 'made/town': expected a table \[also\.town\] with data"),
        ({"town": {"classes": "camvid"}}, r"\[also\.town\] needs data \(--also\.town\.data\), .* of town"),
        ({"more": {"dataset": "town"}}, r"\[also\.more\] needs data .* of town"),
        ({"town": {**TOWN, "times": 0}}, r"\[also\.town\] times = 0: expected a whole number from 1 on"),
        ({"town": {**TOWN, "times": 1.5}}, r"\[also\.town\] times = 1\.5: expected a whole number"),
        ({"a/b": TOWN}, r"\[also\.a/b\] begins names of pictures: use letters, digits, - and _"),
    ],
)
def test_bad_tables_of_further_data_are_refused(also, message):
    with pytest.raises(OddscapeError, match=message) as error:
        replace(CONFIG, also=also)
    assert "\n" not in str(error.value)


def test_inliers_join_no_data_sets():
    with pytest.raises(OddscapeError, match="also joins data sets with labels"):
        replace(CONFIG, dataset=None, data=None, inliers=(Path("a"),), also={"town": TOWN})


def test_tables_in_tables_are_overlaid_and_told_by_their_names():
    below = {"also": {"town": {"classes": "camvid", "times": 2}, "more": {"times": 3}}}
    values = overlaid(below, {"also": {"town": {"data": "here", "times": 1}}})
    assert values == {
        "also": {"town": {"classes": "camvid", "times": 1, "data": "here"}, "more": {"times": 3}}
    }
    assert (told(values, "also.town.data"), told(values, "also.more.data")) == ("here", None)
    assert (told(values, "data"), told({"also": "x"}, "also.town.data")) == (None, None)

"""The command line in this process: what it prints, what it writes, and how it fails."""

import errno
import json
import shutil
import signal
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file

from oddscape.models import checkpoint_metadata, create_model
from oddscape.protocols import PROTOCOLS
from oddscape.results import Results
from oddscape.scores import fitting_scores
from oddscape.training.config import TrainConfig


@pytest.fixture
def fails(run, tmp_path):
    """Run a command line that fails as it should, and give its one line.

    One line on standard error, none on standard output, an exit status, and nothing half-written.
    """

    def call(*arguments, printed=""):
        before = set(tmp_path.rglob("*"))
        status, out, err = run(*arguments)
        assert status not in (0, None)
        assert out == printed
        assert err.startswith("oddscape: ")
        assert err.endswith("\n")
        assert err.count("\n") == 1
        assert not [path for path in set(tmp_path.rglob("*")) - before if "part" in path.name]
        return err

    return call


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


# ── Lists ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_protocols_lists_what_each_fixes(run):
    status, out, err = run("protocols")
    assert (status, err) == (0, "")
    for protocol in PROTOCOLS.values():
        assert protocol.name in out
        assert protocol.labels in out
    assert "at the first recall of at least 95 %" in out


def test_models_lists_what_each_can_carry(run):
    status, out, err = run("models", "densehybrid_small_ladder", "--num-classes", 12)
    assert (status, err) == (0, "")
    assert "densehybrid_small_ladder" in out
    assert "dataset_posterior" in out
    assert "12 known classes" in out


def test_sizes_show_how_they_are_written(run):
    assert "--size WxH" in run("evaluate", "--help")[1]
    assert "--crop WxH" in run("train", "closed-set", "--help")[1]
    assert "[default: 320x180]" in run("town", "make", "--help")[1]


# ── Evaluate and predict ────────────────────────────────────────────────────────────────────────────────────


def test_evaluate_prints_a_table_and_writes_results_and_a_report(run, streethazards_folder, weights, out):
    where = ("--data", streethazards_folder, "--weights", weights, "--size", "64x32")
    files = ("--out", out / "results.json", "--report", out / "report")
    status, printed, err = run(
        "evaluate", "--protocol", "streethazards", *where, *files, "--report-pictures", 2
    )
    assert (status, err) == (0, "")
    results = Results.load(out / "results.json")
    assert results.inference_size == (32, 64)
    assert [result.score for result in results.scores] == list(fitting_scores(frozenset({"logits"})))
    assert (results.model, results.weights) == ("small_ladder", "weights.safetensors")
    average_precision = results.of("energy").per_picture.average_precision
    assert f"{100 * average_precision:.2f}" in printed
    assert f"results: {out / 'results.json'}" in printed
    assert list((out / "report").glob("*.html"))


def test_an_override_is_printed_beside_the_figures(run, masks_folder, weights):
    where = ("--protocol", "masks", "--data", masks_folder, "--weights", weights)
    override = ("--evaluation-size", "24x16", "--reader", "frames=[ab]*")
    status, printed, _ = run("evaluate", *where, "--score", "msp", "--score", "energy", *override)
    assert status == 0
    printed = " ".join(printed.split())  # the caption is wrapped to the table's width
    assert "evaluation size 24×16 instead of the labels' size" in printed
    assert "frames = [ab]* instead of the default" in printed


def test_predict_writes_six_files_a_picture(run, masks_folder, weights, out):
    status, printed, err = run(
        *("predict", masks_folder / "images", "--weights", weights, "--out", out),
        *("--score", "msp", "--threshold", 0.5),
    )
    assert (status, err) == (0, "")
    assert f"4 of 4 pictures: {out}" in printed
    kinds = {"classes": "P", "open-set": "P", "heat": "P", "overlay": "RGB"}
    written = {f"{name}_{kind}.png" for name in "abcd" for kind in kinds}
    written |= {f"{name}_{rest}" for name in "abcd" for rest in ("score.npy", "regions.json")}
    of_the_run = {"legend.png", "predict.json", "regions.json"}
    assert {path.name for path in out.iterdir()} == written | of_the_run
    score = np.load(out / "a_score.npy")
    assert (score.shape, score.dtype) == ((32, 48), np.float32)
    for kind, mode in kinds.items():
        with Image.open(out / f"a_{kind}.png") as picture:
            assert (picture.size, picture.mode) == ((48, 32), mode)


def test_predict_goes_on_after_a_picture_that_does_not_decode(fails, masks_folder, weights, out):
    pictures = [masks_folder / "images" / f"{name}.png" for name in "abc"]
    pictures[1].write_bytes(b"no picture")
    line = fails(
        *("predict", *pictures, "--weights", weights, "--out", out), printed=f"2 of 3 pictures: {out}\n"
    )
    assert "b.png: does not decode" in line
    assert len(list(out.glob("[ac]_*"))) == 8
    assert not list(out.glob("b_*"))


def test_predict_refuses_pictures_whose_results_would_share_files(fails, masks_folder, weights, out):
    pictures = [masks_folder / folder / "a.png" for folder in ("images", "labels_masks")]
    line = fails("predict", *pictures, "--weights", weights, "--out", out)
    assert "2 pictures are called 'a'" in line


# ── The town ────────────────────────────────────────────────────────────────────────────────────────────────


def test_town_make_renders_what_it_is_told(run, out):
    counts = ("--training", 2, "--validation", 0, "--test", 1, "--size", "64x32")
    status, printed, err = run("town", "make", out / "town", *counts, "--negatives", out / "negatives")
    assert (status, err) == (0, "")
    pictures = list(out.glob("town/*/images/*/*/*.png"))
    assert len(pictures) == 3
    with Image.open(pictures[0]) as picture:
        assert picture.size == (64, 32)
    assert f"3 pictures: {out / 'town'}" in printed
    assert len(list(out.glob("negatives/images/*/*.jpg"))) == 1


def test_a_full_disk_under_the_town_is_one_line_and_the_town_is_finished_later(run, fails, out, monkeypatch):
    command = ("town", "make", out, "--training", 2, "--validation", 0, "--test", 1, "--size", "64x32")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Image.Image, "save", full)
        assert fails(*command).endswith(".png: No space left on device\n")
    assert not list(out.rglob("*.png"))
    assert run(*command)[0] == 0
    assert len(list(out.rglob("images/*/*/*.png"))) == 3


# ── Training ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def settings(streethazards_folder, tmp_path):
    """A TOML file for a run of four steps."""
    path = tmp_path / "settings.toml"
    path.write_text(
        f'dataset = "streethazards"\ndata = "{streethazards_folder}"\ncrop = "32x16"\n'
        "scale = [0.5, 2]\nepochs = 1\nbatch_size = 4\nthreads = 1\n"
        '[dataset_options]\nsplit = "training"\n'
    )
    return path


def train(*arguments):
    return ("train", "closed-set", *arguments)


def test_the_command_line_goes_before_the_file(run, settings, out):
    status, printed, err = run(*train("--config", settings, "--out", out, "--epochs", 2, "--seed", 7))
    assert (status, err) == (0, "")
    assert f"weights: {out}/weights.safetensors" in printed
    config = TrainConfig.from_toml(out / "config.toml")
    assert (config.epochs, config.seed, config.batch_size) == (2, 7, 4)
    assert (config.crop, config.scale) == ((16, 32), (0.5, 2.0))
    assert config.dataset_options == {"split": "training"}
    assert checkpoint_metadata(out / "weights.safetensors")["num_classes"] == "12"


def test_a_run_folders_configuration_trains_the_same_again(run, settings, out):
    assert run(*train("--config", settings, "--out", out / "one"))[0] == 0
    again = train("--config", out / "one" / "config.toml", "--out", out / "two")
    assert run(*again)[0] == 0
    one, two = (TrainConfig.from_toml(out / name / "config.toml") for name in ("one", "two"))
    assert one.differences(two) == ()
    assert_same_weights(out / "one", out / "two")


def test_options_of_data_and_network_have_the_kinds_that_they_look_like(run, settings, out):
    status, _, err = run(
        *train("--config", settings, "--out", out, "--model", "erfnet", "--model-options.void", "true"),
        *("--dataset-options.split", "training"),
    )
    assert (status, err) == (0, "")
    assert TrainConfig.from_toml(out / "config.toml").model_options == {"void": True}


def test_further_data_sets_are_told_on_the_command_line_over_those_of_the_file(
    run, settings, streethazards_folder, out
):
    settings.write_text(f'{settings.read_text()}[also.town]\ntimes = 3\n[also.more]\ndataset = "town"\n')
    data = ("--also.town.data", streethazards_folder, "--also.more.data", streethazards_folder)
    status, _, err = run(*train("--config", settings, "--out", out, *data, "--also.town.times", 2))
    assert (status, err) == (0, "")
    config = TrainConfig.from_toml(out / "config.toml")
    assert config.also == {
        "town": {"times": 2, "data": str(streethazards_folder)},
        "more": {"dataset": "town", "data": str(streethazards_folder)},
    }
    assert config.crop == (16, 32)


def test_what_training_does_by_default_can_be_turned_off(run, settings, out):
    off = ("--no-flip", "--no-void-is-known", "--no-resume")
    status, _, err = run(*train("--config", settings, "--out", out, *off))
    assert (status, err) == (0, "")
    config = TrainConfig.from_toml(out / "config.toml")
    assert (config.flip, config.void_is_known, config.resume) == (False, False, False)


def test_weights_with_options_are_read_without_saying_them_again(run, settings, masks_folder, out):
    run(*train("--config", settings, "--out", out, "--model", "erfnet", "--model-options.void", "true"))
    weights = out / "weights.safetensors"
    where = ("--protocol", "masks", "--data", masks_folder, "--weights", weights, "--threads", 1)
    status, printed, err = run("evaluate", *where, "--score", "void")
    assert (status, err) == (0, "")
    assert "void" in printed


def assert_same_weights(one, other):
    weights = [load_file(folder / "weights.safetensors") for folder in (one, other)]
    assert weights[0].keys() == weights[1].keys()
    assert not [name for name in weights[0] if not torch.equal(weights[0][name], weights[1][name])]


@pytest.fixture
def interrupted(monkeypatch):
    """Press Ctrl-C after a step of training."""
    # A suite that was started in the background inherits that Ctrl-C is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def at(step):
        def press(report):
            if report.step == step:
                signal.raise_signal(signal.SIGINT)

        @contextmanager
        def bar(*_):
            yield press, None

        monkeypatch.setattr("oddscape.training.progress.progress_bar", bar)

    yield at
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_during_training_is_one_line_and_the_run_resumes(
    run, fails, settings, out, interrupted, monkeypatch
):
    command = train("--config", settings, "--epochs", 2)
    assert run(*command, "--out", out / "whole")[0] == 0
    with monkeypatch.context():
        interrupted(3)
        assert fails(*command, "--out", out / "stopped") == "oddscape: interrupted\n"
    monkeypatch.undo()
    assert {path.name for path in (out / "stopped").iterdir()} == {
        *("config.toml", "environment.json", "metrics.jsonl", "checkpoint.safetensors")
    }
    assert run(*command, "--out", out / "stopped")[0] == 0
    assert_same_weights(out / "stopped", out / "whole")
    lines = (out / "stopped" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 2, 3, 4, 4]


@pytest.mark.parametrize("full_from", ["metrics.jsonl", "checkpoint.safetensors", "weights.safetensors"])
def test_a_full_disk_during_training_is_one_line_and_the_run_resumes(
    run, fails, settings, out, monkeypatch, full_from
):
    command = train("--config", settings)
    assert run(*command, "--out", out / "whole")[0] == 0
    write_bytes = Path.write_bytes

    def until_full(path, content):
        if full_from in path.name:
            write_bytes(path, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_bytes(path, content)

    def full_at_last(_state, path, _metadata):
        write_bytes(path, b"half of it")
        raise SafetensorError(
            "Error while serializing: I/O error: No space left on device (os error 28) at path …"
        )

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", until_full)
        patched.setattr("oddscape.models.checkpoints.save_file", full_at_last)
        line = fails(*command, "--out", out / "stopped")
    assert line == f"oddscape: cannot write {out / 'stopped' / full_from}: No space left on device\n"
    assert full_from not in {path.name for path in (out / "stopped").iterdir()}
    assert run(*command, "--out", out / "stopped")[0] == 0
    assert_same_weights(out / "stopped", out / "whole")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = ", "cannot read"),
        ("epoch = 1", "unknown field epoch; known: method, dataset"),
        ("crop = [16, 32]", "crop must be width x height"),
        ('method = "dicnet"', "is for dicnet, not for closed-set"),
    ],
)
def test_a_bad_configuration_file_is_one_line(fails, tmp_path, text, message):
    (tmp_path / "bad.toml").write_text(text)
    assert message in fails(*train("--config", tmp_path / "bad.toml", "--out", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


# ── Faults ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def evaluation_fails(fails, masks_folder, weights, out):
    """Evaluate with these options changed; give the line of the failure. No file is written."""

    def call(**changed):
        options = {"protocol": "masks", "data": masks_folder, "weights": weights, **changed}
        files = ("--out", out / "results.json", "--report", out / "report")
        given = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)]
        line = fails("evaluate", *given, *files)
        assert not out.exists()
        return line

    return call


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"data": "nowhere"}, "no folder nowhere; expected images/<id>"),
        ({"protocol": "mask"}, "unknown protocol 'mask'; known: roadanomaly21, "),
        ({"score": "enegry"}, "unknown score 'enegry'; known: msp, max_logit"),
        ({"score": "dicnet"}, "score 'dicnet' needs student_features"),
        ({"model": "ernet"}, "unknown model 'ernet'; known: ldn121"),
        ({"model": "erfnet"}, "does not fit ERFNet: "),
        ({"num_classes": 11}, "does not fit SmallLadder: "),
        ({"weights": "nowhere.pth"}, "nowhere.pth"),
        ({"size": "512x"}, "'512x' is no size: expected width x height, as in 1024x512, or the shorter"),
        ({"evaluation_size": "0x3"}, "'0x3' is no size"),
        ({"reader": "split"}, "--reader split: expected NAME=VALUE"),
        ({"reader": "split=test"}, "masks has no option split; it has frames"),
        ({"device": "gpu7"}, "--device gpu7: cannot be used here"),
        ({"report_pictures": "many"}, 'unable to convert "many" into int'),
        ({"no_such": "option"}, "Unknown option"),
    ],
)
def test_bad_options_are_one_line(evaluation_fails, changed, message):
    assert message in evaluation_fails(**changed)


def test_weights_are_needed(fails, masks_folder):
    assert "--weights FILE is needed" in fails("evaluate", "--protocol", "masks", "--data", masks_folder)


def test_weights_that_do_not_say_their_network_are_one_line(evaluation_fails, tmp_path):
    torch.save(create_model("small_ladder", 12).state_dict(), tmp_path / "w.pth")
    assert "does not say which network it is" in evaluation_fails(weights=tmp_path / "w.pth")


def test_weights_that_are_none_are_one_line(evaluation_fails, tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"no weights\n\n")
    assert "is not a readable checkpoint" in evaluation_fails(weights=tmp_path / "w.safetensors")


def test_a_picture_that_does_not_decode_is_one_line(evaluation_fails, masks_folder):
    (masks_folder / "images" / "b.png").write_bytes(b"no picture")
    assert "b.png: does not decode as a picture" in evaluation_fails()


def test_a_mask_of_another_size_is_one_line(evaluation_fails, masks_folder):
    Image.new("L", (24, 16)).save(masks_folder / "labels_masks" / "b.png")
    assert "b.png: the mask is 24x16, but its picture is 48x32" in evaluation_fails()


def test_an_unknown_label_value_is_one_line(evaluation_fails, masks_folder):
    Image.new("L", (48, 32), 7).save(masks_folder / "labels_masks" / "b.png")
    assert "b.png: unknown label value [7]: 'masks' knows [0, 1, 255]" in evaluation_fails()


def test_a_missing_mask_is_one_line(evaluation_fails, masks_folder):
    (masks_folder / "labels_masks" / "b.png").unlink()
    assert "b.png: no label file b.png in " in evaluation_fails()


def test_classes_that_do_not_fit_are_one_line(evaluation_fails, streethazards_folder):
    line = evaluation_fails(protocol="streethazards-13", data=streethazards_folder)
    assert "the network knows 12 classes, 'streethazards-13' has 13" in line
    assert (
        "its scores alone can be evaluated: oddscape predict --scores-to, then evaluate --scores-from" in line
    )


def test_a_full_disk_after_an_evaluation_is_one_line(run, masks_folder, weights, out, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    where = ("--data", masks_folder, "--weights", weights)
    status, _, err = run("evaluate", "--protocol", "masks", *where, "--out", out / "results.json")
    assert status == 1
    assert err == f"oddscape: cannot write {out / 'results.json'}: No space left on device\n"
    assert not list(out.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nonsense",), 'Unknown command "nonsense"'),
        (("train", "closed"), "train needs one of closed-set, densehybrid, "),
        (("train", "--recipe", "pspnet"), "no recipe 'pspnet'; there are densehybrid-ldn121-streethazards"),
        (("train", "closed-set", "--config", "nowhere.toml"), "cannot read nowhere.toml"),
        (("train", "closed-set"), "--dataset"),
        (("predict", "--out", "x", "--weights", "y"), "no pictures in an empty list"),
        (("predict", "nowhere.png", "--out", "x", "--weights", "y.pth"), "y.pth"),
        (("town", "make", "x", "--size", "big"), "'big' is no size"),
    ],
)
def test_bad_commands_are_one_line(fails, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert message in fails(*arguments)
    assert not Path("x").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"data": "nowhere"}, "no folder nowhere"),
        ({"batch-size": 9}, "8 pictures to train on, fewer than batch_size 9"),
        ({"dataset": "strethazards"}, "unknown data set 'strethazards'; there are ade20k, bdd-anomaly"),
        ({"model": "ernet"}, "unknown model 'ernet'"),
        ({"weights": "nowhere.pth"}, "no checkpoint at nowhere.pth"),
        ({"optimizer": "lion"}, "unknown optimizer 'lion'; known: adam, adamw, sgd"),
        ({"crop": "32"}, "'32' is no size"),
    ],
)
def test_training_that_cannot_begin_is_one_line_and_leaves_no_folder(fails, settings, out, changed, message):
    options = [part for name, value in changed.items() for part in (f"--{name}", value)]
    assert message in fails(*train("--config", settings, "--out", out, *options))
    assert not out.exists()


def test_a_bad_label_during_training_is_one_line(fails, settings, streethazards_folder, out):
    for label in (streethazards_folder / "train" / "annotations").rglob("*.png"):
        Image.new("L", (32, 32), 77).save(label)
    line = fails(*train("--config", settings, "--out", out))
    assert "unknown label value [77]" in line


def test_a_run_that_was_told_something_else_is_not_taken_up(run, fails, settings, out):
    assert run(*train("--config", settings, "--out", out))[0] == 0
    line = fails(*train("--config", settings, "--out", out, "--seed", 5))
    assert "holds a run with another seed" in line
    shutil.rmtree(out)

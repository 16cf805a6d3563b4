"""Which network the commands take, and how it sees the pictures."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from oddscape.commands.options import InferenceOptions, NetworkOptions
from oddscape.detector import Detector
from oddscape.models import checkpoint_metadata, create_model, load_checkpoint, save_checkpoint
from oddscape.models.adapters import wrap
from oddscape.models.origins import ORIGINS
from oddscape.results import Results
from oddscape.score_files import ScoreFolder
from oddscape.wrappers import unwrapped
from oddscape.wrappers.ensemble import Ensemble, ensemble
from oddscape.wrappers.mc_dropout import mc_dropout
from oddscape.wrappers.multi_scale import MultiScaleFlip
from oddscape.wrappers.odin import odin
from oddscape.wrappers.react import react
from oddscape.wrappers.windows import SlidingWindows

INFERENCE = ("--window", "64x64", "--overlap", 0.5, "--scales", "0.5,1", "--flip")


@pytest.fixture
def pictures(tmp_path):
    """Two pictures that are larger than a window."""
    folder, rng = tmp_path / "pictures", np.random.default_rng(0)
    folder.mkdir()
    for name in "ab":
        Image.fromarray(rng.integers(0, 256, (80, 140, 3), np.uint8)).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def own_file(tmp_path):
    """A file with a function that makes a network with weights of its own."""
    path = tmp_path / "mine.py"
    path.write_text(
        "import torch\nfrom torch import nn\n\n\n"
        "def network(width=4):\n"
        "    torch.manual_seed(0)\n"
        "    return nn.Sequential(nn.Conv2d(3, width, 4, 4), nn.ReLU(), nn.Conv2d(width, 12, 1))\n"
    )
    return f"{path}:network"


# ── How the network sees the pictures ───────────────────────────────────────────────────────────────────────


def test_every_scale_is_shown_in_windows():
    inner = nn.Identity()
    net = InferenceOptions(window=(64, 96), overlap=0.5, scales=(0.75, 1.0), flip=True).around([inner])
    assert isinstance(net, MultiScaleFlip)
    assert (net.scales, net.flip) == ((1.0, 0.75), True)
    assert isinstance(net.net, SlidingWindows)
    assert (net.net.window, net.net.overlap) == ((64, 96), 0.5)
    assert net.net.net is inner


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, nn.Identity),
        ({"window": (64, 64)}, SlidingWindows),
        ({"scales": (0.5,)}, MultiScaleFlip),
        ({"flip": True}, MultiScaleFlip),
    ],
)
def test_what_is_not_asked_for_is_not_put_around(options, kind):
    assert type(InferenceOptions(**options).around([nn.Identity()])) is kind


def predicted(run, out, *options):
    status, _, err = run("predict", *options, "--score", "msp", "--scores-to", out)
    assert (status, err) == (0, "")
    return ScoreFolder(out)


def test_predict_sees_pictures_as_asked(run, pictures, weights, tmp_path):
    scores = predicted(run, tmp_path / "asked", pictures, "--weights", weights, *INFERENCE)
    net = create_model("small_ladder", 12)
    load_checkpoint(net, weights)
    asked = MultiScaleFlip(SlidingWindows(net, (64, 64), 0.5), (0.5, 1.0), flip=True)
    for name in "ab":
        wanted = Detector(asked, "msp").predict(pictures / f"{name}.png").score
        np.testing.assert_allclose(scores.read(name), wanted, atol=1e-6)
    plain = predicted(run, tmp_path / "plain", pictures, "--weights", weights)
    assert np.abs(plain.read("a") - scores.read("a")).max() > 1e-3


def test_a_submission_sees_pictures_as_asked(run, pictures, weights, tmp_path):
    pytest.importorskip("h5py", reason="h5py is not installed (the extra 'scores')")
    names = ("--kind", "smiyc", "--method", "mine", "--dataset", "AnomalyTrack-all")
    common = ("submission", "make", tmp_path / "made", *names, "--pictures", pictures, "--weights", weights)
    status, _, _ = run(*common, "--score", "msp", *INFERENCE)
    assert status == 0
    made = ScoreFolder(tmp_path / "made" / "anomaly_p" / "mine" / "AnomalyTrack-all")
    scores = predicted(run, tmp_path / "asked", pictures, "--weights", weights, *INFERENCE)
    np.testing.assert_allclose(made.read("a", (80, 140)), scores.read("a"), atol=1e-3)


def test_evaluate_records_and_shows_what_was_asked(run, masks_folder, weights, tmp_path):
    where = ("--protocol", "masks", "--data", masks_folder, "--weights", weights, "--score", "msp")
    status, printed, err = run(
        "evaluate", *where, "--size", "96x64", *INFERENCE, "--out", tmp_path / "r.json"
    )
    assert (status, err) == (0, "")
    ways = ["mean over scales 0.5, 1 and mirror images", "windows of 64×64 overlapping by 50 %"]
    assert Results.load(tmp_path / "r.json").inference == ways
    assert f"inference size: 96×64 ({'; '.join(ways)})" in " ".join(printed.split())


def test_runs_that_see_pictures_differently_are_compared_and_told_apart(run, masks_folder, weights, tmp_path):
    where = ("--protocol", "masks", "--data", masks_folder, "--weights", weights, "--score", "msp")
    assert run("evaluate", *where, "--out", tmp_path / "plain.json")[0] == 0
    assert run("evaluate", *where, "--flip", "--out", tmp_path / "flipped.json")[0] == 0
    status, printed, _ = run("compare", tmp_path / "plain.json", tmp_path / "flipped.json")
    assert status == 0
    assert (
        "inference size: small_ladder (plain) the pictures' own, small_ladder (flipped) the pictures' own "
        "(mean over the picture and its mirror image)" in " ".join(printed.split())
    )


@pytest.mark.parametrize("scales", [("--scales", "0.75,1.25"), ("--scales", 0.75, "--scales", 1.25)])
def test_scales_are_one_list_or_several(run, masks_folder, weights, tmp_path, scales):
    where = ("--protocol", "masks", "--data", masks_folder, "--weights", weights, "--score", "msp")
    assert run("evaluate", *where, *scales, "--out", tmp_path / "r.json")[0] == 0
    assert Results.load(tmp_path / "r.json").inference == ["mean over scales 0.75, 1.25"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--window", "50x64"), "window 50×64: its sides must be multiples of the stride 32, 64 or more"),
        (("--window", "64"), "'64' is no size: expected width x height"),
        (("--window", "64x64", "--overlap", "0.9"), "overlap 0.9: expected at least 0, and small enough"),
        (("--overlap", "0.5"), "--overlap is for windows: give --window, too"),
        (("--scales", "0.5;1"), "--scales 0.5;1: expected factors, as in 0.75,1,1.25"),
        (("--scales", "0,1"), "scales (0.0, 1.0): expected one or more factors above 0"),
        (("--odin", "-1"), "ODIN with epsilon -1 and temperature 1000: expected epsilon ≥ 0"),
        (("--odin-temperature", "10"), "--odin-temperature is for ODIN: give --odin, too"),
        (("--mc-dropout", "0"), "0 passes of MC dropout: expected 1 or more"),
        (("--mc-dropout", "4"), "SmallLadder has no dropout module with p > 0"),
        (("--react", "classifier"), "--react classifier: expected LAYER=THRESHOLD, as oddscape fit-react"),
        (
            ("--react", "classifier=high"),
            "--react classifier=high: expected LAYER=THRESHOLD, as oddscape fit-react",
        ),
        (("--react", "nowhere=1"), "SmallLadder has no layer 'nowhere'; it has, among others:"),
    ],
)
@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_what_cannot_be_is_one_line(run, masks_folder, weights, tmp_path, command, options, message):
    asked = {
        "evaluate": ("--protocol", "masks", "--data", masks_folder, "--out", tmp_path / "r.json"),
        "predict": (masks_folder / "images", "--out", tmp_path / "out"),
    }
    status, out, err = run(command, *asked[command], "--weights", weights, *options)
    assert (status, out) == (1, "")
    assert err.startswith(f"oddscape: {message}")
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "r.json").exists()


# ── Several passes, several networks ────────────────────────────────────────────────────────────────────────


@pytest.fixture
def erfnets(tmp_path):
    """Two ERFNets for 12 classes, which have dropout, and files of their weights."""
    nets, files = [], []
    for seed in (0, 1):
        torch.manual_seed(seed)
        nets.append(create_model("erfnet", 12).eval())
        files.append(tmp_path / f"erfnet{seed}.safetensors")
        save_checkpoint(nets[-1], files[-1], {"model": "erfnet", "num_classes": "12"})
    return nets, files


def test_wrappers_lie_around_each_other_in_one_order(erfnets):
    nets, _ = erfnets
    asked = {"window": (64, 64), "flip": True, "mc_dropout": 3, "odin": 0.001, "odin_temperature": 10}
    net = InferenceOptions(react="decoder.output_conv=1.5", **asked).around(nets)
    below, ways = unwrapped(net)
    assert isinstance(below, Ensemble)
    assert ways == [
        "ODIN, epsilon 0.001, temperature 10",
        "ensemble of 2 networks (MC dropout, 3 passes, seed 0; mean over the picture and its mirror image; "
        "windows of 64×64 overlapping by 25 %; ReAct, input of decoder.output_conv clipped at 1.5)",
    ]


@pytest.mark.parametrize(
    ("options", "wrapped"),
    [
        (("--react", "decoder.output_conv=0.3"), lambda nets: react(nets[0], "decoder.output_conv", 0.3)),
        (("--mc-dropout", 3), lambda nets: mc_dropout(nets[0], 3, seed=0)),
        (("--odin", 0.01), lambda nets: odin(nets[0], 0.01)),
        (("--odin", 0.01, "--odin-temperature", 2), lambda nets: odin(nets[0], 0.01, 2.0)),
    ],
)
def test_predict_runs_the_network_as_asked(run, pictures, erfnets, tmp_path, options, wrapped):
    nets, files = erfnets
    scores = predicted(run, tmp_path / "asked", pictures, "--weights", files[0], *options)
    plain = predicted(run, tmp_path / "plain", pictures, "--weights", files[0])
    for name in "ab":
        wanted = Detector(wrapped(nets), "msp").predict(pictures / f"{name}.png").score
        np.testing.assert_allclose(scores.read(name), wanted, atol=1e-6)
    assert np.abs(plain.read("a") - scores.read("a")).max() > 1e-4


def test_several_weights_are_an_ensemble(run, pictures, masks_folder, erfnets, tmp_path):
    nets, files = erfnets
    given = [option for file in files for option in ("--weights", file)]
    scores = predicted(run, tmp_path / "asked", pictures, *given)
    wanted = Detector(ensemble(nets), "msp").predict(pictures / "a.png").score
    np.testing.assert_allclose(scores.read("a"), wanted, atol=1e-6)
    where = ("--protocol", "masks", "--data", masks_folder, "--score", "mutual_information")
    status, _, err = run("evaluate", *where, *given, "--out", tmp_path / "r.json")
    assert (status, err) == (0, "")
    results = Results.load(tmp_path / "r.json")
    assert (results.model, results.weights) == ("erfnet ×2", "erfnet0.safetensors, erfnet1.safetensors")
    assert results.inference == ["ensemble of 2 networks"]


def test_networks_of_an_ensemble_are_what_their_weights_say(run, masks_folder, weights, erfnets, tmp_path):
    given = ("--weights", weights, "--weights", erfnets[1][0])
    where = ("--protocol", "masks", "--data", masks_folder, "--score", "msp")
    assert run("evaluate", *where, *given, "--out", tmp_path / "r.json")[0] == 0
    assert Results.load(tmp_path / "r.json").model == "small_ladder + erfnet"


def test_networks_of_different_classes_are_no_ensemble(run, masks_folder, weights, tmp_path):
    other = tmp_path / "other.safetensors"
    save_checkpoint(create_model("small_ladder", 9), other, {"model": "small_ladder", "num_classes": "9"})
    where = ("--protocol", "masks", "--data", masks_folder)
    status, _, err = run("evaluate", *where, "--weights", weights, "--weights", other)
    assert status == 1
    assert (
        err == "oddscape: the networks of an ensemble know 12, 9 classes; expected the same number of each\n"
    )


def test_dropout_drops_the_same_in_every_run(run, masks_folder, erfnets, tmp_path):
    where = ("--protocol", "masks", "--data", masks_folder, "--weights", erfnets[1][0], "--mc-dropout", 2)
    for out in ("a.json", "b.json"):
        assert run("evaluate", *where, "--score", "mutual_information", "--out", tmp_path / out)[0] == 0
    first, second = (Results.load(tmp_path / out).scores for out in ("a.json", "b.json"))
    assert first[0].pooled == second[0].pooled
    assert first[0].threshold == second[0].threshold


# ── Which network ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_network_of_ones_own_needs_no_weights(run, pictures, own_file, tmp_path):
    scores = predicted(run, tmp_path / "s", pictures, "--model", own_file, "--model-options.width", 8)
    torch.manual_seed(0)
    net = wrap(nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.ReLU(), nn.Conv2d(8, 12, 1)))
    np.testing.assert_allclose(
        scores.read("a"), Detector(net, "msp").predict(pictures / "a.png").score, atol=1e-6
    )


def test_weights_for_ones_own_network_load_but_do_not_run_it(run, pictures, own_file, tmp_path):
    torch.manual_seed(1)
    net = create_model(own_file, 12)
    nn.init.normal_(net.net[0].weight)
    metadata = {"model": own_file, "num_classes": "12"}
    save_checkpoint(net, tmp_path / "w.safetensors", metadata)
    scores = predicted(
        run, tmp_path / "s", pictures, "--model", own_file, "--weights", tmp_path / "w.safetensors"
    )
    wanted = Detector(net, "msp").predict(pictures / "a.png").score
    np.testing.assert_allclose(scores.read("a"), wanted, atol=1e-6)
    status, _, err = run(
        "predict", pictures, "--weights", tmp_path / "w.safetensors", "--out", tmp_path / "o"
    )
    assert status == 1
    assert "weights alone run no code: give --model" in err
    assert err.count("\n") == 1


def test_weights_name_networks_of_other_libraries_with_their_options(
    run, masks_folder, tmp_path, monkeypatch
):
    made = []

    def encoder(name, num_classes, *, stem_width):
        made.append((name, num_classes, stem_width))
        return create_model("small_ladder", num_classes)

    monkeypatch.setitem(ORIGINS, "timm", encoder)
    weights = tmp_path / "w.safetensors"
    told = {"model": "timm:resnet18", "num_classes": "12", "model_options": json.dumps({"stem_width": 32})}
    save_checkpoint(create_model("small_ladder", 12), weights, told)
    asked = (masks_folder / "images", "--weights", weights, "--score", "msp", "--scores-to", tmp_path / "s")
    assert run("predict", *asked)[0] == 0
    assert run("predict", *asked, "--model-options.stem-width", 8)[0] == 0
    assert run("predict", *asked, "--model-options.stem_width", 4)[0] == 0
    assert made == [("resnet18", 12, 32), ("resnet18", 12, 8), ("resnet18", 12, 4)]


def test_training_writes_weights_that_name_their_network(
    run, streethazards_folder, masks_folder, tmp_path, monkeypatch
):
    def encoder(name, num_classes, *, width):
        assert (name, width) == ("resnet18", 8)
        return create_model("small_ladder", num_classes)

    monkeypatch.setitem(ORIGINS, "timm", encoder)
    asked = ("--model", "timm:resnet18", "--model-options.width", 8, "--epochs", 1, "--batch-size", 8)
    data = ("--dataset", "streethazards", "--data", streethazards_folder, "--out", tmp_path / "run")
    assert run("train", "closed-set", *data, *asked, "--threads", 1)[0] == 0
    weights = tmp_path / "run" / "weights.safetensors"
    told = checkpoint_metadata(weights)
    assert (told["model"], told["num_classes"], told["model_options"]) == (
        *("timm:resnet18", "12"),
        json.dumps({"width": 8}),
    )
    where = ("--protocol", "masks", "--data", masks_folder, "--weights", weights)
    assert run("evaluate", *where, "--score", "msp", "--out", tmp_path / "r.json")[0] == 0
    assert Results.load(tmp_path / "r.json").model == "timm:resnet18"


@pytest.mark.parametrize(
    "said",
    [{"num_classes": "many"}, {"model_options": "{"}, {"model_options": "3"}, {"model_options": "[3]"}],
)
def test_weights_that_say_nonsense_of_themselves_are_one_line(run, pictures, tmp_path, said):
    told = {"model": "small_ladder", "num_classes": "12", **said}
    save_checkpoint(create_model("small_ladder", 12), tmp_path / "w.safetensors", told)
    status, _, err = run(
        "predict", pictures, "--weights", tmp_path / "w.safetensors", "--out", tmp_path / "o"
    )
    assert status == 1
    assert "w.safetensors does not say rightly which network it is" in err
    assert err.count("\n") == 1


def test_networks_with_random_weights_are_refused(run, pictures, tmp_path):
    for model in ("erfnet", "timm:resnet18", "torchvision:fcn_resnet50", "smp:Unet/resnet18"):
        status, _, err = run("predict", pictures, "--model", model, "--out", tmp_path / "o")
        assert status == 1
        assert err == "oddscape: --weights FILE is needed: a network without trained weights says nothing\n"


def test_classes_may_be_the_networks_own_to_tell(monkeypatch):
    monkeypatch.setitem(ORIGINS, "transformers", lambda *_: create_model("erfnet", 7))
    (net,), name = NetworkOptions(model="transformers:folder", device="cpu").load()
    assert (net.num_classes, name) == (7, "transformers:folder")


# ── Weights that cannot be used ─────────────────────────────────────────────────────────────────────────────


class _Bomb:
    """What writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.fixture
def unusable(weights, tmp_path):
    """Files of weights that no network can use, by what is wrong with them."""
    net = create_model("small_ladder", 12)
    files = {name: tmp_path / f"{name}.pth" for name in ("cut-off", "pickled", "pickled-beside", "module")}
    torch.save(net.state_dict(), files["cut-off"])
    files["cut-off"].write_bytes(files["cut-off"].read_bytes()[:-5000])
    files["pickled"].write_bytes(pickle.dumps(_Bomb(tmp_path / "ran"), protocol=2))
    torch.save({"state_dict": net.state_dict(), "extra": _Bomb(tmp_path / "ran")}, files["pickled-beside"])
    torch.save(net, files["module"])
    files["cut-off-safetensors"] = tmp_path / "cut-off.safetensors"
    files["cut-off-safetensors"].write_bytes(weights.read_bytes()[:-5000])
    return files | {"whole": weights}


@pytest.mark.parametrize(
    ("file", "options", "message"),
    [
        (
            "whole",
            ("--num-classes", 11),
            "does not fit SmallLadder: it is for 12 classes, the network for 11",
        ),
        (
            "whole",
            ("--model", "erfnet"),
            "does not fit ERFNet: the file looks like small_ladder for 12 classes",
        ),
        ("cut-off", (), "is not a readable checkpoint: cut off, damaged or of another kind"),
        ("cut-off-safetensors", (), "is not a readable checkpoint: cut off, damaged or of another kind"),
        ("pickled", (), "beside tensors, and is not read: it could run code; save its state_dict() alone"),
        ("pickled-beside", (), "beside tensors, and is not read: it could run code"),
        ("module", (), "holds oddscape.models.small_ladder.SmallLadder beside tensors, and is not read"),
    ],
)
@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_weights_that_cannot_be_used_are_one_line_and_run_no_code(
    run, unusable, masks_folder, tmp_path, command, file, options, message
):
    asked = {
        "evaluate": ("--protocol", "masks", "--data", masks_folder, "--report", tmp_path / "out"),
        "predict": (masks_folder / "images", "--out", tmp_path / "out"),
    }
    named = () if file == "whole" else ("--model", "small_ladder", "--num-classes", 12)
    status, out, err = run(command, *asked[command], "--weights", unusable[file], *named, *options)
    assert (status, out) == (1, "")
    assert err.startswith(f"oddscape: {unusable[file]} ")
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "ran").exists()


def test_the_bomb_would_have_run(unusable, tmp_path):
    pickle.loads(unusable["pickled"].read_bytes())
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(("method", "saw"), [("closed-set", False), ("energy-margin", True)])
def test_weights_of_a_loss_that_takes_negatives_saw_outliers(run, masks_folder, tmp_path, method, saw):
    said = {"model": "small_ladder", "num_classes": "12", "method": method}
    save_checkpoint(create_model("small_ladder", 12), weights := tmp_path / "w.safetensors", said)
    (tmp_path / "own.toml").write_text(
        'title = "own"\nimages = "images/*.png"\nmasks = "labels_masks/{}.png"\n'
        'known = [0]\nanomaly = [1]\nignored = [255]\nfpr_rule = "first_at_least"\n'
    )
    own = ("--protocol", tmp_path / "own.toml", "--data", masks_folder, "--out", tmp_path / "results.json")
    status, _, error = run("evaluate", *own, "--weights", weights, "--score", "energy")
    assert status == 0, error
    assert [s.saw_outliers for s in Results.load(tmp_path / "results.json").scores] == [saw]

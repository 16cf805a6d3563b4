"""``oddscape export``: its files, its table, its errors, and the example that runs a file."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from oddscape.export.comparison import Comparison, FileFigures

EXAMPLE = Path(__file__).parents[2] / "examples" / "onnx_detector.py"
NETWORK = """
import torch
from torch import nn
from oddscape.models.adapters import wrap


def network():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 6, 1))
    with torch.no_grad():
        for weight in net.parameters():
            weight.mul_(2)
    return wrap(net).eval()
"""


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "own.py"
    path.write_text(NETWORK)
    return ("--model", f"{path}:network", "--device", "cpu")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Keep exported files, for each takes seconds: by the threshold, and whether it is an input."""
    folder, real = tmp_path_factory.mktemp("made"), {}

    def export(write, detector, path, *, threshold_input, **others):
        kind = (detector.threshold, threshold_input)
        if kind not in real:
            real[kind] = folder / f"{len(real)}.onnx"
            write(detector, real[kind], threshold_input=threshold_input, **others)
        path.write_bytes(real[kind].read_bytes())

    return export


@pytest.fixture
def export(run, network, made, monkeypatch, tmp_path):
    """Run the command for a small network; give what ``run`` gives and the file."""
    from oddscape.export import detectors

    write = detectors.export_detector
    monkeypatch.setattr(detectors, "export_detector", lambda *args, **kw: made(write, *args, **kw))

    def call(*arguments, out="street.onnx"):
        return *run("export", tmp_path / out, *network, *arguments), tmp_path / out

    return call


@pytest.fixture
def pictures(tmp_path):
    folder, rng = tmp_path / "drive", np.random.default_rng(0)
    folder.mkdir()
    for number in range(3):
        pixels = rng.integers(0, 256, (5, 7, 3), np.uint8).repeat(10, 0).repeat(10, 1)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def run_example(*arguments):
    return subprocess.run([sys.executable, EXAMPLE, *map(str, arguments)], capture_output=True, text=True)


def test_the_example_runs_an_exported_file(export, pictures, tmp_path):
    status, printed, error, out = export("--threshold", -1.63)
    assert (status, error) == (0, "")
    assert printed == f"energy, threshold -1.63 inside; the network sees pictures at their own size: {out}\n"
    result = tmp_path / "result.png"
    ran = run_example(out, pictures / "0.png", result)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "% of the picture is anomalous" in ran.stdout
    assert "class 4: " in ran.stdout
    with Image.open(result) as mask:
        assert mask.size == (70, 50)
        assert set(np.unique(mask)) == {0, 255}


def test_the_example_shows_the_score_where_there_is_no_threshold(exported_by, pictures, tmp_path):
    ran = run_example(exported_by(None), pictures / "0.png", tmp_path / "result.png")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "anomalous" not in ran.stdout
    with Image.open(tmp_path / "result.png") as score:
        assert (score.size, score.getextrema()) == ((70, 50), (0, 255))
        assert len(score.getcolors()) > 50


def test_the_example_takes_a_threshold_where_it_is_an_input(exported_by, pictures, tmp_path):
    given = pictures / "0.png", tmp_path / "result.png"
    own, none = exported_by(-1.63, threshold_input=True), exported_by(None, threshold_input=True)
    assert "100.0% of the picture is anomalous" in run_example(own, *given, -1000).stdout
    assert run_example(own, *given).stdout == run_example(none, *given, -1.63).stdout
    refused = run_example(none, *given)
    assert (refused.returncode, refused.stderr) == (1, "give a threshold at the end\n")


@pytest.fixture
def exported_by(export):
    """An exported file of a threshold, or none, which may be an input."""

    def call(threshold, *, threshold_input=False):
        arguments = ("--threshold", threshold) if threshold is not None else ()
        arguments += ("--threshold-input",) if threshold_input else ()
        *_, out = export(*arguments, out=f"{threshold}-{threshold_input}.onnx")
        return out

    return call


@pytest.fixture
def judged(monkeypatch):
    """Let fewer bits be as fast as a test wants; what is given to the comparison."""
    asked = []

    def compare(speed):
        def compare_files(_reference, candidate, scenes, **others):
            asked.append((candidate.stat().st_size, len(list(scenes)), others))
            files = FileFigures("float32", 2.0, 10, 0.5, 0.6), FileFigures("int8", 0.5, 8, 0.49, float("nan"))
            return Comparison(*files, speed, 0.987, 0.9912, 3, 1)

        monkeypatch.setattr("oddscape.export.comparison.compare_files", compare_files)
        return asked

    return compare


def test_int8_is_kept_where_it_is_faster(export, pictures, masks_folder, judged):
    asked = judged(1.25)
    labelled = ("--protocol", "masks", "--data", masks_folder)
    status, printed, error, out = export("--precision", "int8", "--pictures", pictures, *labelled)
    assert (status, error) == (0, "")
    assert asked[0][0] == out.stat().st_size
    assert asked[0][1] == 4
    assert asked[0][2]["protocol"].name == "masks"
    rows = [line.split() for line in printed.splitlines()]
    assert ["float32", "2.0", "10", "1.00", "50.0", "60.0"] in rows
    assert ["int8", "0.5", "8", "1.25", "49.0", "–"] in rows
    assert "98.70 % of the pixels keep their class; the scores' rank correlation is 0.9912" in printed
    kinds = {weight.data_type for weight in onnx.load(out).graph.initializer}
    assert onnx.TensorProto.INT8 in kinds


def test_what_is_not_faster_is_written_only_when_asked(export, pictures, judged):
    judged(1.0)
    arguments = ("--precision", "float16", "--pictures", pictures, "--threads", 1)
    status, printed, error, out = export(*arguments)
    assert (status, error.count("\n")) == (1, 1)
    assert "times as fast as float32 on this machine" in error
    assert "--keep-slower writes it all the same" in error
    assert "float32" in printed
    assert not out.exists()
    assert export(*arguments, "--keep-slower")[0] == 0
    assert out.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--precision", "int8"), "--precision int8 needs --pictures DIR"),
        (("--precision", "float16"), "--precision float16 is judged on pictures: give --pictures DIR, or"),
        (("--precision", "int8", "--pictures", "EMPTY"), "no picture ("),
        (("--precision", "int8", "--pictures", "missing"), "missing"),
        (("--precision", "float16", "--protocol", "masks"), "--protocol NAME, --data DIR and --reader go"),
        (("--precision", "float16", "--protocol", "mask", "--data", "."), "unknown protocol 'mask'"),
        (("--pictures", "EMPTY"), "judge fewer bits: give --precision float16 or int8, too"),
        (("--keep-slower",), "--keep-slower is for fewer bits: give --precision float16 or int8, too"),
        (("--scales", "0.5,1"), "mean over scales 0.5, 1: no exported graph rounds"),
        (("--score", "densehybrid"), "densehybrid"),
        (("--odin", "0.001"), "ODIN, epsilon 0.001, temperature 1000, takes gradients"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(export, tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    arguments = [tmp_path / "empty" if argument == "EMPTY" else argument for argument in arguments]
    status, printed, error, out = export(*arguments)
    assert (status, printed, error.count("\n")) == (1, "", 1)
    assert message in error
    assert not out.exists()


def test_endings_say_what_a_file_is(export, pictures):
    assert "expected a file that ends in .onnx or .pt2" in export(out="street.engine")[2]
    fewer = ("--precision", "int8", "--pictures", pictures)
    assert "--precision int8 is for files that end in .onnx, not a.pt2" in export(*fewer, out="a.pt2")[2]
    assert "--precision" in export("--precision", "int4")[2]


def test_a_missing_package_is_said(export, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    _, _, error, out = export()
    assert error == "oddscape: onnxscript is not installed: pip install 'oddscape[export]'\n"
    assert not out.exists()

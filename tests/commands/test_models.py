"""``oddscape models``: what it prints."""

import re

import pytest

from oddscape.models import MODELS
from oddscape.models.architectures import ARCHITECTURES


def test_the_table_fits_a_narrow_terminal_and_cuts_nothing(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    status, out, err = run("models")
    assert (status, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert "…" not in out
    for name in MODELS:
        assert re.search(rf"│ {name} +│", out)
    assert re.search(r"│ wrn38 +│ +137\.10 │ +5,824\.8 │ +548\.6 │ DeepLabV3\+ on", out)
    assert "19 known classes; multiply-adds for a picture of 2048×1024" in out


def test_named_networks_are_told_of_in_full(run):
    status, out, err = run(
        "models", "dicnet", "densehybrid_small_ladder", "--num-classes", 5, "--size", "320x192"
    )
    assert (status, err) == (0, "")
    for fact in (
        ARCHITECTURES["dicnet"].title,
        ARCHITECTURES["dicnet"].paper,
        "85.56 million parameters, 342.",
        "student_features 512 channels of 40×24",
        "logits 5 channels of 80×48, outlier_logits 2 channels of 80×48",
        "dataset_posterior",
        "5 known classes; multiply-adds for a picture of 320×192",
    ):
        assert fact in out
    assert "erfnet" not in out


def test_speed_is_measured_where_and_at_the_size_that_is_asked_for(run):
    options = ("--speed", "--size", "64x32", "--device", "cpu", "--threads", 1)
    status, out, err = run("models", "small_ladder", *options)
    assert (status, err) == (0, "")
    assert re.search(r"\d ms a picture", out)
    assert "multiply-adds and time for a picture of 64×32 on 1 CPU thread" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ernet",), "unknown model 'ernet'"),
        (
            ("erfnet", "--speed", "--size", "8x8", "--device", "nowhere"),
            "--device nowhere: cannot be used here",
        ),
    ],
)
def test_bad_arguments_are_one_line(run, arguments, message):
    status, _, err = run("models", *arguments)
    assert status == 1
    assert err.startswith("oddscape: ")
    assert err.count("\n") == 1
    assert message in err

"""What stands beside the figures of ``oddscape evaluate --scores-from`` where they mean little or nothing."""

import numpy as np
import pytest
from PIL import Image

from oddscape.cli import main
from oddscape.results import Results
from oddscape.score_files import write_score

KNOWN, ANOMALY, IGNORED = 0, 1, 255


@pytest.fixture
def evaluated(tmp_path, capsys, monkeypatch):
    """Evaluate made scores under made masks; give exit status, words printed, and an error."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(masks, score_of, protocol="masks"):
        for folder in ("images", "labels_masks"):
            (tmp_path / folder).mkdir()
        for number, mask in enumerate(masks):
            Image.new("RGB", mask.shape[::-1]).save(tmp_path / f"images/{number}.png")
            Image.fromarray(mask).save(tmp_path / f"labels_masks/{number}.png")
            score = score_of(mask, np.random.default_rng(number)).astype(np.float32)
            (tmp_path / "mine").mkdir(exist_ok=True)
            np.save(tmp_path / f"mine/{number}.npy", score)
        given = ("--protocol", protocol, "--data", tmp_path, "--scores-from", tmp_path / "mine")
        status = 0
        try:
            main(["evaluate", *map(str, given), "--out", str(tmp_path / "results.json")])
        except SystemExit as stop:
            status = stop.code
        out, err = capsys.readouterr()
        return status, " ".join(out.split()), err

    return call


def mask(*parts):
    """A mask of 40×40 whose rows are shared out among these values."""
    return np.repeat(np.array(parts, np.uint8), 40 * 40 // len(parts)).reshape(40, 40)


def good(mask, rng):
    return (mask == ANOMALY) + rng.random(mask.shape)


USUAL = [mask(KNOWN, KNOWN, KNOWN, ANOMALY, IGNORED)] * 3


def test_a_good_score_draws_no_caution_but_for_few_pictures(evaluated):
    status, out, _ = evaluated(USUAL, good)
    assert status == 0
    assert out.count(" ! ") == 1
    assert "! intervals from 3 pictures only: fewer than 20" in out


def test_a_flipped_score(evaluated):
    _, out, _ = evaluated(USUAL, lambda mask, rng: -good(mask, rng))
    assert "! mine · files: no better than chance, flipped sign? (pooled AP " in out
    assert "anomalous pixels 25.00 %; pooled AUROC 0.0" in out


def test_a_constant_score(evaluated):
    _, out, _ = evaluated(USUAL, lambda mask, _: np.full(mask.shape, 0.5))
    assert "! mine · files: a constant score: every counted pixel has the same" in out
    assert "flipped" not in out


def test_a_score_of_few_values(evaluated):
    _, out, _ = evaluated(USUAL, lambda mask, rng: np.round(10 * good(mask, rng)))
    assert "few different scores (21 seen): pixels that tie cannot be told apart" in out


def test_nan(evaluated, tmp_path):
    status, out, err = evaluated(USUAL, lambda mask, _: np.where(mask == KNOWN, np.nan, 0))
    assert (status, out) == (1, "")
    assert err == f"oddscape: {tmp_path}/mine/0.npy: 960 of 1,600 scores are NaN\n"
    assert not (tmp_path / "results.json").exists()


def test_no_anomaly_anywhere(evaluated, tmp_path):
    status, out, _ = evaluated([mask(KNOWN, IGNORED)] * 3, good)
    assert status == 0
    assert "left out of per-picture means: 3 (no anomalous pixel)" in out
    assert (
        "! mine · files: AP, FPR95, AUROC, F1 undefined: no anomalous pixel among the 2400 that count" in out
    )
    assert out.count(" ! ") == 1
    assert np.isnan(Results.load(tmp_path / "results.json").scores[0].pooled.auroc)


def test_all_ignored(evaluated):
    status, out, _ = evaluated([mask(IGNORED)] * 3, good)
    assert status == 0
    assert "left out of per-picture means: 3 (no anomalous and no known pixel)" in out
    assert "! mine · files: AP, FPR95, AUROC, F1 undefined: no pixel counts" in out
    assert out.count(" ! ") == 1


def test_a_picture_without_anomalies_is_left_out_of_means_and_counted(evaluated):
    _, out, _ = evaluated([*USUAL, mask(KNOWN)], good)
    assert "pictures: 4 · left out of per-picture means: 1 (no anomalous pixel)" in out


def test_a_single_picture_has_no_interval(evaluated, tmp_path):
    _, out, _ = evaluated(USUAL[:1], good)
    assert "! no interval: 1 picture cannot be resampled" in out
    assert "bootstrap" not in out
    assert all(
        np.isnan(found.low) for found in Results.load(tmp_path / "results.json").scores[0].intervals.values()
    )


def test_an_unknown_label_value(evaluated, tmp_path):
    status, _, err = evaluated([mask(KNOWN, 7)], good)
    assert status == 1
    assert err == (
        f"oddscape: {tmp_path}/labels_masks/0.png: unknown label value [7]: 'masks' knows [0, 1, 255]\n"
    )


def test_the_same_evaluation_twice_is_the_same_file(tmp_path, masks_folder):
    for name in "abcd":
        write_score(tmp_path / "mine", name, np.random.default_rng(1).random((32, 48), np.float32))
    files = [tmp_path / "one.json", tmp_path / "two.json"]
    for file in files:
        given = ("--protocol", "masks", "--data", masks_folder, "--scores-from", tmp_path / "mine")
        main(["evaluate", *map(str, given), "--out", str(file), "--threads", "1"])
    one, two = (Results.load(file) for file in files)
    assert (one.scores[0].replicates, one.fingerprint) == (two.scores[0].replicates, two.fingerprint)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--scores-from", "x", "--model", "erfnet"), "--scores-from takes no network: leave out --model"),
        (("--scores-from", "x", "--score", "msp"), "--scores-from takes no network"),
        (("--scores-from", "x", "--size", "8x8"), "--scores-from takes no network"),
        (("--scores-from", "x"), "no folder x; expected a folder of score files"),
        (("--method", "mine"), "--method names what made the files of --scores-from, which is not given"),
    ],
)
def test_options_that_do_not_go_together_are_one_line(masks_folder, capsys, options, message):
    with pytest.raises(SystemExit):
        main(["evaluate", "--protocol", "masks", "--data", str(masks_folder), *options])
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1

"""Score maps as files: what is written comes back, and what cannot be used is one line with its path."""

import errno
import io
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from oddscape.errors import OddscapeError
from oddscape.score_files import (
    SCORE_FORMATS,
    ScoreFolder,
    ScoreWriter,
    measure_loss,
    precision_loss,
    saturation,
    write_score,
)

SCORE = np.random.default_rng(0).normal(size=(6, 9)).astype(np.float32)
FLOAT_FORMATS = [name for name in SCORE_FORMATS if name != "png16"]

pytest.importorskip("h5py", reason="h5py is not installed (the extra 'scores')")


# ── Round trips ─────────────────────────────────────────────────────────────────────────────────────────────


def score_maps(dtypes=(np.float16, np.float32, np.float64), **limits):
    return st.sampled_from(dtypes).flatmap(
        lambda dtype: npst.arrays(
            dtype,
            npst.array_shapes(min_dims=2, max_dims=2, max_side=7),
            elements=npst.from_dtype(np.dtype(dtype), allow_nan=False, **limits),
        )
    )


@pytest.mark.parametrize("format", FLOAT_FORMATS)
@settings(max_examples=30, deadline=None)
@given(score=score_maps())
def test_floats_come_back_bit_by_bit_in_their_own_type(tmp_path_factory, format, score):
    folder = tmp_path_factory.mktemp("scores")
    assert write_score(folder, "a", score, format, str(score.dtype)) is None
    stored = ScoreFolder(folder)
    back = stored.read("a", score.shape)
    assert (stored.format, stored.names, back.dtype) == (format, ("a",), score.dtype)
    np.testing.assert_array_equal(back, score)


@settings(max_examples=100, deadline=None)
@given(score=score_maps((np.float32,), allow_infinity=False))
def test_16_bit_pictures_come_back_to_within_half_a_step(tmp_path_factory, score):
    folder = tmp_path_factory.mktemp("scores")
    write_score(folder, "a", score, "png16")
    back = ScoreFolder(folder).read("a")
    exact = score.astype(np.float64)
    step = (exact.max() - exact.min()) / 65535
    rounding = np.finfo(np.float32).eps * np.abs(exact) + np.finfo(np.float32).smallest_subnormal
    assert back.dtype == np.float32
    assert (np.abs(back - exact) <= 0.5001 * step + rounding).all()


def test_16_bit_pictures_use_every_level_and_keep_the_order(tmp_path):
    score = np.linspace(-3, 5, 65536, dtype=np.float32).reshape(256, 256)
    write_score(tmp_path, "a", score, "png16")
    with Image.open(tmp_path / "a.png") as picture:
        np.testing.assert_array_equal(np.array(picture).ravel(), np.arange(65536))
    assert (np.diff(ScoreFolder(tmp_path).read("a").ravel()) > 0).all()


def test_a_16_bit_picture_without_scale_counts_from_0_to_1(tmp_path):
    levels = np.array([[0, 1, 13107, 65535]], np.uint16)
    Image.fromarray(levels).save(tmp_path / "a.png")
    read = ScoreFolder(tmp_path).read("a")
    np.testing.assert_array_equal(read, np.array([[0, 1 / 65535, 0.2, 1]], np.float32))


@pytest.mark.parametrize(
    ("format", "dtype", "expected"),
    [
        ("npy", None, "float32"),
        ("npz", None, "float32"),
        ("smiyc", None, "float16"),
        ("fishyscapes", None, "float32"),
        ("png16", None, "float32"),
        ("npy", "float16", "float16"),
        ("smiyc", "float32", "float32"),
    ],
)
def test_formats_store_their_own_type_unless_told(tmp_path, format, dtype, expected):
    write_score(tmp_path, "a", SCORE, format, dtype)
    assert ScoreFolder(tmp_path).read("a").dtype == expected


@pytest.mark.parametrize("format", SCORE_FORMATS)
def test_names_with_slashes_and_dots_become_folders_and_stay(tmp_path, format):
    names = ("t5/2", "t5/12", "t6/12", "v1.2")
    for shift, name in enumerate(names):
        write_score(tmp_path, name, SCORE + np.float32(shift), format, None)
    suffix = SCORE_FORMATS[format].suffix
    assert (tmp_path / "t5" / f"12{suffix}").is_file()
    stored = ScoreFolder(tmp_path)
    assert set(stored.names) == set(names)
    assert stored.names.index("t5/2") < stored.names.index("t5/12")
    np.testing.assert_allclose(stored.read("t6/12"), SCORE + 2, atol=4e-3)


def test_smiycs_file_is_as_the_benchmark_wants_it(tmp_path):
    import h5py

    write_score(tmp_path, "validation0000", SCORE, "smiyc")
    with h5py.File(tmp_path / "validation0000.hdf5") as file:
        assert list(file) == ["value"]
        value = file["value"]
        assert (value.shape, value.dtype) == ((6, 9), np.float16)
        assert (value.compression, value.compression_opts) == ("gzip", 9)
        np.testing.assert_array_equal(value[()], SCORE.astype(np.float16))


def test_files_of_other_programs_are_read(tmp_path):
    import h5py

    np.save(tmp_path / "big-endian.npy", SCORE.astype(">f4"))
    np.save(tmp_path / "columns-first.npy", np.asfortranarray(SCORE))
    for name in ("big-endian", "columns-first"):
        read = ScoreFolder(tmp_path).read(name)
        assert read.dtype == np.dtype("=f4")
        np.testing.assert_array_equal(read, SCORE)
    np.savez(tmp_path / "npz.npz", anything=SCORE)
    np.testing.assert_array_equal(ScoreFolder(tmp_path, "npz").read("npz"), SCORE)
    np.savez(tmp_path / "npz.npz", score=SCORE, other=SCORE + 1)
    np.testing.assert_array_equal(ScoreFolder(tmp_path, "npz").read("npz"), SCORE)
    with h5py.File(tmp_path / "plain.hdf5", "w") as file:
        file["value"] = SCORE.astype(np.float64)
    np.testing.assert_array_equal(ScoreFolder(tmp_path, "smiyc").read("plain"), SCORE)


# ── Folders ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("level", [".", "anomaly_p", "anomaly_p/Mine", "anomaly_p/Mine/AnomalyTrack-all"])
def test_every_level_of_smiycs_layout_leads_to_the_frames(tmp_path, level, monkeypatch):
    write_score(tmp_path / "anomaly_p" / "Mine" / "AnomalyTrack-all", "validation0000", SCORE, "smiyc")
    assert ScoreFolder(tmp_path / level).names == ("validation0000",)
    monkeypatch.chdir(tmp_path / level)
    assert ScoreFolder(".").names == ("validation0000",)


def test_several_data_sets_in_smiycs_layout_are_not_mixed(tmp_path):
    for place in ("Mine/A", "Mine/B", "Other/A"):
        write_score(tmp_path / "anomaly_p" / place, "x", SCORE, "smiyc")
    with pytest.raises(OddscapeError, match=r"several methods or data sets \(Mine/A, Mine/B, Other/A\)"):
        ScoreFolder(tmp_path)
    with pytest.raises(OddscapeError, match=r"\(Mine/A, Mine/B\)"):
        ScoreFolder(tmp_path / "anomaly_p" / "Mine")
    assert ScoreFolder(tmp_path / "anomaly_p" / "Other").names == ("x",)


def test_fishyscapes_segmentations_and_hidden_files_are_no_scores(tmp_path):
    write_score(tmp_path, "0001", SCORE, "fishyscapes")
    np.save(tmp_path / "0001_segmentation.npy", np.zeros((6, 9), np.uint8))
    (tmp_path / "._0002_anomaly.npy").write_bytes(b"")
    (tmp_path / "readme.txt").write_text("")
    stored = ScoreFolder(tmp_path)
    assert (stored.format, stored.names) == ("fishyscapes", ("0001",))


def test_one_npy_of_another_name_makes_all_plain(tmp_path):
    for name in ("a", "b_anomaly"):
        write_score(tmp_path, name, SCORE, "npy")
    stored = ScoreFolder(tmp_path)
    assert (stored.format, stored.names) == ("npy", ("a", "b_anomaly"))


def test_missing_files_are_counted_and_named(tmp_path):
    for name in "abcd":
        write_score(tmp_path, name, SCORE)
    stored = ScoreFolder(tmp_path)
    stored.require("abcd")
    with pytest.raises(OddscapeError) as caught:
        stored.require(["a", *"vwxyz"])
    assert str(caught.value) == (
        f"{tmp_path}: no npy score file for 5 of 6 pictures: v, w, x, … (it has a, b, c, …)"
    )
    with pytest.raises(OddscapeError, match=r"no npy score file for 1 of 1 pictures: e \("):
        stored.read("e")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ((), r"no score files; expected \*\.npy \(npy\), .*\*\.hdf5 \(smiyc\)"),
        (("a.txt", "b.jpg"), "no score files"),
        (("a.npy", "b.npy", "c.png"), r"several formats \(2 of npy, 1 of png16\)"),
    ],
)
def test_folders_that_do_not_say_their_format_are_one_line(tmp_path, files, message):
    for name in files:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(OddscapeError, match=message) as caught:
        ScoreFolder(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_folder_that_is_none_and_a_format_that_is_none_are_one_line(tmp_path):
    with pytest.raises(OddscapeError, match="no folder nowhere; expected a folder of score files"):
        ScoreFolder("nowhere")
    write_score(tmp_path, "a", SCORE)
    with pytest.raises(OddscapeError, match="unknown score format 'hdf5'; known: npy, npz, smiyc, fishysc"):
        ScoreFolder(tmp_path, "hdf5")
    with pytest.raises(OddscapeError, match=r"no score files \*\.hdf5 of the format smiyc"):
        ScoreFolder(tmp_path, "smiyc")


# ── Bad files ───────────────────────────────────────────────────────────────────────────────────────────────


def npy(array):
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def npz(**arrays):
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def hdf5(**datasets):
    import h5py

    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for name, value in datasets.items():
            file[name] = value
    return content.getvalue()


def png(array, **text):
    from PIL.PngImagePlugin import PngInfo

    info, content = PngInfo(), io.BytesIO()
    for keyword, value in text.items():
        info.add_text(keyword.replace("_", "-"), value)
    Image.fromarray(array).save(content, format="PNG", pnginfo=info)
    return content.getvalue()


NAN = np.where(np.eye(6, 9) > 0, np.float32(np.nan), SCORE)
LEVELS = np.zeros((6, 9), np.uint16)
NOISE = np.random.default_rng(0).integers(0, 65536, (60, 90), np.uint16)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("a.npy", lambda: npy(SCORE[0]), r"expected scores \[H, W\], not of shape \[9\]"),
        ("a.npy", lambda: npy(SCORE[None]), r"expected scores \[H, W\], not of shape \[1, 6, 9\]"),
        ("a.npy", lambda: npy(SCORE[:0]), r"not of shape \[0, 9\]"),
        ("a.npy", lambda: npy(SCORE.T), "the scores are 6×9, expected 9×6"),
        ("a.npy", lambda: npy(SCORE.astype(np.uint8)), "expected scores of a float type, not uint8"),
        ("a.npy", lambda: npy(SCORE > 0), "expected scores of a float type, not bool"),
        ("a.npy", lambda: npy(SCORE.astype(np.complex64)), "not complex64"),
        ("a.npy", lambda: npy(SCORE.astype(np.longdouble)), "not float128"),
        ("a.npy", lambda: npy(NAN), "6 of 54 scores are NaN"),
        ("a.npy", lambda: npy(SCORE)[:-7], "no readable npy score file: "),
        ("a.npy", lambda: b"", "no readable npy score file: "),
        ("a.npy", lambda: b"no array at all", "no readable npy score file: "),
        ("a.npy", lambda: npz(score=SCORE), r"no readable npy score file: a \.npz archive"),
        ("a_anomaly.npy", lambda: npy(SCORE > 0), "expected scores of a float type, not bool"),
        ("a.npz", lambda: npy(SCORE), "no readable npz score file: no .npz archive"),
        ("a.npz", lambda: npz(b=SCORE, c=SCORE), "holds b, c; expected one array, or 'score'"),
        ("a.npz", lambda: npz(), "holds nothing; expected one array"),
        ("a.npz", lambda: npz(score=SCORE)[:100], "no readable npz score file: "),
        ("a.hdf5", lambda: hdf5(values=SCORE), "no dataset 'value'; it holds values"),
        ("a.hdf5", lambda: hdf5(**{"value/x": SCORE}), "no dataset 'value'; it holds value"),
        ("a.hdf5", lambda: hdf5(value=SCORE.astype(np.int32)), "expected scores of a float type, not int32"),
        ("a.hdf5", lambda: hdf5(value=np.float32(1)), r"not of shape \[\]"),
        ("a.hdf5", lambda: hdf5(value=NAN), "6 of 54 scores are NaN"),
        ("a.hdf5", lambda: hdf5(value=SCORE)[:500], "no readable smiyc score file: "),
        ("a.png", lambda: png(LEVELS.astype(np.uint8)), "one channel and 16 bits, not one of mode 'L'"),
        ("a.png", lambda: png(np.zeros((6, 9, 3), np.uint8)), "not one of mode 'RGB'"),
        ("a.png", lambda: png(NOISE)[:600], "no readable png16 score file: "),
        ("a.png", lambda: png(LEVELS, score_low="0"), "only score-low of the scale's two text chunks"),
        ("a.png", lambda: png(LEVELS, score_low="0", score_high="x"), "could not convert string to float"),
        ("a.png", lambda: png(LEVELS, score_low="0", score_high="nan"), "54 of 54 scores are NaN"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line_with_its_path(tmp_path, file, content, message):
    (tmp_path / file).write_bytes(content())
    with pytest.raises(OddscapeError, match=message) as caught:
        ScoreFolder(tmp_path).read("a", (6, 9))
    assert str(caught.value).startswith(f"{tmp_path / file}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("format", SCORE_FORMATS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_scores_or_one_line_but_nothing_else(tmp_path_factory, format, data):
    folder = tmp_path_factory.mktemp("scores")
    write_score(folder, "a", SCORE, format)
    path = folder / f"a{SCORE_FORMATS[format].suffix}"
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    said = ""
    try:
        read = ScoreFolder(folder).read("a", (6, 9))
        assert (read.shape, read.dtype.kind) == ((6, 9), "f")
    except OddscapeError as error:
        said = str(error)
    assert said == "" or (said.startswith(f"{path}: ") and "\n" not in said)


def test_h5py_is_named_where_it_is_missing(tmp_path, monkeypatch):
    write_score(tmp_path, "a", SCORE, "smiyc")
    monkeypatch.setitem(sys.modules, "h5py", None)
    stored = ScoreFolder(tmp_path)
    for call in (
        lambda: stored.read("a"),
        lambda: write_score(tmp_path, "a", SCORE, "smiyc"),
        lambda: ScoreWriter(tmp_path, "smiyc"),
    ):
        with pytest.raises(OddscapeError, match=r"need h5py: pip install 'oddscape\[scores\]'$"):
            call()
    write_score(tmp_path / "other", "a", SCORE, "npy")


# ── Writing ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("score", "format", "dtype", "message"),
    [
        (NAN, "npy", None, "^a: 6 of 54 scores are NaN$"),
        (SCORE.astype(np.int64), "npy", None, r"^a: expected floats \[H, W\] as scores, not int64 \[6×9\]$"),
        (SCORE[0], "smiyc", None, r"^a: expected floats \[H, W\] as scores, not float32 \[9\]$"),
        (SCORE[:0], "npz", None, r"not float32 \[0×9\]$"),
        (
            np.where(SCORE > 0, np.float32(np.inf), SCORE),
            "png16",
            None,
            "a 16-bit PNG holds finite scores alone",
        ),
        (SCORE, "png16", "float32", "png16 stores levels of 16 bits: it takes no type, not 'float32' either"),
        (SCORE, "npy", "int8", "unknown type 'int8' for scores; known: float16, float32, float64"),
        (SCORE, "tiff", None, "unknown score format 'tiff'; known: npy, npz, smiyc, fishyscapes, png16"),
    ],
)
def test_scores_that_cannot_be_written_are_one_line_and_no_file(tmp_path, score, format, dtype, message):
    with pytest.raises(OddscapeError, match=message):
        write_score(tmp_path, "a", score, format, dtype)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["../a", "/tmp/a", "", "a/../../b"])
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    with pytest.raises(OddscapeError, match="is no name of a picture"):
        write_score(tmp_path / "scores", name, SCORE)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format", SCORE_FORMATS)
def test_a_full_disk_leaves_the_old_scores_and_nothing_else(tmp_path, format, monkeypatch):
    write_score(tmp_path, "t5/a", SCORE, format)
    [path] = [file for file in tmp_path.rglob("*") if file.is_file()]
    before, write_bytes = path.read_bytes(), Path.write_bytes

    def until_full(path, content):
        write_bytes(path, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", until_full)
    with pytest.raises(OddscapeError, match=rf"^cannot write .*{path.name}: No space left on device$"):
        write_score(tmp_path, "t5/a", SCORE + 1, format)
    assert path.read_bytes() == before
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]


def test_a_writer_says_once_what_the_folder_lost(tmp_path):
    writer = ScoreWriter(tmp_path, "smiyc")
    writer.write("kept", SCORE.astype(np.float16).astype(np.float32))
    assert writer.warning == ""
    writer.write("merged", 1000 + SCORE)
    writer.write("overflowed", np.full_like(SCORE, 1e6))
    assert writer.warning.startswith(
        "warning: 2 of 3 score maps lose precision, the most in overflowed: float16 keeps"
    )
    assert writer.warning.endswith("; infinite by overflow in 54 of the pixels")
    assert np.isinf(ScoreFolder(tmp_path).read("overflowed")).all()


# ── Precision ───────────────────────────────────────────────────────────────────────────────────────────────


def counted_loss(score, dtype):
    """Distinct scores, distinct ones kept, those of the top 1 %, merged ones of these, pixels overflowed."""
    with np.errstate(over="ignore"):
        pairs = [(value.item(), value.astype(dtype).item()) for value in score.ravel()]
    stored_of = dict(pairs)
    shared = Counter(stored_of.values())
    least = sorted(value for value, _ in pairs)[int(0.99 * len(pairs))]
    top = [value for value in stored_of if value >= least]
    overflowed = sum(np.isfinite(value) and not np.isfinite(stored) for value, stored in pairs)
    return len(stored_of), len(shared), len(top), sum(shared[stored_of[v]] > 1 for v in top), overflowed


@settings(max_examples=150, deadline=None)
@given(score=score_maps((np.float32, np.float64)), scale=st.sampled_from([None, 1, 1000, 1e5]))
def test_losses_are_as_counted_one_by_one(score, scale):
    if scale is not None:
        rng = np.random.default_rng(score.size)
        score = rng.normal(scale, 0.01 * scale, (20, 20)).astype(score.dtype)
    distinct, kept, top, top_merged, overflowed = counted_loss(score, "float16")
    loss = measure_loss(score, "float16")
    if kept == distinct and not overflowed:
        assert loss is None
        assert precision_loss(score, "float16") == ""
    else:
        found = (loss.distinct, loss.kept, loss.top_distinct, loss.top_merged, loss.overflowed)
        assert found == (distinct, kept, top, top_merged, overflowed)


def test_scores_that_merge_with_their_neighbours_alone_are_a_note(tmp_path):
    writer = ScoreWriter(tmp_path, "smiyc")
    writer.write("fine", np.random.default_rng(0).random((400, 500), np.float32))
    assert writer.losses["fine"].top_crowd < 0.1
    assert writer.warning.startswith(
        "note: float16 merges scores that lie close in 1 of 1 score maps; of the"
    )
    assert writer.warning.endswith("% at most share a value, too few for figures to feel it")


def test_a_saturated_score_is_a_warning(tmp_path):
    logit = np.random.default_rng(0).normal(0, 12, (400, 500))
    writer = ScoreWriter(tmp_path, "smiyc")
    writer.write("saturated", 1 / (1 + np.exp(-logit)))
    assert writer.losses["saturated"].top_crowd == 1
    assert writer.warning.startswith("warning: 1 of 1 score maps lose precision, the most in saturated: ")


def test_the_crowd_is_counted_in_pixels_of_the_top():
    score = np.zeros((20, 100), np.float64)
    score[0, :20] = [*(1 + np.arange(12) / 1e6), *np.arange(2, 10)]  # 12 of the top 20 merge at 1
    assert measure_loss(score, "float16").top_crowd == 0.6


def test_a_loss_reads_well():
    score = (2048 + np.arange(200, dtype=np.float32) / 2).reshape(10, 20)  # float16 steps by 2 up there
    score[0, 0] = 70000
    assert precision_loss(score, "float16") == (
        "float16 keeps 52 of 200 distinct scores (74.0 % lost); of the 2 in the top 1 % of pixels, 1 merged "
        "with another; infinite by overflow in 1 of the pixels"
    )


@pytest.mark.parametrize(
    ("score", "dtype"),
    [
        (SCORE.astype(np.float16), "float16"),
        (SCORE, "float32"),
        (SCORE, "float64"),
        (SCORE.astype(np.float16).astype(np.float64), "float16"),
        (np.array([[-np.inf, 0, np.inf]], np.float32), "float16"),
        (np.ones((2, 2), np.float32), "uint16"),
        (np.arange(65536, dtype=np.float32).reshape(256, 256), "uint16"),
    ],
)
def test_nothing_is_said_where_nothing_is_lost(score, dtype):
    assert precision_loss(score, dtype) == ""


def test_levels_of_a_16_bit_picture_merge_scores_that_lie_close():
    score = np.concatenate([np.arange(1000) / 1e6, [1000]]).astype(np.float32)[None]
    assert precision_loss(score, "uint16").startswith("a 16-bit PNG keeps 2 of 1,001 distinct scores")


def test_saturated_scores_are_told_from_others():
    rng = np.random.default_rng(0)
    probability = 1 / (1 + np.exp(-rng.normal(0, 12, (200, 300))))
    assert saturation(probability.astype(np.float16)).startswith("saturated, fewer than 32 distinct scores")
    assert saturation(rng.normal(0, 12, (200, 300)).astype(np.float16)) == ""
    assert saturation(np.zeros((20, 20), np.float16)) == ""  # too few pixels to tell

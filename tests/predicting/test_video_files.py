"""Videos written and read again: order, times, sizes, shapes of pixels, and what is no video."""

import re
from fractions import Fraction

import numpy as np
import pytest

from oddscape.errors import OddscapeError
from oddscape.predicting import video_files
from oddscape.predicting.video_files import VideoError, VideoFacts, opened_video, written_video

av = pytest.importorskip("av", reason="PyAV is not installed (the extra 'video')")


def pictures(count, height=32, width=48):
    """Each of one grey, lighter from picture to picture, with a red corner at the top left."""
    for number in range(count):
        picture = np.full((height, width, 3), 40 + 20 * number, np.uint8)
        picture[: height // 2, : width // 2] = (200, 0, 0)
        yield picture


def write(path, times, size=(32, 48), base=Fraction(1, 90_000), turned=0, aspect=None):
    """A video in the format of its suffix, by PyAV alone."""
    codec = {".webm": "libvpx-vp9", ".avi": "mpeg4"}.get(path.suffix, "libx264")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = size[1], size[0], "yuv420p"
        stream.codec_context.time_base = base
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if turned:
            stream.set_display_rotation(turned)
        for picture, time in zip(pictures(len(times), *size), times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(time / base), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def read(path):
    with opened_video(path) as (facts, frames):
        return facts, list(frames)


def times(facts, frames):
    return [float(frame.pts * facts.time_base) for frame in frames]


STEADY = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]


@pytest.mark.parametrize(
    ("name", "asked", "base"),
    [
        ("steady.mp4", STEADY, Fraction(1, 90_000)),
        ("unsteady.mp4", [0.0, 0.1, 0.125, 0.6, 0.61, 2.0], Fraction(1, 90_000)),
        ("drive.mkv", STEADY, Fraction(1, 1000)),
        ("drive.avi", STEADY, Fraction(1, 10)),
        ("drive.mov", STEADY, Fraction(1, 10)),
        ("drive.webm", STEADY, Fraction(1, 1000)),
    ],
)
def test_frames_keep_order_and_times_from_any_format(tmp_path, name, asked, base):
    write(tmp_path / name, asked, base=base)
    facts, frames = read(tmp_path / name)
    assert times(facts, frames) == pytest.approx(asked, abs=1e-3)
    with written_video(tmp_path / "again.mp4", facts) as video:
        for frame in frames:
            video.add(frame.image, frame.pts)
    facts_again, again = read(tmp_path / "again.mp4")
    assert times(facts_again, again) == pytest.approx(times(facts, frames), abs=1e-6)
    assert [frame.number for frame in again] == list(range(6))
    for frame, picture in zip(again, pictures(6), strict=True):
        assert np.abs(frame.image[20:, 30:].astype(int) - picture[20:, 30:]).mean() < 6
        assert np.abs(frame.image[4, 4].astype(int) - picture[4, 4]).max() < 25
    assert facts_again.frames == 6
    assert float(facts_again.rate) == pytest.approx(float(facts.rate), rel=0.2)


def test_a_turned_video_is_read_as_a_player_shows_it(tmp_path):
    write(tmp_path / "plain.mp4", STEADY)
    write(tmp_path / "turned.mp4", STEADY, turned=90)
    plain, turned = (read(tmp_path / name)[1][0].image for name in ("plain.mp4", "turned.mp4"))
    with av.open(str(tmp_path / "turned.mp4")) as container:
        degrees = next(container.decode(video=0)).rotation
    assert abs(degrees) == 90
    np.testing.assert_array_equal(turned, np.rot90(plain, degrees // 90))


@pytest.mark.parametrize(
    ("aspect", "turned", "expected"),
    [
        (None, 0, Fraction(1)),
        (Fraction(16, 11), 0, Fraction(16, 11)),
        (Fraction(4, 3), 180, Fraction(4, 3)),
        (Fraction(4, 3), 90, Fraction(3, 4)),
        (Fraction(4, 3), -90, Fraction(3, 4)),
    ],
)
def test_pixels_that_are_not_square_keep_their_shape(tmp_path, aspect, turned, expected):
    write(tmp_path / "wide.mp4", STEADY, aspect=aspect, turned=turned)
    facts, frames = read(tmp_path / "wide.mp4")
    assert facts.pixel_aspect == expected
    with written_video(tmp_path / "again.mp4", facts) as video:
        for frame in frames:
            video.add(frame.image, frame.pts)
    with av.open(str(tmp_path / "again.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.height, stream.width) == frames[0].image.shape[:2]
        assert stream.sample_aspect_ratio == expected
        assert next(container.decode(stream)).rotation == 0


def test_odd_sizes_grow_by_a_repeated_line(tmp_path):
    facts = VideoFacts(Fraction(10), Fraction(1, 10), None)
    with written_video(tmp_path / "odd.mp4", facts) as video:
        for number, picture in enumerate(pictures(3, 31, 47)):
            video.add(picture, number)
    assert [frame.image.shape for frame in read(tmp_path / "odd.mp4")[1]] == [(32, 48, 3)] * 3


def test_what_is_no_video_is_one_line(tmp_path):
    write(tmp_path / "cut.mp4", STEADY)
    whole = (tmp_path / "cut.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 3])
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mp4").touch()
    with av.open(str(tmp_path / "sound.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    for name, message in (
        ("cut.mp4", "does not decode as a video"),
        ("text.mp4", "does not decode as a video"),
        ("empty.mp4", "does not decode as a video"),
        ("sound.mkv", "holds no video"),
        ("nowhere.mp4", "no such file"),
    ):
        with pytest.raises(VideoError, match=f"{name}: {message}") as error:
            read(tmp_path / name)
        assert "\n" not in str(error.value)


def test_an_interrupted_video_is_not_there(tmp_path):
    facts = VideoFacts(Fraction(10), Fraction(1, 10), None)

    def interrupted():
        with written_video(tmp_path / "half.mp4", facts) as video:
            video.add(next(pictures(1)), 0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bad", [0, 1])
def test_of_several_videos_the_one_that_cannot_be_encoded_is_named(tmp_path, monkeypatch, bad):
    facts = VideoFacts(Fraction(10), Fraction(1, 10), None)
    files = [tmp_path / "first.mp4", tmp_path / "second.mp4"]

    def encoded():
        with written_video(files[0], facts) as first, written_video(files[1], facts) as second:
            (second, first)[bad].add(next(pictures(1)), 0)
            monkeypatch.setattr(video_files, "_ENCODERS", {"libx264": {"preset": "no such"}})
            (first, second)[bad].add(next(pictures(1)), 0)

    with pytest.raises(OddscapeError, match=f"^cannot write {re.escape(str(files[bad]))}: "):
        encoded()
    assert list(tmp_path.iterdir()) == []


def test_without_pyav_a_command_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(OddscapeError, match=r"pip install 'oddscape\[video\]'"):
        read(tmp_path / "drive.mp4")

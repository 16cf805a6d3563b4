"""Reading and writing videos with PyAV: the frames in order, each at its own time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddscape.errors import OddscapeError
from oddscape.files import written_atomically
from oddscape.models.packages import load_package

_ENCODERS = {
    "libx264": {"crf": "18", "preset": "veryfast"},
    "libopenh264": {"b": "8M"},
    "libvpx-vp9": {"crf": "30", "b": "0", "deadline": "realtime", "cpu-used": "6"},
    "libsvtav1": {"crf": "30", "preset": "10"},
}
"""What can be in an .mp4 file, and how it is encoded, the most widely played first."""

_RATE = Fraction(25)  # of a file that tells none
_BT709, _LIMITED = 1, 1  # as FFmpeg numbers them


class VideoError(OddscapeError):
    """A video that cannot be used; others can."""


@dataclass(frozen=True)
class VideoFacts:
    """What a video says of itself.

    Args:
        rate: frames a second, on average.
        time_base: seconds that a unit of ``pts`` takes.
        frames: how many there are; None where the file does not tell.
        pixel_aspect: width of a pixel by its height (sample aspect ratio), turned as a player shows it.
    """

    rate: Fraction
    time_base: Fraction
    frames: int | None
    pixel_aspect: Fraction = Fraction(1)


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame of a video.

    Args:
        number: its place in the video, from 0.
        pts: when it is shown, in units of the time base.
        image: uint8 [H, W, 3], turned as a player shows it.
    """

    number: int
    pts: int
    image: NDArray[np.uint8]


@contextmanager
def opened_video(path: Path) -> Iterator[tuple[VideoFacts, Iterator[Frame]]]:
    """Open a video: what it says of itself, and its frames in the order in which they are shown.

    Raises:
        VideoError: the file is missing, does not decode, holds no frames, or changes its size.
        OddscapeError: PyAV is not installed.
    """
    av = load_package("av", "video")
    with ExitStack() as stack:
        with _decoding(path, av):
            container = stack.enter_context(av.open(str(path)))
        if not container.streams.video:
            raise VideoError(f"{path}: holds no video")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        rate = Fraction(stream.average_rate or stream.guessed_rate or _RATE)
        decoded = container.decode(stream)
        with _decoding(path, av):
            first = next(decoded, None)
        if first is None:
            raise VideoError(f"{path}: holds no frames that decode")
        aspect = _turned_aspect(stream.sample_aspect_ratio or Fraction(1), first.rotation)
        facts = VideoFacts(rate, stream.time_base or 1 / rate, stream.frames or None, aspect)
        yield facts, _frames(path, av, chain([first], decoded), facts)


def _turned_aspect(aspect: Fraction, degrees: float) -> Fraction:
    """That of a pixel of a picture that is turned by its quarters."""
    return 1 / aspect if round(degrees / 90) % 2 else aspect


@contextmanager
def _decoding(path: Path, av: Any) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise VideoError(f"{path}: no such file") from None
    except av.error.FFmpegError as error:
        raise VideoError(f"{path}: does not decode as a video: {error.strerror or error}") from error


def _frames(path: Path, av: Any, decoded: Iterator[Any], facts: VideoFacts) -> Iterator[Frame]:
    size, pts = None, -1
    for number, frame in enumerate(_decoded(path, av, decoded)):
        image = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
        if size not in (None, image.shape):
            raise VideoError(f"{path}: frame {number} is of another size than those before")
        # Files without times, or with times that stand still, happen; encoders take neither.
        told = frame.pts if frame.pts is not None else round(number / (facts.rate * facts.time_base))
        size, pts = image.shape, max(told, pts + 1)
        yield Frame(number, pts, np.ascontiguousarray(image))


def _decoded(path: Path, av: Any, frames: Iterator[Any]) -> Iterator[Any]:
    while True:
        with _decoding(path, av):
            frame = next(frames, None)
        if frame is None:
            return
        yield frame


class VideoWriter:
    """Encodes pictures as an .mp4 file; made by :func:`written_video`.

    Errors of the encoder and of the disk name this file, whatever else is written at the same time.
    """

    def __init__(self, path: Path, av: Any, container: Any, facts: VideoFacts) -> None:
        self._path, self._av, self._container, self._facts = path, av, container, facts
        self._stream: Any = None

    def add(self, picture: NDArray[np.uint8], pts: int) -> None:
        """Put a picture uint8 [H, W, 3] at the end; an odd height or width grows by a repeated line.

        Raises:
            OddscapeError: PyAV cannot encode, or the disk refused.
        """
        height, width, _ = picture.shape
        even = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
        with _encoding(self._path, self._av):
            if self._stream is None:
                self._stream = self._begun(even.shape[0], even.shape[1])
            frame = self._av.VideoFrame.from_ndarray(even, format="rgb24").reformat(
                format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED
            )
            frame.pts, frame.time_base = pts, self._facts.time_base
            self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds, and the end of the file.

        Raises:
            OddscapeError: PyAV cannot encode, or the disk refused.
        """
        with _encoding(self._path, self._av):
            if self._stream is not None:
                self._container.mux(self._stream.encode(None))
            self._container.close()

    def _begun(self, height: int, width: int) -> Any:
        encoder = next((name for name in _ENCODERS if name in self._av.codecs_available), None)
        if encoder is None:
            raise OddscapeError(f"this PyAV has no encoder for .mp4: expected one of {', '.join(_ENCODERS)}")
        stream = self._container.add_stream(encoder, rate=self._facts.rate, options=_ENCODERS[encoder])
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        context.time_base = self._facts.time_base
        context.sample_aspect_ratio = self._facts.pixel_aspect
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = _LIMITED
        return stream


@contextmanager
def _encoding(path: Path, av: Any) -> Iterator[None]:
    try:
        yield
    except av.error.FFmpegError as error:
        raise OddscapeError(f"cannot write {path}: {error.strerror or error}") from error


@contextmanager
def written_video(path: Path, facts: VideoFacts) -> Iterator[VideoWriter]:
    """Write a video, whole or not at all, with the times and the shape of pixels of another.

    Raises:
        OddscapeError: PyAV is not installed, cannot encode, or the disk refused.
    """
    av = load_package("av", "video")
    with written_atomically(path) as partial:
        with _encoding(path, av):
            container = av.open(str(partial), "w", format="mp4")
        try:
            writer = VideoWriter(path, av, container, facts)
            yield writer
            writer.finish()
        except BaseException:
            with suppress(av.error.FFmpegError):  # what went wrong before is what is to be told
                container.close()
            raise

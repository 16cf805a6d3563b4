"""What each benchmark asks of a submission.

SegmentMeIfYouCan (Chan et al., 2021): ``anomaly_p/<method>/<dataset>/<frame id>.hdf5``, dataset ``value``,
float16, gzip 9, height × width. Fishyscapes (Blum et al., 2021): ``<id>_anomaly.npy`` of floats and
``<id>_segmentation.npy`` of train ids, 1024×2048.
"""

from __future__ import annotations

from dataclasses import dataclass

from oddscape.errors import OddscapeError
from oddscape.score_files.formats import SCORE_FORMATS
from oddscape.sizes import Size


@dataclass(frozen=True)
class SubmissionKind:
    """What a benchmark asks of every frame.

    Args:
        title: the benchmark's name for people.
        format: the score files' format in ``SCORE_FORMATS``.
        dtypes: types that the scores may have.
        size: (H, W) of every frame; None: each picture's own.
        nested: the files lie in ``anomaly_p/<method>/<dataset>``, not in the folder itself.
        datasets: names of the data sets that the benchmark asks to be scored.
        segmentation: every frame also has its train ids in ``<id>_segmentation.npy``.
    """

    title: str
    format: str
    dtypes: tuple[str, ...]
    size: Size | None = None
    nested: bool = False
    datasets: tuple[str, ...] = ()
    segmentation: bool = False

    @property
    def suffix(self) -> str:
        """What follows the frame's id in the name of its score file."""
        return SCORE_FORMATS[self.format].suffix


SUBMISSIONS = {
    "smiyc": SubmissionKind(
        "SegmentMeIfYouCan",
        "smiyc",
        ("float16",),
        nested=True,
        # By the instructions of the benchmark's evaluation program: its other splits are parts of these.
        datasets=("AnomalyTrack-all", "ObstacleTrack-all", "LostAndFound-test", "LostAndFound-train"),
    ),
    "fishyscapes": SubmissionKind(
        "Fishyscapes",
        "fishyscapes",
        ("float16", "float32", "float64"),
        size=(1024, 2048),
        segmentation=True,
    ),
}
"""Name → what the benchmark asks for."""

SEGMENTATION_SUFFIX = "_segmentation.npy"


def find_kind(name: str) -> SubmissionKind:
    """Look a kind of submission up by name.

    Raises:
        OddscapeError: there is none of this name; the error lists the names.
    """
    if name not in SUBMISSIONS:
        raise OddscapeError(f"unknown kind of submission {name!r}; known: {', '.join(SUBMISSIONS)}")
    return SUBMISSIONS[name]

"""Protocols: named choices of everything that changes a figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Aggregation = Literal["pooled", "per picture"]


@dataclass(frozen=True)
class Protocol:
    """Everything that changes a figure but the network, its weights and the size it sees.

    Args:
        name: its name in ``odd.PROTOCOLS``.
        title: the data set and the reading, for people.
        data: name of the data set in ``odd.data.DATASETS``.
        reader: options of the data set's reader, such as its split.
        labels: how labels are read, in words: classes, anomalies, ignored pixels.
        aggregation: headline figures over all pixels of all pictures, or the mean over the pictures that hold
            both kinds of pixel.
        fpr_rule: the definition of FPR95, a name in ``odd.metrics.FPR_RULES``.
        evaluation_size: (H, W) to which scores and labels are brought; None: the labels' own size.
        open_set: whether open-mIoU is computed, each fold's threshold coming from the other folds.
    """

    name: str
    title: str
    data: str
    labels: str
    reader: Mapping[str, str] = field(default_factory=dict)
    aggregation: Aggregation = "pooled"
    fpr_rule: str = "first_above"
    evaluation_size: tuple[int, int] | None = None
    open_set: bool = False


_SMIYC_LABELS = "1 anomaly, 0 known, 255 ignored"
_STREETHAZARDS_12 = "12 known classes; raw 14 anomaly; raw 4 (other) ignored"

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "roadanomaly21",
            "SegmentMeIfYouCan AnomalyTrack (RoadAnomaly21), validation",
            data="roadanomaly21",
            labels=_SMIYC_LABELS,
            fpr_rule="first_at_least",
        ),
        Protocol(
            "roadobstacle21",
            "SegmentMeIfYouCan ObstacleTrack (RoadObstacle21), validation",
            data="roadobstacle21",
            labels=_SMIYC_LABELS,
            fpr_rule="first_at_least",
        ),
        Protocol(
            "roadanomaly",
            "RoadAnomaly",
            data="roadanomaly",
            labels="2 (or, re-packaged, 1) anomaly, 0 known, 255 ignored",
        ),
        Protocol(
            "masks", "a folder of one's own, images and labels_masks", data="masks", labels=_SMIYC_LABELS
        ),
        Protocol(
            "streethazards",
            "StreetHazards test as DenseHybrid reads it",
            data="streethazards",
            reader={"split": "test"},
            labels=_STREETHAZARDS_12,
            aggregation="per picture",
            open_set=True,
        ),
        Protocol(
            "streethazards-13",
            "StreetHazards test as its authors and DiCNet read it",
            data="streethazards-13",
            reader={"split": "test"},
            labels="13 known classes; raw 14 anomaly; nothing ignored",
            aggregation="per picture",
            fpr_rule="nearest",
        ),
        Protocol(
            "camvid-heldout",
            "CamVid test with pedestrians and bicyclists as anomalies",
            data="camvid",
            reader={"split": "test"},
            labels="9 known classes; 9 pedestrian and 10 bicyclist anomaly; 11 void ignored",
            open_set=True,
        ),
        Protocol(
            "town",
            "The synthetic town, test",
            data="town",
            reader={"split": "test"},
            labels=_STREETHAZARDS_12,
            open_set=True,
        ),
    )
}
"""Every protocol by name."""

"""Protocols: named choices of everything that changes a figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from oddscape.component_sizes import ANOMALY_TRACK, OBSTACLE_TRACK, ComponentSizes

Aggregation = Literal["pooled", "per picture"]

FprRule = Literal["first_above", "first_at_least", "nearest", "interpolated"]
"""The names in ``odd.metrics.FPR_RULES``; they stand here so that listing protocols imports no torch."""


@dataclass(frozen=True)
class Protocol:
    """Everything that changes a figure but the network, its weights and the size it sees.

    Args:
        name: its name in ``odd.PROTOCOLS``, or the file that it was read from.
        title: the data set and the reading, for people.
        data: name of the data set in ``odd.data.DATASETS``.
        reader: options of the data set's reader, such as its split.
        labels: how labels are read, in words: classes, anomalies, ignored pixels.
        region: the pixels that count, in words.
        aggregation: headline figures over all pixels of all pictures, or the mean over the pictures that hold
            both kinds of pixel.
        fpr_rule: the definition of FPR95, a name in ``odd.metrics.FPR_RULES``.
        evaluation_size: (H, W) to which scores and labels are brought; None: the labels' own size.
        open_set: whether open-mIoU is computed, each fold's threshold coming from the other folds.
        components: sizes of SegmentMeIfYouCan's component figures; None: they and its pixel figures are not
            computed.
    """

    name: str
    title: str
    data: str
    labels: str
    reader: Mapping[str, str] = field(default_factory=dict)
    region: str = "all pixels whose label is not ignored"
    aggregation: Aggregation = "pooled"
    fpr_rule: FprRule = "first_above"
    evaluation_size: tuple[int, int] | None = None
    open_set: bool = False
    components: ComponentSizes | None = None


_MASK_LABELS = "1 anomaly, 0 known, 255 ignored"
_ROAD_LABELS = "1 obstacle, 0 road, 255 all that is no road"
_STREETHAZARDS_12 = "12 known classes; raw 14 anomaly; raw 4 (other) ignored"
_ROAD = "the road alone: what is no road is ignored"

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "roadanomaly21",
            "SegmentMeIfYouCan AnomalyTrack (RoadAnomaly21), validation",
            data="roadanomaly21",
            labels=_MASK_LABELS,
            fpr_rule="first_at_least",
            components=ANOMALY_TRACK,
        ),
        Protocol(
            "roadobstacle21",
            "SegmentMeIfYouCan ObstacleTrack (RoadObstacle21), validation",
            data="roadobstacle21",
            labels=_ROAD_LABELS,
            region=_ROAD,
            fpr_rule="first_at_least",
            components=OBSTACLE_TRACK,
        ),
        Protocol(
            "lost-and-found",
            "SegmentMeIfYouCan Lost and Found, test-NoKnown",
            data="lost-and-found",
            reader={"split": "test"},
            labels="2 to 200 obstacle, 1 road, 0 ignored; frames of children and bicycles left out",
            region=_ROAD,
            fpr_rule="first_at_least",
            components=OBSTACLE_TRACK,
        ),
        Protocol(
            "fishyscapes-lost-and-found",
            "Fishyscapes Lost & Found, validation",
            data="fishyscapes-lost-and-found",
            labels="1 anomaly, 0 known, 2 or 255 ignored",
            fpr_rule="first_at_least",
        ),
        Protocol(
            "fishyscapes-static",
            "Fishyscapes Static, validation",
            data="fishyscapes-static",
            labels=_MASK_LABELS,
            fpr_rule="first_at_least",
        ),
        Protocol(
            "roadanomaly",
            "RoadAnomaly",
            data="roadanomaly",
            labels="2 (or, re-packaged, 1) anomaly, 0 known, 255 ignored",
        ),
        Protocol(
            "bdd-anomaly",
            "BDD-Anomaly: trains, motorcycles and bicycles as anomalies",
            data="bdd-anomaly",
            labels="16 known classes; 16 train, 17 motorcycle and 18 bicycle anomaly; 255 ignored",
            aggregation="per picture",
            fpr_rule="nearest",
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
            region="all pixels",
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
        Protocol("masks", "a folder of one's own: images, labels_masks", data="masks", labels=_MASK_LABELS),
    )
}
"""Every protocol by name."""

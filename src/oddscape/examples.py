"""The pictures of an evaluation: a thumbnail of every scene, and what a network makes of some."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import nn

from oddscape import data as data_sets
from oddscape.data import Dataset, resize_image
from oddscape.evaluation import Look, Progress, evaluation_truth, resized_score
from oddscape.illustrations import Failure, Gallery, Illustration
from oddscape.inference import run_network
from oddscape.labels import ANOMALY_COLOUR, LabelSpace, label_space_of
from oddscape.models import probe
from oddscape.outlines import Outline, outlines
from oddscape.packed_maps import pack_map, pack_photograph, sampled, shrunk_size
from oddscape.regions import Box, Region, find_regions, hysteresis
from oddscape.results import Results, ScoreResult
from oddscape.scenes import Scene
from oddscape.score_files import ScoreFolder
from oddscape.scores import Score, pick_scores
from oddscape.sizes import Size
from oddscape.tally import SceneMaps
from oddscape.threshold_stops import Stop, score_levels, stop_for, threshold_stops
from oddscape.wrappers.left_out import left_out

MAX_WIDTH = 640
"""Wider pictures are shrunk to this width."""

DEFAULT_COUNT = 60
"""Of so many scenes the maps are kept."""

_THUMBNAIL_WIDTH = 176
_FAILURES = 3  # of each kind and picture
_CROP_WIDTH = 200


def keep_thumbnails(progress: Progress, thumbnails: dict[str, str]) -> Progress:
    """Wrap what goes through an evaluation's scenes so that none need be read again for its thumbnail.

    Args:
        progress: what is wrapped.
        thumbnails: where each scene's goes, by name.
    """

    def watched(dataset: Dataset) -> Iterator[Scene]:
        for scene in progress(dataset):
            thumbnails[scene.name] = _thumbnail(scene)
            yield scene

    return watched


def illustrate(
    net: nn.Module,
    results: Results,
    data: str | Path,
    score: str | None = None,
    count: int = DEFAULT_COUNT,
    *,
    fitted: Mapping[str, Score] | None = None,
    label_space: LabelSpace | None = None,
    thumbnails: Mapping[str, str] | None = None,
) -> Gallery:
    """Make pictures of an evaluation: half of them evenly spread, the others its best and its worst.

    Args:
        net: the network that was evaluated; it sees the chosen pictures once more.
        results: what ``evaluate`` returned.
        data: folder of the data set.
        score: which score is shown; None: the one with the highest headline AP.
        count: of how many scenes the maps are kept; of all others there is a thumbnail.
        fitted: the fitted scores that ``evaluate`` was given.
        label_space: what the network's classes are called; None: as the data set calls them, or numbers.
        thumbnails: of scenes by name, as ``keep_thumbnails`` gathers them; other scenes are read once more.
    """
    if score is None:
        score = max(results.scores, key=lambda r: r.headline(results.protocol).average_precision).score
    scores = pick_scores([score], probe(net).fields, fitted, left_out(net))

    def look(scene: Scene, size: Size) -> SceneMaps:
        seen = run_network(net, scene.image, scores, size=results.inference_size, output_size=size)
        return SceneMaps({score: seen.scores[score][0].cpu().numpy()}, seen.classes[0].cpu().numpy())

    making = _Making(results, results.of(score), look)
    dataset = data_sets.open(results.protocol.data, data, **results.protocol.reader)
    space = label_space or dataset.label_space or label_space_of(probe(net).num_classes)
    return making.gallery(dataset, count, thumbnails or {}, space)


def illustrate_scores(
    scores: str | Path,
    results: Results,
    data: str | Path,
    count: int = DEFAULT_COUNT,
    *,
    thumbnails: Mapping[str, str] | None = None,
) -> Gallery:
    """Make pictures of an evaluation of score files; see :func:`illustrate`.

    Args:
        scores: folder of the score files.
        results: what ``evaluate_scores`` returned.
        data: folder of the data set.
        count: of how many scenes the maps are kept.
        thumbnails: as for ``illustrate``.
    """
    folder, (shown,) = ScoreFolder(scores), results.scores

    def look(scene: Scene, size: Size) -> SceneMaps:
        return SceneMaps({shown.score: resized_score(folder.read(scene.name), size)})

    dataset = data_sets.open(results.protocol.data, data, **results.protocol.reader)
    return _Making(results, shown, look).gallery(dataset, count, thumbnails or {}, None)


def chosen(result: ScoreResult, pictures: int, count: int) -> list[int]:
    """Which of so many pictures are shown with their maps, by number, rising.

    Half are spread evenly over the data set, whatever the figures, so that the pictures of several methods
    meet. Of the others, half have the lowest AP, and a quarter each the most false alarms and the highest AP.
    """
    count = min(count, pictures)
    picked = dict.fromkeys(np.linspace(0, pictures - 1, (count + 1) // 2).round().astype(int).tolist())
    ranked = _ranked(result.picture_average_precision)
    alarms = _ranked(result.picture_false_alarms)[::-1]
    quarter = count // 8
    for order, share in (
        (ranked[::-1], quarter),
        (alarms, quarter),
        (ranked, count),
        (range(pictures), count),
    ):
        fresh = [number for number in order if number not in picked]
        picked |= dict.fromkeys(fresh[: min(share, count - len(picked))])
    return sorted(picked)


def failures(
    score: NDArray[np.floating], anomaly: NDArray[np.uint8], image: NDArray[np.uint8], threshold: float
) -> list[Failure]:
    """The largest false regions and missed anomalies of a picture, at most three of each.

    Args:
        score: float [H, W].
        anomaly: uint8 [H, W], 0 known, 1 anomaly, 255 ignored.
        image: uint8 [H, W, 3].
        threshold: pixels with a score above it are called anomalous.
    """
    # As float64 on both sides: a Python float would be rounded to the scores' float32.
    called, true = score > np.float64(threshold), anomaly == 1
    # Regions of called pixels that grow from an anomalous one are no false ones, however far they spill.
    spilled = hysteresis(called.astype(np.float32) + (called & true), 0.5, 1.5)
    false = [(region.area, region) for region in find_regions(score, called & ~spilled & (anomaly == 0))]
    missed = [
        (region.area - found, region)
        for region in find_regions(score, true)
        if 2 * (found := int(np.count_nonzero(called[_within(region.box)] & region.mask))) < region.area
    ]
    kinds: tuple[tuple[Literal["false alarm", "missed"], list[tuple[int, Region]]], ...] = (
        ("false alarm", false),
        ("missed", missed),
    )
    return [
        Failure(kind, _fractions(region.box, anomaly.shape), pixels, _crop(image, region))
        for kind, found in kinds
        for pixels, region in sorted(found, key=lambda pair: -pair[0])[:_FAILURES]
    ]


@dataclass(frozen=True, eq=False)
class _Making:
    """What is shown of a score of an evaluation, and how a scene is looked at again."""

    results: Results
    shown: ScoreResult
    look: Look

    def gallery(
        self, dataset: Dataset, count: int, thumbnails: Mapping[str, str], space: LabelSpace | None
    ) -> Gallery:
        stops = threshold_stops(self.shown)
        start, kept = self._start(stops), set(chosen(self.shown, len(dataset), count))
        small, illustrations = dict(thumbnails), []
        for number, entry in enumerate(dataset.entries):
            if number in kept or entry.name not in small:
                scene = dataset[number]
                small[entry.name] = _thumbnail(scene)
                illustrations += [self._illustration(scene, stops, start)] if number in kept else []
        return Gallery(
            model=self.results.model,
            score=self.shown.score,
            fingerprint=self.results.fingerprint,
            thresholds=[stop.threshold for stop in stops],
            shown_threshold=start,
            class_names=[] if space is None else list(space.classes),
            colours=[] if space is None else list(space.colours),
            thumbnails=small,
            illustrations=illustrations,
        )

    def _start(self, stops: list[Stop]) -> float:
        """The stop of the best F1, or the one in the middle where there is none."""
        return stops[stop_for(stops, self.shown.best_f1_threshold)].threshold

    def _illustration(self, scene: Scene, stops: list[Stop], threshold: float) -> Illustration:
        truth = evaluation_truth(scene, self.results.protocol)
        assert truth.anomaly is not None, "evaluate refuses scenes without anomaly truth"
        full = (truth.anomaly.shape[0], truth.anomaly.shape[1])
        maps, size = self.look(scene, full), shrunk_size(full, MAX_WIDTH)
        score = maps.scores[self.shown.score]
        return Illustration(
            name=scene.name,
            size=size,
            full_size=full,
            photograph=pack_photograph(scene.image, size),
            levels=pack_map(sampled(score_levels(score, stops), size)),
            anomaly=pack_map(sampled(truth.anomaly, size)),
            classes=_packed(maps.classes, size),
            labels=_packed(truth.labels, size),
            failures=failures(score, truth.anomaly, resize_image(scene.image, full), threshold),
        )


def _packed(labels: NDArray[np.uint8] | None, size: Size) -> str | None:
    return None if labels is None else pack_map(sampled(labels, size))


def _thumbnail(scene: Scene) -> str:
    return pack_photograph(scene.image, shrunk_size(scene.size, _THUMBNAIL_WIDTH), quality=60)


def _within(box: Box) -> tuple[slice, slice]:
    return slice(box.top, box.bottom), slice(box.left, box.right)


def _fractions(box: Box, size: tuple[int, ...]) -> tuple[float, float, float, float]:
    height, width = size
    return box.top / height, box.left / width, box.bottom / height, box.right / width


def _crop(image: NDArray[np.uint8], region: Region) -> str:
    """The photograph around a region, 4:3 and twice as large as its box, cut at the picture's borders."""
    box = region.box
    half_width = max(box.right - box.left, 4 * (box.bottom - box.top) / 3, 48)
    half_height = 3 * half_width / 4
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    top, left = max(0, round(y - half_height)), max(0, round(x - half_width))
    shown = image[top : round(y + half_height), left : round(x + half_width)]
    size = shrunk_size(shown.shape[:2], _CROP_WIDTH)
    rings = outlines(region.mask, box.left - left, box.top - top)
    return pack_photograph(
        _outlined(resize_image(shown, size), rings, size[1] / shown.shape[1]), size, quality=70
    )


def _outlined(image: NDArray[np.uint8], rings: Sequence[Outline], scale: float) -> NDArray[np.uint8]:
    """A picture with outlines, whose corners are scaled to it, along the edges of a region."""
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    for colour, width in (((0, 0, 0), 4), (ANOMALY_COLOUR, 2)):  # dark beside bright shows on any ground
        for ring in rings:
            draw.line([(scale * x, scale * y) for x, y in (*ring, ring[0])], colour, width)
    return np.asarray(picture)


def _ranked(figures: list[float]) -> list[int]:
    """Numbers of the pictures that have the figure, the lowest first."""
    known = [number for number, figure in enumerate(figures) if not math.isnan(figure)]
    return sorted(known, key=figures.__getitem__)

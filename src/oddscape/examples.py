"""The best and the worst scenes of an evaluation, as pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import nn

from oddscape import data as data_sets
from oddscape.data import Dataset, resize_image
from oddscape.evaluation import evaluation_truth
from oddscape.illustrations import Illustration
from oddscape.inference import run_network
from oddscape.labels import label_space_of
from oddscape.models import probe
from oddscape.results import Results, ScoreResult
from oddscape.scores import Score, pick_scores
from oddscape.wrappers.left_out import left_out


def illustrate(
    net: nn.Module,
    results: Results,
    data: str | Path,
    score: str | None = None,
    count: int = 3,
    *,
    fitted: Mapping[str, Score] | None = None,
) -> list[Illustration]:
    """Make pictures of the best and the worst scenes of an evaluation, by AP of the picture.

    Args:
        net: the network that was evaluated; it sees the chosen pictures once more.
        results: what ``evaluate`` returned.
        data: folder of the data set.
        score: which score is shown; None: the one with the highest headline AP.
        count: number of best and of worst scenes; a scene is shown once.
        fitted: the fitted scores that ``evaluate`` was given.
    """
    if score is None:
        score = max(results.scores, key=lambda r: r.headline(results.protocol).average_precision).score
    shown = results.of(score)
    scores = pick_scores([score], probe(net).fields, fitted, left_out(net))
    dataset = data_sets.open(results.protocol.data, data, **results.protocol.reader)
    by_precision = np.argsort(shown.picture_average_precision)[::-1].tolist()
    ranked = [index for index in by_precision if not math.isnan(shown.picture_average_precision[index])]
    best, worst = ranked[:count], ranked[count:][-count:][::-1]
    return [
        _illustration(net, results, dataset, index, scores, rank)
        for rank, indices in (("best", best), ("worst", worst))
        for index in indices
    ]


def _illustration(
    net: nn.Module, results: Results, dataset: Dataset, index: int, scores: Mapping[str, Score], rank: str
) -> Illustration:
    (name,) = scores
    shown = results.of(name)
    scene = evaluation_truth(dataset[index], results.protocol)
    assert scene.anomaly is not None, "evaluate refuses scenes without anomaly truth"
    height, width = scene.anomaly.shape
    out = probe(net)
    result = run_network(net, scene.image, scores, size=results.inference_size, output_size=(height, width))
    return Illustration(
        name=scene.name,
        model=results.model,
        score_name=shown.score,
        average_precision=shown.picture_average_precision[index],
        rank=rank,
        threshold=_threshold(shown, scene.fold),
        label_space=dataset.label_space or label_space_of(out.num_classes),
        image=resize_image(scene.image, (height, width)),
        classes=result.classes[0].cpu().numpy(),
        score=result.scores[shown.score][0].cpu().numpy(),
        labels=scene.labels,
        anomaly=scene.anomaly,
    )


def _threshold(shown: ScoreResult, fold: str) -> float:
    """The threshold that the open-set figures used for a fold, else the pooled one."""
    folds = shown.open_set.folds if shown.open_set else []
    thresholds = {f.fold: f.threshold for f in folds if not math.isnan(f.threshold)}
    return thresholds.get(fold, shown.threshold)

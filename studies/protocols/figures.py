"""How far a figure moves with the choices in which protocols differ: one detector, the same pictures.

    python studies/protocols/figures.py DATA

DATA holds RoadAnomaly21/ and RoadObstacle21/. The shipped detector scores each picture once; what is done
with the scores then changes one thing at a time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import oddscape as odd
from oddscape.data import resize_mask

Maps = tuple[NDArray[np.float32], NDArray[np.uint8]]
"""A score map and its anomaly truth (0 known, 1 anomaly, 255 ignored), both [H, W]."""

_SIZE = (512, 1024)


def main(data: Path) -> None:
    """Print both tables for each data set."""
    torch.set_num_threads(1)
    detector = odd.Detector.shipped()
    for name in ("RoadAnomaly21", "RoadObstacle21"):
        scenes = odd.data.open(name.lower(), data / name)
        maps = [_scored(detector, scene) for scene in scenes]
        print(f"\n{name}, {len(scenes)} pictures\n")
        _print_table(("what is changed", "AP", "FPR95"), _changes(maps))
        _print_table(("rule", "pooled", "mean", "8 bits, pooled", "8 bits, mean"), _rules(maps))


def _print_table(header: tuple[str, ...], rows: Iterator[tuple[str, list[float]]]) -> None:
    print("|".join(["", *header, ""]), "|".join(["", *("---" for _ in header), ""]), sep="\n")
    for words, figures in rows:
        print("|".join(["", words, *(f"{100 * figure:.2f}" for figure in figures), ""]))
    print()


def _scored(detector: odd.Detector, scene: odd.Scene) -> Maps:
    assert scene.anomaly is not None
    return detector.predict(scene.image).score, scene.anomaly


def _changes(maps: list[Maps]) -> Iterator[tuple[str, list[float]]]:
    as_given, each = _figures(maps, "first_at_least")
    yield "nothing: the protocol's own figure", as_given
    yield "mean over pictures, not pooled", each
    changes: dict[str, Callable[[Maps], Maps]] = {
        "ignored pixels count as known": _none_ignored,
        "scores and labels at 1024×512": _resized,
        "scores rounded to float16": _in_half_precision,
        "scores rounded to 8 bits": _in_eight_bits,
    }
    for words, change in changes.items():
        yield words, _figures([change(each) for each in maps], "first_at_least")[0]


def _rules(maps: list[Maps]) -> Iterator[tuple[str, list[float]]]:
    """FPR95 by each rule: pooled and the mean over pictures, of the scores as they are and in 8 bits."""
    coarse = [_in_eight_bits(each) for each in maps]
    for rule in odd.metrics.FPR_RULES:
        yield f"`{rule}`", [figures[1] for these in (maps, coarse) for figures in _figures(these, rule)]


def _figures(maps: list[Maps], rule: str) -> tuple[list[float], list[float]]:
    """AP and FPR95, pooled and as the mean over pictures."""
    metrics = odd.metrics.PixelMetrics(fpr_rule=rule)
    for score, truth in maps:
        metrics.update(score, truth)
    found = metrics.compute()
    each = found.per_picture
    return [found.average_precision, found.fpr95], [each.average_precision, each.fpr95]


def _resized(maps: Maps) -> Maps:
    score = torch.from_numpy(maps[0])[None, None]
    small = torch.nn.functional.interpolate(score, _SIZE, mode="bilinear", align_corners=False)[0, 0]
    return small.numpy(), resize_mask(maps[1], _SIZE)


def _none_ignored(maps: Maps) -> Maps:
    return maps[0], (maps[1] == 1).astype(np.uint8)


def _in_half_precision(maps: Maps) -> Maps:
    return maps[0].astype(np.float16).astype(np.float32), maps[1]


def _in_eight_bits(maps: Maps) -> Maps:
    # Each picture by its own range, as pictures of scores are usually written.
    low, high = maps[0].min(), maps[0].max()
    return np.round((maps[0] - low) / (high - low) * 255).astype(np.float32), maps[1]


if __name__ == "__main__":
    main(Path(sys.argv[1]))

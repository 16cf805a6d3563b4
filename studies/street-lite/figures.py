"""The figures of the shipped detector's model card that ``oddscape evaluate`` does not print.

    python studies/street-lite/figures.py DATA TOWN

DATA holds camvid/, RoadAnomaly21/, RoadObstacle21/ and RoadAnomaly/; TOWN is a town of 480x270 with 40 test
pictures. Prints the score that 1 % of the known pixels of CamVid's validation pictures exceed, from which the
threshold was rounded; mIoU and accuracy of the known classes; recall and false-positive rate at it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

import oddscape as odd
from oddscape.data import Dataset
from oddscape.metrics.semantic import ConfusionMatrix, intersection_over_union, mean_defined


def main(data: Path, town: Path) -> None:
    """Print all figures."""
    torch.set_num_threads(1)
    detector = odd.Detector.shipped()
    validation = odd.data.open("camvid", data / "camvid", split="val", held_out=())
    known = [detector.predict(scene.image).score[scene.labels != 255] for scene in validation]
    print(f"1 % of CamVid's validation pixels score above {np.percentile(np.concatenate(known), 99):.2f}")
    _print_classes(
        "CamVid, test", odd.data.open("camvid", data / "camvid", split="test", held_out=()), detector
    )
    _print_classes("town, test", odd.data.open("town", town, split="test", classes="camvid"), detector)
    for name in ("RoadAnomaly21", "RoadObstacle21", "RoadAnomaly"):
        _print_decisions(name, odd.data.open(name.lower(), data / name), detector)


def _print_classes(name: str, dataset: Dataset, detector: odd.Detector) -> None:
    counts = ConfusionMatrix(detector.label_space.num_classes)
    for scene in dataset:
        counts.update(detector.predict(scene.image).classes, scene.labels)
    miou = mean_defined(intersection_over_union(counts.matrix))
    accuracy = np.trace(counts.matrix) / counts.matrix.sum()
    print(f"{name}, {len(dataset)} pictures: mIoU {100 * miou:.1f}, accuracy {100 * accuracy:.1f}")


def _print_decisions(name: str, dataset: Dataset, detector: odd.Detector) -> None:
    # Rows: known and anomalous pixels; columns: called known and called anomalous.
    counts = ConfusionMatrix(2)
    for scene in dataset:
        counts.update(detector.predict(scene.image).anomaly.astype(np.uint8), scene.anomaly)
    fpr, tpr = counts.matrix[:, 1] / counts.matrix.sum(1)
    print(f"{name}, {len(dataset)} pictures: recall {100 * tpr:.1f}, false-positive rate {100 * fpr:.1f}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

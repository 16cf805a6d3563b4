"""What fine-tuning has done to ERFNet's classes: mIoU on CamVid's test labels, agreement on IDD-Lite.

    python closed_set.py DATA RELEASED WEIGHTS...

DATA holds camvid/ and idd_lite/; RELEASED is the network before; WEIGHTS are those of ``oddscape train``. The
19 classes of Cityscapes are counted as CamVid's 11 in SegNet's grouping (below). No labels of IDD-Lite are
used: a pixel agrees where its class of the 19 is the same as before. Pictures are shown as in training.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import nn

import oddscape as odd
from oddscape.data import Dataset
from oddscape.inference import run_network
from oddscape.labels import CITYSCAPES
from oddscape.metrics.semantic import ConfusionMatrix, intersection_over_union, mean_defined
from oddscape.models import checkpoint_metadata, load_checkpoint

SIZE = (512, 896)
AS_CAMVID = {
    "road": "road", "sidewalk": "pavement", "building": "building", "wall": "building", "fence": "fence",
    "pole": "pole", "traffic light": "sign", "traffic sign": "sign", "vegetation": "tree", "terrain": "tree",
    "sky": "sky", "person": "pedestrian", "rider": "bicyclist", "car": "car", "truck": "car", "bus": "car",
    "train": "car", "motorcycle": "bicyclist", "bicycle": "bicyclist",
}  # fmt: skip


def main(data: Path, released: Path, *trained: Path) -> None:
    """Print a line for each network."""
    torch.set_num_threads(1)
    camvid = odd.data.open("camvid", data / "camvid", split="test", held_out=())
    idd = odd.data.open("idd-lite", data / "idd_lite", split="val")
    before = _network(released)
    classes_before = _classes(before, idd)
    was = _miou(before, camvid)
    print(f"before: mIoU {100 * was:.2f} on {len(camvid)} test pictures of CamVid", flush=True)
    for weights in trained:
        net = _network(weights)
        now = _miou(net, camvid)
        same = np.mean([np.mean(a == b) for a, b in zip(_classes(net, idd), classes_before, strict=True)])
        print(
            f"{weights}: mIoU {100 * now:.2f} ({100 * (now - was):+.2f}); "
            f"{100 * same:.2f} % of the pixels of {len(idd)} pictures of IDD-Lite keep their class",
            flush=True,
        )


def _network(weights: Path) -> nn.Module:
    options = json.loads(checkpoint_metadata(weights).get("model_options", '{"void": true}'))
    net = odd.create_model("erfnet", 19, **options)
    load_checkpoint(net, weights)
    return net.eval()


def _classes(net: nn.Module, dataset: Dataset) -> list[np.ndarray]:
    scenes = track(dataset, "classes", total=len(dataset), console=Console(stderr=True))
    return [run_network(net, scene.image, {}, size=SIZE).classes[0].numpy() for scene in scenes]


def _miou(net: nn.Module, camvid: Dataset) -> float:
    names = camvid.label_space.classes
    as_camvid = np.array([names.index(AS_CAMVID[name]) for name in CITYSCAPES.classes], np.uint8)
    matrix = ConfusionMatrix(len(names))
    for scene, classes in zip(camvid, _classes(net, camvid), strict=True):
        matrix.update(as_camvid[classes], scene.labels)
    return float(mean_defined(intersection_over_union(matrix.matrix)))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

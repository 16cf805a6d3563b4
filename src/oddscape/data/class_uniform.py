"""Class-uniform sampling (Zhu et al., CVPR 2019): crops centred on classes, rare ones as often as any.

After "Improving Semantic Segmentation via Video Propagation and Label Relaxation". Read here as follows: with
a given probability, one half in the paper, a sample's picture gives way to another. A class is drawn
uniformly from those that the training pictures show, a picture uniformly from those that show it, and a pixel
uniformly from those of the class in it; the crop is centred on that pixel, as far as the picture's edges let
it. The paper centres on centroids of a class's areas.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from oddscape.data.dataset import Dataset, Entry
from oddscape.data.selection import raw_values
from oddscape.data.transforms import View
from oddscape.errors import OddscapeError

_READERS = 4


@dataclass(frozen=True, eq=False)
class ClassUniform:
    """Which picture a sample is cut from, and what its crop is centred on.

    Args:
        probability: that a sample is centred on a class, from 0 to 1.
        pictures: indices of the pictures that show a class, by its train id; no class without pictures.
    """

    probability: float
    pictures: Mapping[int, NDArray[np.intp]]

    def draw(self, index: int, rng: np.random.Generator) -> tuple[int, int | None]:
        """Index of the picture to cut, and the train id to centre on: ``index`` and None where on none."""
        if rng.random() >= self.probability:
            return index, None
        train_id = int(rng.choice(list(self.pictures)))
        return int(rng.choice(self.pictures[train_id])), train_id


def class_uniform(dataset: Dataset, probability: float) -> ClassUniform:
    """Find out which pictures show which class; every mask is read once.

    Raises:
        OddscapeError: the data set has no class labels, a mask does not read, or no mask shows a class.
    """
    if dataset.label_space is None:
        raise OddscapeError(f"{dataset.name} has no class labels to centre crops on")
    shown = _shown_classes(dataset)
    pictures = {train_id: np.flatnonzero(there) for train_id, there in enumerate(shown.T) if there.any()}
    if not pictures:
        raise OddscapeError(f"{dataset.name}: no mask shows a known class to centre crops on")
    return ClassUniform(probability, pictures)


def centred_on(train_id: int, view: View, labels: NDArray[np.uint8], rng: np.random.Generator) -> View:
    """Move a view so that a uniformly drawn pixel of a class is in its middle, or as near as edges let it.

    Args:
        train_id: the class; one of its pixels is there.
        view: of the picture.
        labels: uint8 [H, W], train ids of the whole picture at its own size.
        rng: draws the pixel.
    """
    of_class = np.flatnonzero(labels == train_id)
    pixel = np.unravel_index(rng.choice(of_class), labels.shape)
    sides = zip(pixel, labels.shape, view.scaled, view.size, strict=True)
    top, left = (
        min(max(int((at + 0.5) * scaled / have) - size // 2, 0), max(scaled - size, 0))
        for at, have, scaled, size in sides
    )
    return replace(view, corner=(top, left))


def _shown_classes(dataset: Dataset) -> NDArray[np.bool_]:
    """Whether each picture shows each class, bool [pictures, K]."""
    space = dataset.label_space
    assert space is not None, "class_uniform has seen it"

    def classes_in(entry: Entry) -> list[int]:
        if entry.truth is None:
            return []
        train_ids = (entry.label_space or space).raw_to_train
        there = np.flatnonzero(raw_values(entry.truth)).tolist()
        return [train_ids[raw] for raw in there if raw in train_ids]

    shown = np.zeros((len(dataset), space.num_classes), bool)
    with ThreadPoolExecutor(_READERS) as pool:
        for row, train_ids in zip(shown, pool.map(classes_in, dataset.entries), strict=True):
            row[train_ids] = True
    return shown

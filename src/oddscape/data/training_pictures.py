"""What a training loop reads: crops as tensors, with negatives mixed in where asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.utils import data

from oddscape.data.cache import SceneCache
from oddscape.data.class_uniform import ClassUniform, centred_on
from oddscape.data.dataset import Dataset, Scenes
from oddscape.data.object_pasting import KnownObjects, ObjectPasting, paste_objects
from oddscape.data.pasting import TrainingSample, paste, unmixed
from oddscape.data.transforms import (
    Colour,
    View,
    cut,
    jitter_colours,
    random_size,
    random_view,
    size_by_shorter_side,
)
from oddscape.errors import OddscapeError
from oddscape.scenes import Scene
from oddscape.sizes import size_text


@dataclass(frozen=True, eq=False)
class Negatives:
    """Where negatives come from, and how a patch of one is cut.

    Args:
        scenes: what to paste from; labels are ids of segments, 255 is never pasted.
        shorter_side: pixels that a picture's shorter side is first brought to.
        scale: range of the random coefficient of a further resize. None: no such resize.
        crop: (H, W) of the patch, at most the crop of the training picture.
        pad_colour: RGB of what a smaller picture is padded with; it is never pasted.
        rectangle_probability: how often a rectangle is pasted and not segments.
        objects: in place of a piece of a patch, how many whole objects are pasted, and how large; the other
            options are then of no account. None: a piece of a patch.
        known_objects: beside objects, those of known classes that are pasted likewise. None: none.
    """

    scenes: Scenes
    shorter_side: int = 384
    scale: tuple[float, float] | None = None
    crop: tuple[int, int] = (384, 384)
    pad_colour: Colour = (107, 117, 120)
    rectangle_probability: float = 0.5
    objects: ObjectPasting | None = None
    known_objects: KnownObjects | None = None


class TrainingPictures(data.Dataset[dict[str, Tensor]]):
    """Training pictures as a map-style torch data set.

    A sample depends on ``(seed, epoch, index)`` alone: not on the process, the worker or the order of
    reading. Chance acts on the picture first and on the negative afterwards, so that with and without
    negatives the crops are the same. Each sample is a dict of

    - ``image``: uint8 [3, h, w], RGB;
    - ``labels``: uint8 [h, w], train ids; 255 where void, padded, pasted or left out;
    - ``pasted``: bool [h, w], pixels of a negative;
    - ``left_out``: bool [h, w], pixels of held-out classes, which belong to no term of any loss.

    Bytes are all that passes between processes and to the device; :meth:`oddscape.training.losses.Batch.to`
    makes of them there what networks and losses take.

    Args:
        dataset: scenes with class labels.
        crop: (h, w) to cut from a random place; smaller pictures are padded. None: whole pictures.
        size: (H, W) that a picture is brought to first. None: its own.
        scale: range of the random coefficient that a picture is resized by before. None: as it is.
        flip: mirror left and right half of the time.
        colour_jitter: brightness, contrast and saturation, of picture and negatives alike, are multiplied by
            factors drawn from [1 − this, 1 + this].
        pad_colour: RGB of the padding.
        negatives: what to paste. None: nothing.
        class_uniform: which samples are centred on which class, possibly of another picture. None: no sample.
        seed: of all chance here.
        cache_bytes: memory for decoded pictures in each process, half of it for all that is pasted.

    Raises:
        OddscapeError: the data set has no class labels, or negatives do not fit into the crop.
    """

    def __init__(
        self,
        dataset: Dataset,
        crop: tuple[int, int] | None,
        *,
        size: tuple[int, int] | None = None,
        scale: tuple[float, float] | None = (0.5, 2.0),
        flip: bool = True,
        colour_jitter: float = 0.0,
        pad_colour: Colour = (84, 88, 95),
        negatives: Negatives | None = None,
        class_uniform: ClassUniform | None = None,
        seed: int = 0,
        cache_bytes: int = 1 << 30,
    ) -> None:
        if dataset.label_space is None:
            raise OddscapeError(f"{dataset.name} has no class labels to train on")
        patches = negatives if negatives and negatives.objects is None else None
        if patches and crop and not (patches.crop[0] <= crop[0] and patches.crop[1] <= crop[1]):
            raise OddscapeError(
                f"negatives of {size_text(patches.crop)} do not fit into crops of {size_text(crop)}"
            )
        self.crop, self.size, self.scale, self.flip, self.pad_colour = crop, size, scale, flip, pad_colour
        self.class_uniform, self.colour_jitter, self.seed = class_uniform, colour_jitter, seed
        self.scenes = SceneCache(dataset, cache_bytes // 2 if negatives else cache_bytes)
        self.negatives = negatives and _cached(negatives, cache_bytes // 2)
        # In shared memory, so that workers that live on see a new epoch.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]

    def set_epoch(self, epoch: int) -> None:
        """Draw all chance anew: call it before each epoch."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((self.seed, int(self._epoch), index))
        target = None
        if self.class_uniform is not None:
            index, target = self.class_uniform.draw(index, rng)
        scene = self.scenes[index]
        view = self._view(scene, rng, target)
        enlarged = view.scaled[0] / scene.size[0]
        sample = _mixed(cut(scene, view, self.pad_colour), self.negatives, rng, enlarged)
        if self.colour_jitter:
            sample = replace(sample, image=jitter_colours(sample.image, rng, self.colour_jitter))
        return _tensors(sample)

    def _view(self, scene: Scene, rng: np.random.Generator, target: int | None) -> View:
        own = self.size or scene.size
        size = random_size(own, rng, self.scale) if self.scale else own
        view = random_view(size, rng, self.crop, flip=self.flip)
        if target is not None and scene.labels is not None:
            return centred_on(target, view, scene.labels, rng)
        return view


def _cached(negatives: Negatives, limit: int) -> Negatives:
    """Negatives, and objects of known classes, that share so many bytes of memory."""
    known = negatives.known_objects
    if known is None:
        return replace(negatives, scenes=SceneCache(negatives.scenes, limit))
    known = replace(known, scenes=SceneCache(known.scenes, limit // 2))
    return replace(negatives, scenes=SceneCache(negatives.scenes, limit // 2), known_objects=known)


def _mixed(
    scene: Scene, negatives: Negatives | None, rng: np.random.Generator, enlarged: float
) -> TrainingSample:
    if negatives is None:
        return unmixed(scene)
    if negatives.objects is not None:
        known = negatives.known_objects
        return paste_objects(scene, negatives.scenes, rng, negatives.objects, enlarged, known)
    return paste(scene, _cut_patch(negatives, rng), rng, negatives.rectangle_probability)


def _cut_patch(negatives: Negatives, rng: np.random.Generator) -> Scene:
    scene = negatives.scenes[int(rng.integers(len(negatives.scenes)))]
    size = size_by_shorter_side(scene.size, negatives.shorter_side)
    if negatives.scale:
        size = random_size(size, rng, negatives.scale)
    return cut(scene, random_view(size, rng, negatives.crop), negatives.pad_colour)


def _tensors(sample: TrainingSample) -> dict[str, Tensor]:
    return {
        "image": torch.from_numpy(sample.image).permute(2, 0, 1),
        "labels": torch.from_numpy(sample.labels),
        "pasted": torch.from_numpy(sample.pasted),
        "left_out": torch.from_numpy(sample.left_out),
    }

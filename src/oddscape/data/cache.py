"""Keeping decoded scenes in memory: on a CPU, decoding is most of what a training picture costs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from oddscape.data.dataset import Dataset, Scenes
from oddscape.scenes import Scene


class SceneCache:
    """Scenes of which it keeps the first that are read, until they take ``limit`` bytes.

    None is given up for another: training reads in random order, in which each is as likely as the next.
    Each process that reads has a memory of its own. Scenes are shared, so change none. A scene that a data
    set lists several times is kept once.

    Args:
        scenes: what to read from.
        limit: bytes to keep at most; 0 keeps nothing.
    """

    def __init__(self, scenes: Scenes, limit: int) -> None:
        self.scenes = scenes
        self.room = limit
        self._keys: Sequence[Hashable] = scenes.entries if isinstance(scenes, Dataset) else range(len(scenes))
        self._kept: dict[Hashable, Scene] = {}

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> Scene:
        key = self._keys[index]
        if key in self._kept:
            return self._kept[key]
        scene = self.scenes[index]
        need = sum(array.nbytes for array in (scene.image, scene.labels, scene.anomaly) if array is not None)
        if need <= self.room:
            self.room -= need
            self._kept[key] = scene
        return scene

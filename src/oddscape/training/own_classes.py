"""The classes that a network gives to pictures before it is trained, as label files."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from oddscape.data import Dataset, Entry, read_image
from oddscape.data.truth import read_labels
from oddscape.files import written_atomically
from oddscape.inference import run_network
from oddscape.labels import IGNORED, LabelSpace, label_space_of
from oddscape.scores import SCORES
from oddscape.sizes import Size
from oddscape.training.setup import HEADS


@dataclass(frozen=True)
class OwnClasses:
    """A folder of label files, one for each picture; they are computed once, and a stopped run goes on.

    Args:
        folder: where they lie.
        size: (H, W) at which the network sees the pictures. None: their own, which that of the label files
            always is.
    """

    folder: Path
    size: Size | None = None

    def path(self, entry: Entry) -> Path:
        """The label file of a picture: train ids, 255 ignored."""
        return self.folder / f"{entry.name}.png"

    def missing(self, entries: Iterable[Entry]) -> list[Entry]:
        """The pictures that have no label file yet."""
        return [entry for entry in entries if not self.path(entry).exists()]

    def labelled(self, dataset: Dataset, num_classes: int) -> Dataset:
        """The data set with these label files in place of its own."""
        space = own_label_space(num_classes)
        entries = tuple(replace(entry, truth=self.path(entry)) for entry in dataset.entries)
        read = partial(read_labels, label_space=space)
        return replace(dataset, label_space=space, entries=entries, read_truth=read, encoding=space)

    def begin(self, net: nn.Module, **told: Any) -> None:
        """Make the folder ready: label files of another network, or made in another way, are removed.

        Args:
            net: the network.
            **told: what else the label files depend on.

        Raises:
            OddscapeError: the disk refuses.
        """
        made_by, there = {"network": _digest(net), "size": self.size, **told}, self.folder / "made_by.json"
        if there.exists() and json.loads(there.read_text()) == json.loads(json.dumps(made_by)):
            for partial_file in self.folder.rglob(".*.partial"):  # of a run that was killed
                partial_file.unlink(missing_ok=True)
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        with written_atomically(there) as unfinished:
            unfinished.write_text(json.dumps(made_by, indent=2))

    def label(self, net: nn.Module, entries: Iterable[Entry], confidence: float = 0.0) -> None:
        """Write the label files of pictures.

        Args:
            net: maps pictures [N, 3, H, W] in [0, 1] to a ``DenseOutput``; it is put into evaluation mode.
            entries: the pictures.
            confidence: pixels with a posterior max_k p_k below it are ignored.

        Raises:
            OddscapeError: a picture does not read, or the disk refuses.
        """
        net.eval()
        scores = {"msp": SCORES["msp"]} if confidence else {}
        for entry in entries:
            said = run_network(net, read_image(entry.image), scores, size=self.size)
            labels = said.classes
            if confidence:
                labels = labels.masked_fill(said.scores["msp"] > 1 - confidence, IGNORED)
            with written_atomically(self.path(entry)) as unfinished:
                Image.fromarray(labels[0].cpu().numpy()).save(unfinished, "PNG")


def own_label_space(num_classes: int) -> LabelSpace:
    """The encoding of the label files: raw values are train ids."""
    ids = {train_id: train_id for train_id in range(num_classes)}
    return replace(label_space_of(num_classes), raw_to_train=ids, ignored=frozenset({IGNORED}))


def _digest(net: nn.Module) -> str:
    """SHA-256 of all weights and statistics but those of new heads, which say nothing about known classes."""
    digest = hashlib.sha256()
    for name, tensor in net.state_dict().items():
        if name.startswith(HEADS):
            continue
        digest.update(name.encode())
        plain = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(np.ascontiguousarray(plain.view(torch.uint8).numpy()).data)
    return digest.hexdigest()

"""What the shards of one mining have in common, so that none is mixed with those of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch

from oddscape.errors import OddscapeError
from oddscape.files import path_text
from oddscape.sizes import size_text

if TYPE_CHECKING:
    from torch import nn

    from oddscape.detector import Detector
    from oddscape.scores import Score


@dataclass(frozen=True)
class MiningSettings:
    """What decides which pictures there are and what is found in them, in words.

    Args:
        pictures: the folders, files and lists, as they were given.
        network: the beginning of a SHA-256 of its weights, and the wrappers around it.
        score: as it is written; for a fitted one with the beginning of a SHA-256 of what it learnt.
        threshold: δ.
        size: that pictures are shown at.
        regions: minimum size and hysteresis.
        classes: names of the known classes.
    """

    pictures: tuple[str, ...]
    network: str
    score: str
    threshold: float
    size: str
    regions: str
    classes: tuple[str, ...]

    @classmethod
    def of(cls, detector: Detector, pictures: Sequence[Path]) -> Self:
        """The settings of a detector and of the folders, files and lists that it is shown.

        Raises:
            OddscapeError: the detector has no threshold, so there is nothing to call a region.
        """
        if detector.threshold is None:
            raise OddscapeError(
                "this detector has no threshold, and regions need one: give --threshold, or a --detector of "
                "oddscape calibrate"
            )
        return cls(
            pictures=tuple(map(path_text, pictures)),
            network=_network_words(detector.net),
            score=_score_words(detector.score),
            threshold=detector.threshold,
            size="the picture's own" if detector.size is None else size_text(detector.size),
            regions=str(detector.rules),
            classes=detector.label_space.classes,
        )

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> Self:
        """The settings that ``dataclasses.asdict`` turned into JSON."""
        lists = {name: tuple(value) for name, value in said.items() if isinstance(value, list)}
        return cls(**{**said, **lists})

    def require(self, others: MiningSettings, where: str) -> None:
        """Make sure that others are the same.

        Args:
            others: of what is to go with these.
            where: that these are of, for the error.

        Raises:
            OddscapeError: they differ; it names the first difference.
        """
        for field in fields(self):
            own, other = getattr(self, field.name), getattr(others, field.name)
            if own != other:
                raise OddscapeError(
                    f"{where} was begun with {field.name} {_words(own)}, not {_words(other)}: give what it "
                    "was begun with, or another --out"
                )

    def to_json(self) -> dict[str, Any]:
        """The settings as what JSON can hold."""
        return asdict(self)


def _words(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _network_words(net: nn.Module) -> str:
    from oddscape.wrappers import unwrapped

    return "; ".join([_digest(net.state_dict()), *unwrapped(net)[1]])


def _score_words(score: Score) -> str:
    from oddscape.scores.fitted.files import is_fitted, split_scores

    plain = score.without_steps()
    if not is_fitted(plain):
        return score.name
    learnt, _ = split_scores({plain.name: plain})
    return f"{score.name}, fitted ({_digest(learnt)})"


def _digest(tensors: dict[str, torch.Tensor]) -> str:
    """The beginning of a SHA-256 of tensors and their names."""
    digest = sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:12]

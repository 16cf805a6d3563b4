"""What the shards of one mining have in common, so that none is mixed with those of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from oddscape.errors import OddscapeError
from oddscape.files import path_text
from oddscape.sizes import size_text

if TYPE_CHECKING:
    from oddscape.detector import Detector


@dataclass(frozen=True)
class MiningSettings:
    """What decides which pictures there are and what is found in them, in words.

    Args:
        pictures: the folders, files and lists, as they were given.
        wrappers: what is around the network.
        score: as it is written.
        threshold: δ.
        size: that pictures are shown at.
        regions: minimum size and hysteresis.
        classes: names of the known classes.
        detector: its fingerprint, which also differs where only weights or what a score learnt do.
    """

    pictures: tuple[str, ...]
    wrappers: tuple[str, ...]
    score: str
    threshold: float
    size: str
    regions: str
    classes: tuple[str, ...]
    detector: str

    @classmethod
    def of(cls, detector: Detector, pictures: Sequence[Path]) -> Self:
        """The settings of a detector and of the folders, files and lists that it is shown.

        Raises:
            OddscapeError: the detector has no threshold, so there is nothing to call a region.
        """
        from oddscape.wrappers import unwrapped

        if detector.threshold is None:
            raise OddscapeError(
                "this detector has no threshold, and regions need one: give --threshold, or a --detector of "
                "oddscape calibrate"
            )
        return cls(
            pictures=tuple(map(path_text, pictures)),
            wrappers=tuple(unwrapped(detector.net)[1]),
            score=detector.score.name,
            threshold=detector.threshold,
            size="the picture's own" if detector.size is None else size_text(detector.size),
            regions=str(detector.rules),
            classes=detector.label_space.classes,
            detector=detector.fingerprint,
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
    return ", ".join(value) or "none" if isinstance(value, tuple) else str(value)

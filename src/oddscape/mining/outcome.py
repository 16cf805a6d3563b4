"""What a mining came to: how many pictures, and the first ones that repeat none."""

from __future__ import annotations

from dataclasses import dataclass, field

from oddscape.mining.merging import RankedPicture
from oddscape.mining.scoring import Mined

_NAMED = 3  # so many pictures that failed are named


@dataclass
class Mining:
    """What a mining came to, while its pictures are gone through and after.

    Args:
        keep: how many pictures are wanted.
        first: the pictures that rank highest and repeat none.
        alike: for the ranks of these, how many further down repeat them.
        ranked: how many pictures were scored.
        repeated: how many of these repeat others.
        failed: how many could not be scored.
        errors: why, of the first three.
    """

    keep: int
    first: list[RankedPicture] = field(default_factory=list)
    alike: dict[int, int] = field(default_factory=dict)
    ranked: int = 0
    repeated: int = 0
    failed: int = 0
    errors: list[str] = field(default_factory=list)

    def add(self, picture: RankedPicture) -> None:
        """Take the next picture of the ranking into account."""
        self.ranked += 1
        if picture.duplicate_of is not None:
            self.repeated += 1
            if picture.duplicate_of in self.alike:
                self.alike[picture.duplicate_of] += 1
        elif len(self.first) < self.keep:
            self.first.append(picture)
            self.alike[picture.rank] = 0

    def add_failed(self, mined: Mined) -> None:
        """Take a picture into account that could not be scored."""
        self.failed += 1
        if self.failed <= _NAMED:
            self.errors.append(mined.error)

"""What became of pictures and videos: which were done, which failed, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from oddscape.files import written_atomically
from oddscape.predicting.inputs import Input

FAILURES = "failures.txt"
"""The file that names all pictures and videos that failed, where there are many."""

_NAMED = 3  # so many that failed are named in a line


@dataclass(frozen=True)
class Outcome:
    """What became of a picture or a video.

    Args:
        input: which.
        failure: why there are no results, in one line; "" where there are.
        was_done: whether an earlier run had done it.
    """

    input: Input
    failure: str = ""
    was_done: bool = False


@dataclass
class Tally:
    """What became of pictures and videos, while they are gone through and after.

    Args:
        failures: why some have no results, in one line each.
        done_before: how many an earlier run had done.
    """

    failures: dict[Input, str] = field(default_factory=dict)
    done_before: int = 0

    def add(self, outcome: Outcome) -> None:
        """Take the next one into account."""
        self.done_before += outcome.was_done
        if outcome.failure:
            self.failures[outcome.input] = outcome.failure

    @property
    def failed_videos(self) -> int:
        """How many of those that failed are videos."""
        return sum(failed.is_video for failed in self.failures)

    @property
    def failed_pictures(self) -> int:
        """How many of those that failed are pictures."""
        return len(self.failures) - self.failed_videos

    def tell_failures(self, out: Path | None) -> str:
        """The first failures in a line; where there are more, all of them go to a file, too.

        Args:
            out: the folder that :data:`FAILURES` is written to; None: it is not.

        Raises:
            OddscapeError: the disk refused.
        """
        failures = list(self.failures.values())
        more = f"; and {len(failures) - _NAMED} more" if failures[_NAMED:] else ""
        if more and out is not None:
            with written_atomically(out / FAILURES) as partial:
                partial.write_text("\n".join(failures) + "\n", encoding="utf-8")
            more += f", in {out / FAILURES}"
        return "; ".join(failures[:_NAMED]) + more

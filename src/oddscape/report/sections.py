"""Which results may stand in one table: those with the same protocol, overrides, pictures and truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from oddscape.protocols import Protocol
from oddscape.results import Results, ScoreResult


@dataclass(frozen=True, eq=False)
class Row:
    """One score of one network.

    Args:
        index: its place in the section, which also gives its colour.
        model: what the network is called in this section; holds the file of its weights where two networks
            share a name.
        run: the results that it comes from.
        result: its figures.
    """

    index: int
    model: str
    run: Results
    result: ScoreResult

    @property
    def name(self) -> str:
        """Network and score."""
        return f"{self.model} · {self.result.score}"


@dataclass(frozen=True, eq=False)
class Section:
    """Results that may be compared: same protocol, same overrides, same pictures, same truth."""

    runs: tuple[Results, ...]

    @property
    def protocol(self) -> Protocol:
        """The protocol of every run."""
        return self.runs[0].protocol

    @property
    def overrides(self) -> list[str]:
        """What every run changed of the protocol."""
        return self.runs[0].overrides

    @property
    def anomaly_share(self) -> float:
        """Share of the counted pixels that are anomalous."""
        return self.runs[0].anomaly_share

    @property
    def rows(self) -> list[Row]:
        """One row for each score of each run, in order."""
        pairs = [
            (model, run, result)
            for model, run in zip(self.models, self.runs, strict=True)
            for result in run.scores
        ]
        return [Row(index, *pair) for index, pair in enumerate(pairs)]

    @property
    def models(self) -> list[str]:
        """What the network of each run is called: its name, with the file of its weights where ambiguous."""
        count = Counter(run.model for run in self.runs)
        return [
            run.model if count[run.model] == 1 else f"{run.model} ({Path(run.weights).name or 'no file'})"
            for run in self.runs
        ]

    def belongs(self, run: Results) -> bool:
        """Whether ``run`` may be compared with the runs of this section."""
        first = self.runs[0]
        return (
            run.protocol == first.protocol
            and run.overrides == first.overrides
            and run.pictures == first.pictures
            and run.known_pixels == first.known_pixels
            and run.anomalous_pixels == first.anomalous_pixels
            and run.fingerprint == first.fingerprint
        )


def sections(results: Sequence[Results]) -> list[Section]:
    """Part results into sections, each of which may stand in one table.

    Args:
        results: results under any protocols.

    Returns:
        The sections in order of first appearance.
    """
    parts: list[Section] = []
    for run in results:
        place = next((i for i, part in enumerate(parts) if part.belongs(run)), None)
        if place is None:
            parts.append(Section((run,)))
        else:
            parts[place] = Section((*parts[place].runs, run))
    return parts

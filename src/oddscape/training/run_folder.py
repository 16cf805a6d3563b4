"""A training run on disk: what it was told, what it ran on, how it went, and where to take it up again.

- ``config.toml``: the resolved configuration;
- ``environment.json``: versions and machine;
- ``metrics.jsonl``: a line for every logged step and every epoch;
- ``checkpoint.safetensors``: network, optimiser and step, replaced as a whole;
- ``previous.safetensors``: the checkpoint before that;
- ``failed_step.json``: the pictures of a step whose loss was not finite;
- ``own_classes``: label files with the classes that the network gave before it was trained;
- ``closed_set_cost.json``: what training did to the classes of pictures that were held back;
- ``weights.safetensors``: the trained network.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from safetensors import SafetensorError

from oddscape.errors import OddscapeError
from oddscape.files import written_atomically
from oddscape.training import state_file
from oddscape.training.config import TrainConfig

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunFolder:
    """The files of one run.

    Args:
        path: the folder; made with the first file.
    """

    path: Path

    @property
    def config(self) -> Path:
        """The resolved configuration, TOML."""
        return self.path / "config.toml"

    @property
    def environment(self) -> Path:
        """Versions and machine, JSON."""
        return self.path / "environment.json"

    @property
    def metrics(self) -> Path:
        """The log, JSON lines."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoint(self) -> Path:
        """Where the run can be taken up."""
        return self.path / "checkpoint.safetensors"

    @property
    def previous(self) -> Path:
        """The checkpoint before the last."""
        return self.path / "previous.safetensors"

    @property
    def failed_step(self) -> Path:
        """The step at which the run could not go on, JSON."""
        return self.path / "failed_step.json"

    @property
    def own_classes(self) -> Path:
        """Folder of the classes that the network gave before it was trained."""
        return self.path / "own_classes"

    @property
    def closed_set_cost(self) -> Path:
        """What training did to the classes of pictures that were held back, JSON."""
        return self.path / "closed_set_cost.json"

    @property
    def weights(self) -> Path:
        """The trained network, safetensors."""
        return self.path / "weights.safetensors"

    def load_checkpoint(self, config: TrainConfig) -> dict[str, Any] | None:
        """Read the checkpoint of a run that may be taken up; None where there is none or none is wanted.

        A broken checkpoint is given up for the one before it where ``config.resume_previous`` says so.

        Raises:
            OddscapeError: the checkpoint is not readable, or of a run that was told something else.
        """
        # A run that was killed between two renames has the previous checkpoint alone.
        found = [path for path in (self.checkpoint, self.previous) if path.exists()]
        if not config.resume or not found:
            return None
        if changed := config.differences(TrainConfig.from_toml(self.config)):
            raise OddscapeError(
                f"{self.path} holds a run with another {', '.join(changed)}; "
                "give the same to go on, another folder, or resume = false (--no-resume) to begin anew"
            )
        try:
            return _read(found[0])
        except OddscapeError as error:
            anew = "resume = false (--no-resume) begins anew"
            if len(found) == 1:
                raise OddscapeError(f"{error}; {anew}") from None
            if not config.resume_previous:
                ask = "resume_previous = true (--resume-previous) goes on from the checkpoint before it"
                raise OddscapeError(f"{error}; {ask}, {anew}") from None
            return self._go_back(str(error))

    def _go_back(self, why: str) -> dict[str, Any]:
        """Take the previous checkpoint in place of a broken one, which is lost for good."""
        state = _read(self.previous)
        self.previous.replace(self.checkpoint)
        _LOG.warning("%s; going on from the checkpoint before it, of step %d", why, state["step"])
        return state

    def begin(self, config: TrainConfig, environment: Mapping[str, Any], step: int) -> None:
        """Write what the run was told and runs on, and cut the log to the lines up to ``step``.

        Raises:
            OddscapeError: the disk refuses.
        """
        stale = [self.failed_step, *self.path.glob(".*.partial")]  # the latter of a run that was killed
        if step == 0:
            stale += [self.checkpoint, self.previous, self.closed_set_cost, self.weights]
        for path in stale:
            path.unlink(missing_ok=True)
        kept = [line for line in self.log() if line["step"] <= step]
        self._write(self.metrics, "".join(f"{json.dumps(line)}\n" for line in kept).encode())
        self._write(self.environment, json.dumps(environment, indent=2).encode())
        self._write(self.config, config.to_toml().encode())

    def append(self, line: Mapping[str, Any]) -> None:
        """Add a line with a ``step`` to the log.

        Raises:
            OddscapeError: the disk refuses.
        """
        try:
            with self.metrics.open("a") as file:
                file.write(f"{json.dumps(line)}\n")
        except OSError as error:
            raise OddscapeError(f"cannot write {self.metrics}: {error.strerror or error}") from error

    def append_epoch(self, epoch: int) -> None:
        """Add a line with the means of an epoch's logged steps.

        Raises:
            OddscapeError: the disk refuses.
        """
        steps = [line for line in self.log() if line["kind"] == "step" and line["epoch"] == epoch]
        self.append(
            {
                "kind": "epoch",
                "epoch": epoch,
                "step": steps[-1]["step"],
                "loss": fmean(line["loss"] for line in steps),
                "terms": {name: fmean(line["terms"][name] for line in steps) for name in steps[-1]["terms"]},
                "pictures_per_second": fmean(line["pictures_per_second"] for line in steps),
            }
        )

    def log(self) -> list[dict[str, Any]]:
        """The lines of the log, oldest first; a last line that was cut off is left out."""
        if not self.metrics.exists():
            return []
        lines = self.metrics.read_text().split("\n")
        return [json.loads(line) for line in lines[:-1]]

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint once the new one is whole and on the disk, and keep the one before.

        Raises:
            OddscapeError: the disk refuses; the checkpoint is untouched.
        """
        with written_atomically(self.checkpoint) as partial:
            partial.write_bytes(state_file.to_bytes(state))
            _onto_disk(partial)
            if self.checkpoint.exists():
                self.checkpoint.replace(self.previous)
        _onto_disk(self.path)

    def save_failed_step(self, step: Mapping[str, Any]) -> None:
        """Write down the step at which the run could not go on.

        Raises:
            OddscapeError: the disk refuses.
        """
        self._write(self.failed_step, json.dumps(step, indent=2).encode())

    def load_closed_set_cost(self) -> dict[str, Any] | None:
        """What training did to the classes; None of a run that held no picture back."""
        if not self.closed_set_cost.exists():
            return None
        cost: dict[str, Any] = json.loads(self.closed_set_cost.read_text())
        return cost

    def save_closed_set_cost(self, cost: Mapping[str, Any]) -> None:
        """Write down what training did to the classes.

        Raises:
            OddscapeError: the disk refuses.
        """
        self._write(self.closed_set_cost, json.dumps(cost, indent=2).encode())

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        with written_atomically(path) as partial:
            partial.write_bytes(content)


def _read(checkpoint: Path) -> dict[str, Any]:
    try:
        return state_file.from_file(checkpoint)
    except (SafetensorError, LookupError, ValueError, OSError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise OddscapeError(f"{checkpoint} is broken ({reason})") from None


def _onto_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, would outlast a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

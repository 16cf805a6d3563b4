"""A training run on disk: what it was told, what it ran on, how it went, and where to take it up again.

- ``config.toml``: the resolved configuration;
- ``environment.json``: versions and machine;
- ``metrics.jsonl``: a line for every logged step and every epoch;
- ``checkpoint.safetensors``: network, optimiser and step, replaced as a whole;
- ``weights.safetensors``: the trained network.
"""

from __future__ import annotations

import json
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
    def weights(self) -> Path:
        """The trained network, safetensors."""
        return self.path / "weights.safetensors"

    def load_checkpoint(self, config: TrainConfig) -> dict[str, Any] | None:
        """Read the checkpoint of a run that may be taken up; None where there is none or none is wanted.

        Raises:
            OddscapeError: the checkpoint is not readable, or of a run that was told something else.
        """
        if not config.resume or not self.checkpoint.exists():
            return None
        if changed := config.differences(TrainConfig.from_toml(self.config)):
            raise OddscapeError(
                f"{self.path} holds a run with another {', '.join(changed)}; "
                "give the same to go on, another folder, or resume = false (--no-resume) to begin anew"
            )
        try:
            return state_file.from_file(self.checkpoint)
        except (SafetensorError, LookupError, ValueError, OSError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise OddscapeError(
                f"{self.checkpoint} is broken ({reason}); resume = false (--no-resume) begins anew"
            ) from None

    def begin(self, config: TrainConfig, environment: Mapping[str, Any], step: int) -> None:
        """Write what the run was told and runs on, and cut the log to the lines up to ``step``.

        Raises:
            OddscapeError: the disk refuses.
        """
        if step == 0:
            self.checkpoint.unlink(missing_ok=True)
            self.weights.unlink(missing_ok=True)
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
        """Replace the checkpoint, once the new one is whole.

        Raises:
            OddscapeError: the disk refuses; the previous checkpoint is untouched.
        """
        self._write(self.checkpoint, state_file.to_bytes(state))

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        with written_atomically(path) as partial:
            partial.write_bytes(content)

"""Being told to stop: SIGTERM, as schedulers and launchers send it, is noted and acted upon between steps."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Self

from oddscape.errors import OddscapeError

# A launcher passes a signal on that may have reached everybody already: such an echo is no second signal.
_ECHO_SECONDS = 2.0


class TrainingStoppedError(OddscapeError):
    """A run was told to stop and has written a checkpoint: the message says how to go on."""


class StopSignal:
    """Notes SIGTERM while its block runs; a second one acts as it does outside the block, by default at once.

    Python hands signals to the main thread alone, so in any other nothing is noted, and SIGTERM acts as ever.
    """

    def __init__(self) -> None:
        self._came_at: float | None = None

    @property
    def came(self) -> bool:
        """Whether SIGTERM has come."""
        return self._came_at is not None

    def __enter__(self) -> Self:
        self._in_main_thread = threading.current_thread() is threading.main_thread()
        if self._in_main_thread:
            self._before = signal.signal(signal.SIGTERM, self._note) or signal.SIG_DFL
        return self

    def __exit__(self, *_: object) -> None:
        if self._in_main_thread:
            signal.signal(signal.SIGTERM, self._before)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if self._came_at is None:
            self._came_at = time.monotonic()
        elif time.monotonic() - self._came_at > _ECHO_SECONDS:
            signal.signal(signal.SIGTERM, self._before)
            signal.raise_signal(signal.SIGTERM)


def obey_parent_alone(_worker: int) -> None:
    """Let a process that reads pictures outlive a SIGTERM to all, for the running step still needs it.

    One from its parent, which no longer does, ends it. Only Linux tells who sent a signal; elsewhere nothing
    is changed.
    """
    if sys.platform == "linux":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_await_parents_signal, daemon=True).start()


def _await_parents_signal() -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)

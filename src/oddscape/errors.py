"""The one kind of error that is the user's to mend: shown as one line, without a traceback."""

from __future__ import annotations


class OddscapeError(Exception):
    """Bad input: the message says what was given, what was expected, and where."""

"""What is waited for is said where a person or a step's log sees it."""

from __future__ import annotations

import contextlib
import sys


def on_stderr(line: str) -> None:
    """Progress of a command, and in a worker a line of its step's log; nobody may be left to hear it."""
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)

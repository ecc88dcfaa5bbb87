"""Questions that are asked again when the connection was lost under them."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from noria.adapters.sql.errors import StoreLost

P = ParamSpec("P")
R = TypeVar("R")

PATIENCE = 15.0  # s; a server that restarts is back within seconds, one that does not needs a person
FIRST, LONGEST = 0.05, 1.0  # s of the pauses, doubled from the first to the longest


def patient(question: Callable[P, R]) -> Callable[P, R]:
    """A question changes nothing, so it may be asked again: after a pause, for `PATIENCE` seconds at most."""

    @functools.wraps(question)
    def asked(*args: P.args, **kwargs: P.kwargs) -> R:
        return persist(lambda: question(*args, **kwargs))

    return asked


def persist(act: Callable[[], R]) -> R:
    """Do it, and do it again after `StoreLost`: only for what is harmless twice, or was not done at all."""
    deadline, pause = time.monotonic() + PATIENCE, FIRST
    while True:
        try:
            return act()
        except StoreLost:
            if time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
        pause = min(2 * pause, LONGEST)

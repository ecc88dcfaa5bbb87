"""What happens in a service, as named events: one JSON line each, with when, how bad, and in which process."""

from __future__ import annotations

import os
import traceback
from contextlib import suppress
from typing import Protocol

import msgspec

from noria.ports.clock import Clock

ERRORS = frozenset(
    {"failed", "broke", "lost", "refused", "unreadable", "unflushed", "untended", "taken-out", "limps"}
)
WARNINGS = frozenset(
    {"unused", "other", "skipped", "unavailable", "sampler", "puzzled", "misunderstood", "silent"}
)


class Narrator(Protocol):
    """Says that something happened: a name as the docs have it, and the facts."""

    def __call__(self, event: str, /, **facts: object) -> None: ...


class ToldOnce:
    """How what is tried again and again fares: a failure is told once, however often it comes, and so is its end. A store
    that is away for a day would fill the disk else."""

    def __init__(
        self,
        narrate: Narrator,
        *,
        failed: str = "follow.failed",
        worked: str = "follow.recovered",
        **facts: str,
    ) -> None:
        """The events' names, and the facts of both."""
        self._narrate = narrate
        self._failed = failed
        self._worked = worked
        self._facts = facts
        self._failure = ""

    def failed(self, error: Exception) -> None:
        if self._failure != repr(error):
            self._narrate(self._failed, **self._facts, stack=stack(error))
        self._failure = repr(error)

    def worked(self) -> None:
        if self._failure:
            self._narrate(self._worked, **self._facts)
        self._failure = ""


def narrator(clock: Clock, descriptor: int) -> Narrator:
    """A narrator onto an open file; one write a line, so that threads do not mix."""

    def narrate(event: str, /, **facts: object) -> None:
        line = {"at": clock.now(), "level": level_of(event), "event": event, "process": os.getpid(), **facts}
        with suppress(OSError):  # a full disk or a reader that left must not fail the request that is told of
            os.write(descriptor, msgspec.json.encode(line, enc_hook=str) + b"\n")

    return narrate


def level_of(event: str) -> str:
    """As collectors of logs sort lines: `error` for what somebody should look at, `warning` for what is not as it was meant."""
    last = event.rpartition(".")[2]
    return "error" if last in ERRORS else "warning" if last in WARNINGS else "info"


def stack(error: BaseException) -> str:
    """The whole traceback, for the log alone: it names paths."""
    return "".join(traceback.format_exception(error))

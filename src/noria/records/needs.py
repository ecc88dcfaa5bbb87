"""What a step needs of a machine, and how often it may be tried."""

from __future__ import annotations

from typing import Literal

from noria.records.base import Record

Fault = Literal["code", "lost", "memory", "timeout", "changed"]
"""Why an attempt failed: the user's code raised; its process or its node is gone; memory was lacking; it took too
long; the project's files are no longer those that the run began with."""


class Needs(Record, kw_only=True):
    """What one attempt takes for itself while it runs."""

    cpus: int = 1
    """Cores that are set aside for it; a declared number is also its number of threads."""
    gpus: int = 0
    memory: int | None = None
    """Bytes that it may take beyond an idle worker's; None: not limited."""
    threads: int | None = None
    """Threads that BLAS, OpenMP and polars get in its process: part of the fingerprint, for sums depend on it. None:
    as many as the engine gives by itself."""
    pinned: bool = False
    """Whether `cpus` was declared, so that the process is held to so many cores."""


class Retry(Record, kw_only=True):
    """How often a step is tried again, by kind of fault, and how long is waited in between."""

    code: int = 0
    lost: int = 1
    """Somebody may have ended the process; a crash that comes again is the step's own."""
    memory: int = 1
    """The next attempt runs alone on its machine; where it was alone already, it is not tried again."""
    timeout: int = 0
    wait: float = 0.5
    """Seconds before the second attempt; doubled before each further one."""
    longest: float = 60.0
    """Seconds that are waited at most."""

    def pause(self, attempt: int) -> float:
        """Seconds to wait after the n-th attempt (from 1) failed."""
        return min(self.wait * 2.0 ** (attempt - 1), self.longest)

    def allows(self, fault: Fault, failed: int) -> bool:
        """Whether to try again after `failed` faults of this kind; never with files that have changed: they stay so."""
        return fault != "changed" and failed <= int(getattr(self, fault))

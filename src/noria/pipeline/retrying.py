"""An engine that tries again: by kind of fault, after a pause, without holding up other jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from noria.errors import ConfigError
from noria.ports.engine import Again, Broke, Ended, Engine, Happening, Job, Relay
from noria.records.needs import Fault


@dataclass
class _Tries:
    """A job, and how often it has failed."""

    job: Job
    attempts: int = 0
    faults: dict[Fault, int] = field(default_factory=dict)


class Retrying(Relay):
    """A job's `retry` says how often each kind of fault is forgiven.

    A job that lacked memory while others ran beside it is tried again alone; where it was alone already, more of the
    same would fail the same, and it is not.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._tries: dict[str, _Tries] = {}
        self._waiting: list[tuple[float, Job]] = []
        """Jobs with the moment at which they are submitted again."""

    def submit(self, job: Job) -> None:
        self._engine.submit(job)
        self._tries[job.id] = _Tries(job)

    def wait(self, seconds: float | None = None) -> list[Happening]:
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            happened: list[Happening] = [*self._submit_due()]
            patience = 0.0 if happened else self._patience(until)
            happened += [self._judged(one) for one in self._engine.wait(patience)]
            if happened or not self._waiting:
                return happened
            now = time.monotonic()
            if until is not None and now >= until:
                return []
            if self._waiting[0][0] > now:  # the engine has nothing to do, so it did not wait
                time.sleep(min(self._waiting[0][0], until or self._waiting[0][0]) - now)

    def cancel(self, id: str) -> None:
        self._tries.pop(id, None)
        self._waiting = [(due, job) for due, job in self._waiting if job.id != id]
        self._engine.cancel(id)

    def _submit_due(self) -> Iterator[Broke]:
        """Try again what has waited for long enough; those that the engine has no room for any more."""
        now = time.monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            job = self._waiting.pop(0)[1]
            try:
                self._engine.submit(job)
            except ConfigError as error:
                del self._tries[job.id]
                yield Broke(job.id, error, "code")

    def _patience(self, until: float | None) -> float | None:
        ends = [end for end in (until, self._waiting[0][0] if self._waiting else None) if end is not None]
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def _judged(self, one: Happening) -> Happening:
        """What the caller hears: a fault that is forgiven is an `Again`."""
        if isinstance(one, Ended):
            self._tries.pop(one.id, None)
        if not isinstance(one, Broke) or one.id not in self._tries:
            return one
        tries = self._tries[one.id]
        tries.attempts += 1
        tries.faults[one.fault] = tries.faults.get(one.fault, 0) + 1
        hopeless = one.fault == "memory" and one.alone
        if hopeless or not tries.job.retry.allows(one.fault, tries.faults[one.fault]):
            del self._tries[one.id]
            return one
        pause = tries.job.retry.pause(tries.attempts)
        again = replace(tries.job, alone=tries.job.alone or one.fault == "memory")
        tries.job = again
        self._waiting.append((time.monotonic() + pause, again))
        self._waiting.sort(key=lambda waiting: waiting[0])
        return Again(one.id, tries.attempts, one.error, pause)

"""An engine whose workers keep to the code that a run began with."""

from __future__ import annotations

from dataclasses import replace

from noria.ports.engine import Engine, Happening, Job
from noria.records.base import Digest


class Held:
    """Wraps an `Engine` and is one: every job names the files that the run's code was read from, so that a worker which
    has imported others gives no result under this code's name (`SOURCE-CHANGED`), whenever it was started."""

    def __init__(self, engine: Engine, files: dict[str, Digest]) -> None:
        self._engine = engine
        self._files = files

    def submit(self, job: Job) -> None:
        self._engine.submit(replace(job, files=self._files))

    def wait(self, seconds: float | None = None) -> list[Happening]:
        return self._engine.wait(seconds)

    def cancel(self, id: str) -> None:
        self._engine.cancel(id)

    def warm(self, pipeline: str = "") -> None:
        self._engine.warm(pipeline)

    def close(self) -> None:
        self._engine.close()
